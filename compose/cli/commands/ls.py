"""List projects."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import TableFormat, Words


def command(
    context: Context,
    all: Annotated[bool, Flag("-a", "--all", help="those of which nothing runs, too")] = False,
    quiet: Annotated[bool, Flag("-q", "--quiet", help="only the names")] = False,
    filter: Annotated[Words, Flag("--filter", metavar="name=RE", help="with such a name")] = (),
    format: TableFormat = "table",
) -> None:
    from compose.output import project_tables

    with context.open_machine() as machine:
        projects = machine.ls(all=all)
    context.console.out.lines(
        project_tables.show(projects, filters=filter, format=format, quiet=quiet)
    )
