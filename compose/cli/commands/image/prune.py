"""Remove images without a name that no container needs."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import PruneFilter, PruneForce


def command(
    context: Context,
    all: Annotated[bool, Flag("-a", "--all", help="those with a name, too")] = False,
    filter: PruneFilter = (),
    force: PruneForce = False,
) -> None:
    from compose.cli.filters import parse_prune
    from compose.output import image_tables

    options = parse_prune(filter, all=all)
    kind = (
        "all images without at least one container associated to them"
        if all
        else "all dangling images"
    )
    if not context.is_wanted(f"This will remove {kind}.", force=force):
        return
    with context.open_machine() as machine:
        pruned = machine.prune_images(options)
    context.console.out.lines(image_tables.show_pruned(pruned))
