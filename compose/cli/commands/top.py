"""Show the processes of each container."""

from compose.cli.context import Context
from compose.cli.options import Services


def command(context: Context, services: Services = ()) -> None:
    from compose.output import processes

    with context.open_stack() as stack:
        found = stack.top(services)
    context.console.out.lines(processes.show(found))
