"""Remove all that nothing uses: stopped containers, networks, images, with --volumes volumes."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import PruneFilter, PruneForce


def command(
    context: Context,
    all: Annotated[bool, Flag("-a", "--all", help="images with a name, too")] = False,
    filter: PruneFilter = (),
    force: PruneForce = False,
    volumes: Annotated[bool, Flag("--volumes", help="anonymous volumes, too")] = False,
) -> None:
    from compose.cli.filters import parse_prune
    from compose.output import usage_tables

    options = parse_prune(filter, all=all, volumes=volumes)
    if not context.is_wanted(usage_tables.prune_warning(all=all, volumes=volumes), force=force):
        return
    with context.open_machine() as machine:
        pruned = machine.prune(options)
    context.console.out.lines(usage_tables.show_pruned(pruned))
