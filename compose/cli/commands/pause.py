"""Pause the containers of services."""

from compose.cli.context import Context
from compose.cli.options import Services


def command(context: Context, services: Services = ()) -> None:
    with context.open_stack() as stack, context.display("pause") as display:
        stack.pause(services, on_event=display.on_event)
