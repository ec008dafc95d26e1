"""Push the images of services to their registries."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Services
from compose.options import PushOptions


def command(
    context: Context,
    services: Services = (),
    ignore_push_failures: Annotated[
        bool, Flag("--ignore-push-failures", help="push what can be pushed, warn of the rest")
    ] = False,
    include_deps: Annotated[
        bool, Flag("--include-deps", help="push the images of dependencies, too")
    ] = False,
    quiet: Annotated[bool, Flag("-q", "--quiet", help="without progress")] = False,
) -> None:
    options = PushOptions(
        services=services,
        ignore_push_failures=ignore_push_failures,
        include_deps=include_deps,
        quiet=quiet,
    )
    with context.open_stack() as stack, context.display("push", quiet=quiet) as display:
        stack.push(options, on_event=display.on_event)
