"""Wait until containers of services end."""

from typing import Annotated

from compose import exit_codes
from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import Words


def command(
    context: Context,
    services: Annotated[Words, Argument("SERVICE [SERVICE...]", minimum=1, completes="services")],
    down_project: Annotated[
        bool, Flag("--down-project", help="take the project down when the first container ends")
    ] = False,
) -> int:
    from compose.options import WaitOptions

    options = WaitOptions(services=services, down_project=down_project)
    with context.open_stack() as stack, context.display("wait") as display:
        ended = stack.wait(options, on_event=display.on_event)
    for one in ended:
        context.console.out.line(
            f'container "{one.container.id}" exited with status code {one.exit_code}'
        )
    return ended[-1].exit_code if ended else exit_codes.WAIT_FAILED
