"""Print all that is known about volumes, as JSON."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument
from compose.cli.options import InspectFormat, Words, inspect_each


def command(
    context: Context,
    names: Annotated[Words, Argument("VOLUME [VOLUME...]", minimum=1)],
    format: InspectFormat = "",
) -> int:
    from compose.output import inspections

    with context.open_machine() as machine:
        return inspect_each(
            context,
            names,
            lambda name: inspections.volume(machine.volume(name), machine.containers()),
            format=format,
        )
