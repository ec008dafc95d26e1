"""Let paused containers go on."""

from compose.cli.context import Context
from compose.cli.options import Services


def command(context: Context, services: Services = ()) -> None:
    with context.open_stack() as stack, context.display("unpause") as display:
        stack.unpause(services, on_event=display.on_event)
