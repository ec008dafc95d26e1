"""Log out from a registry."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument


def command(context: Context, server: Annotated[str, Argument("[SERVER]")] = "") -> None:
    name = server or "Docker Hub"
    with context.open_machine(needs_root=False) as machine:
        was_known = machine.logout(server)
    if was_known:
        context.console.out.line(f"Removing login credentials for {name}")
    else:
        context.console.out.line(f"Not logged in to {name}")
