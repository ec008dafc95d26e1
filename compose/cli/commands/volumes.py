"""List the volumes of the project."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import RowFormat, Services


def command(
    context: Context,
    services: Services = (),
    quiet: Annotated[bool, Flag("-q", "--quiet", help="only the names")] = False,
    format: RowFormat = "table",
) -> None:
    from compose.output import tables

    with context.open_stack() as stack:
        records = stack.volumes(services)
    context.console.out.lines(tables.show_volumes(records, format=format, quiet=quiet))
