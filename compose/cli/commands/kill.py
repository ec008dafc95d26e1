"""End containers by a signal."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import RemoveOrphans, Services, orphans


def command(
    context: Context,
    services: Services = (),
    signal: Annotated[str, Flag("-s", "--signal", help="which", default="SIGKILL")] = "SIGKILL",
    remove_orphans: RemoveOrphans = None,
) -> None:
    from compose.options import KillOptions

    remove, _ = orphans(context, remove_orphans)
    options = KillOptions(services=services, signal=signal, remove_orphans=remove)
    with context.open_stack() as stack, context.display("kill") as display:
        stack.kill(options, on_event=display.on_event)
