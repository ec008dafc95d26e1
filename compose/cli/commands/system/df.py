"""Show what images, containers and volumes take on the disk."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import RowFormat


def command(
    context: Context,
    format: RowFormat = "",
    verbose: Annotated[bool, Flag("-v", "--verbose", help="one by one")] = False,
) -> None:
    from compose.output import usage_tables

    with context.open_machine() as machine:
        usage = machine.disk_usage()
        containers, volumes = machine.containers(), machine.volumes()
    context.console.out.lines(
        usage_tables.show(usage, containers, volumes, format=format, verbose=verbose)
    )
