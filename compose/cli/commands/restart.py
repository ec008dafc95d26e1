"""Stop containers and start them again."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Services, Timeout, seconds


def command(
    context: Context,
    services: Services = (),
    timeout: Timeout = None,
    no_deps: Annotated[
        bool, Flag("--no-deps", help="leave the services that depend on it alone")
    ] = False,
) -> None:
    from compose.options import RestartOptions

    options = RestartOptions(services=services, timeout=seconds(timeout), no_deps=no_deps)
    with context.open_stack() as stack, context.display("restart") as display:
        stack.restart(options, on_event=display.on_event)
