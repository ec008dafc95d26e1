"""Start containers that exist."""

from compose.cli.context import Context
from compose.cli.options import Services, Wait, WaitTimeout, seconds
from compose.cli.parsing import UsageError


def command(
    context: Context,
    services: Services = (),
    wait: Wait = False,
    wait_timeout: WaitTimeout = 0,
) -> None:
    if wait_timeout < 0:
        raise UsageError("--wait-timeout must be a non-negative integer")
    from compose.options import StartOptions

    options = StartOptions(services=services, wait=wait, wait_timeout=seconds(wait_timeout) or None)
    with context.open_stack() as stack, context.display("start") as display:
        stack.start(options, on_event=display.on_event)
