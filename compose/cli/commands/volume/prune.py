"""Remove the anonymous volumes that nobody uses."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Words


def command(
    context: Context,
    all: Annotated[bool, Flag("-a", "--all", help="named ones, too")] = False,
    force: Annotated[bool, Flag("-f", "--force", help="do not ask")] = False,
    filter: Annotated[Words, Flag("--filter", metavar="label=KEY", help="only such ones")] = (),
) -> None:
    from compose.output.filters import select_volumes

    with context.open_machine() as machine:
        unused = select_volumes(machine.volumes(), ("dangling=true", *filter), machine.containers)
        doomed = [volume.name for volume in unused if all or volume.options.anonymous]
        kind = "all" if all else "anonymous"
        question = f"This removes {kind} volumes that no container uses, {len(doomed)} now. Go on?"
        if not doomed or not (force or context.console.confirm(question)):
            return
        for name in doomed:
            machine.remove_volume(name)
    context.console.out.lines(["Deleted Volumes:", *doomed])
