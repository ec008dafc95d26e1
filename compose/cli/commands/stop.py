"""Stop containers and keep them."""

from compose.cli.context import Context
from compose.cli.options import Services, Timeout, seconds


def command(context: Context, services: Services = (), timeout: Timeout = None) -> None:
    from compose.options import StopOptions

    options = StopOptions(services=services, timeout=seconds(timeout))
    with context.open_stack() as stack, context.display("stop") as display:
        stack.stop(options, on_event=display.on_event)
