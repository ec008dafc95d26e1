"""Remove the anonymous volumes that nobody uses."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import PruneForce, Words
from compose.cli.parsing import UsageError


def command(
    context: Context,
    all: Annotated[bool, Flag("-a", "--all", help="named ones, too")] = False,
    force: PruneForce = False,
    filter: Annotated[
        Words, Flag("--filter", metavar="KEY=VALUE", help="only such ones (label, label!, all)")
    ] = (),
) -> None:
    from compose.cli.filters import parse_prune
    from compose.output import usage_tables

    # as Docker before it had the flag
    named = any(text in ("all=1", "all=true") for text in filter)
    rest = tuple(text for text in filter if not text.startswith("all="))
    if any(text.startswith("until=") for text in rest):
        raise UsageError('the "until" filter is not supported by `volume prune`')
    options = parse_prune(rest, all=all or named)
    kind = "all" if options.all else "anonymous local"
    warning = f"This will remove {kind} volumes not used by at least one container."
    if not context.is_wanted(warning, force=force):
        return
    with context.open_machine() as machine:
        names, freed = machine.prune_volumes(options)
    context.console.out.lines(usage_tables.show_pruned_volumes(names, freed))
