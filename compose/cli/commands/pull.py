"""Pull the images of services."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Services
from compose.cli.parsing import UsageError
from compose.options import PullOptions


def command(
    context: Context,
    services: Services = (),
    policy: Annotated[
        str,
        Flag("--policy", help="when to pull", choices=("missing", "always")),
    ] = "",
    include_deps: Annotated[
        bool, Flag("--include-deps", help="pull the images of dependencies, too")
    ] = False,
    ignore_buildable: Annotated[
        bool, Flag("--ignore-buildable", help="leave out what can be built")
    ] = False,
    ignore_pull_failures: Annotated[
        bool, Flag("--ignore-pull-failures", help="pull what can be pulled, warn of the rest")
    ] = False,
    quiet: Annotated[bool, Flag("-q", "--quiet", help="without progress")] = False,
    parallel: Annotated[
        bool, Flag("--parallel", help="no effect: several at once always", hidden=True)
    ] = True,
    no_parallel: Annotated[bool, Flag("--no-parallel", help="no effect", hidden=True)] = False,
) -> None:
    if policy not in ("", "missing", "always"):
        raise UsageError(f'invalid --policy option "{policy}": always and missing are known')
    options = PullOptions(
        services=services,
        policy=policy,  # type: ignore[arg-type]
        include_deps=include_deps,
        ignore_buildable=ignore_buildable,
        ignore_pull_failures=ignore_pull_failures,
        quiet=quiet,
    )
    with context.open_stack() as stack, context.display("pull", quiet=quiet) as display:
        stack.pull(options, on_event=display.on_event)
