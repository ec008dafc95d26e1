"""Print all that is known about volumes, as JSON."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument
from compose.cli.options import InspectFormat, Words


def command(
    context: Context,
    names: Annotated[Words, Argument("VOLUME [VOLUME...]", minimum=1)],
    format: InspectFormat = "",
) -> None:
    from compose.output import inspections

    with context.open_machine() as machine:
        found = [inspections.volume(machine.volume(name), machine.containers()) for name in names]
    context.console.out.lines(inspections.show(found, format=format))
