"""List volumes."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Quiet, RowFormat, Words


def command(
    context: Context,
    quiet: Quiet = False,
    format: RowFormat = "",
    filter: Annotated[
        Words, Flag("-f", "--filter", metavar="KEY=VALUE", help="only such ones")
    ] = (),
) -> None:
    from compose.output import tables
    from compose.output.filters import select_volumes

    with context.open_machine() as machine:
        found = select_volumes(machine.volumes(), filter, machine.containers)
    context.console.out.lines(tables.show_volumes(found, format=format, quiet=quiet))
