"""Remove the networks that no container is on."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Words


def command(
    context: Context,
    force: Annotated[bool, Flag("-f", "--force", help="do not ask")] = False,
    filter: Annotated[
        Words, Flag("--filter", metavar="KEY=VALUE", help="only such ones (until, label, label!)")
    ] = (),
) -> None:
    from compose.cli.filters import parse_prune

    options = parse_prune(filter)
    question = (
        "WARNING! This will remove all custom networks not used by at least one container.\n"
        "Are you sure you want to continue?"
    )
    context.require_root()  # before anybody is asked
    if not (force or context.console.confirm(question)):
        return
    with context.open_machine() as machine:
        names = machine.prune_networks(options)
    if names:
        context.console.out.lines(["Deleted Networks:", *names])
