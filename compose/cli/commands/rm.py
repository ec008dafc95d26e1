"""Remove stopped containers.

Anonymous volumes stay unless -v is given. What is not in a volume is lost.
"""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Services


def command(
    context: Context,
    services: Services = (),
    force: Annotated[bool, Flag("-f", "--force", help="do not ask")] = False,
    stop: Annotated[bool, Flag("-s", "--stop", help="stop them first")] = False,
    volumes: Annotated[
        bool, Flag("-v", "--volumes", help="remove their anonymous volumes, too")
    ] = False,
    all: Annotated[bool, Flag("-a", "--all", help="no effect", hidden=True)] = False,
) -> None:
    from compose.options import RemoveOptions

    options = RemoveOptions(services=services, stop=stop, volumes=volumes)
    with context.open_stack() as stack:
        names = [record.name for record in stack.removable(options)]
        if not names:
            context.console.say("No stopped containers")
            return
        if not force and not context.flags.dry_run:
            context.console.say(f"Going to remove {', '.join(names)}")
            if not context.console.confirm("Are you sure?"):
                return
        with context.display("remove") as display:
            stack.rm(options, on_event=display.on_event)
