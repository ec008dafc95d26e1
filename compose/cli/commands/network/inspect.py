"""Print all that is known about networks, as JSON."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import InspectFormat, Words, inspect_each


def command(
    context: Context,
    names: Annotated[Words, Argument("NETWORK [NETWORK...]", minimum=1)],
    format: InspectFormat = "",
    verbose: Annotated[bool, Flag("-v", "--verbose", help="no effect: all is shown")] = False,
) -> int:
    from compose.output import inspections

    with context.open_machine() as machine:
        return inspect_each(
            context,
            names,
            lambda name: inspections.network(machine.network(name), machine.containers()),
            format=format,
        )
