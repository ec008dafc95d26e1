"""Remove images without a name that no container needs."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Words


def command(
    context: Context,
    all: Annotated[bool, Flag("-a", "--all", help="those with a name, too")] = False,
    filter: Annotated[
        Words, Flag("--filter", metavar="KEY=VALUE", help="only such ones (until, label, label!)")
    ] = (),
    force: Annotated[bool, Flag("-f", "--force", help="do not ask")] = False,
) -> None:
    from compose.cli.filters import parse_prune
    from compose.output import image_tables

    options = parse_prune(filter, all=all)
    kind = (
        "all images without at least one container associated to them"
        if all
        else "all dangling images"
    )
    question = f"WARNING! This will remove {kind}.\nAre you sure you want to continue?"
    context.require_root()  # before anybody is asked
    if not (force or context.console.confirm(question)):
        return
    with context.open_machine() as machine:
        pruned = machine.prune_images(options)
    context.console.out.lines(image_tables.show_pruned(pruned))
