"""Remove the networks that no container is on."""

from compose.cli.context import Context
from compose.cli.options import PruneFilter, PruneForce


def command(
    context: Context,
    force: PruneForce = False,
    filter: PruneFilter = (),
) -> None:
    from compose.cli.filters import parse_prune

    options = parse_prune(filter)
    warning = "This will remove all custom networks not used by at least one container."
    if not context.is_wanted(warning, force=force):
        return
    with context.open_machine() as machine:
        names = machine.prune_networks(options)
    if names:
        context.console.out.lines(["Deleted Networks:", *names])
