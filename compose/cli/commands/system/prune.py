"""Remove all that nothing uses: stopped containers, networks, images, with --volumes volumes."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Words


def command(
    context: Context,
    all: Annotated[bool, Flag("-a", "--all", help="images with a name, too")] = False,
    filter: Annotated[
        Words, Flag("--filter", metavar="KEY=VALUE", help="only such ones (until, label, label!)")
    ] = (),
    force: Annotated[bool, Flag("-f", "--force", help="do not ask")] = False,
    volumes: Annotated[bool, Flag("--volumes", help="anonymous volumes, too")] = False,
) -> None:
    from compose.cli.filters import parse_prune
    from compose.output import usage_tables

    options = parse_prune(filter, all=all, volumes=volumes)
    question = usage_tables.prune_question(all=all, volumes=volumes)
    context.require_root()  # before anybody is asked
    if not (force or context.console.confirm(question)):
        return
    with context.open_machine() as machine:
        pruned = machine.prune(options)
    context.console.out.lines(usage_tables.show_pruned(pruned))
