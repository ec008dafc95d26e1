"""Stop and remove containers and networks."""

from typing import Annotated, Literal

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import RemoveOrphans, Timeout, Words, Yes, orphans, seconds
from compose.cli.parsing import UsageError

_RMI: dict[str, Literal["", "local", "all"]] = {"": "", "local": "local", "all": "all"}


def command(
    context: Context,
    services: Annotated[Words, Argument("[SERVICES]", completes="services")] = (),
    volumes: Annotated[
        bool,
        Flag(
            "-v",
            "--volumes",
            help="remove named volumes of the file and anonymous ones, too",
            old={"--volume": "--volume is deprecated, please use --volumes"},
        ),
    ] = False,
    rmi: Annotated[
        str,
        Flag(
            "--rmi",
            help="remove images: all, or those without a name of their own",
            choices=("local", "all"),
        ),
    ] = "",
    remove_orphans: RemoveOrphans = None,
    timeout: Timeout = None,
    yes: Yes = False,
) -> None:
    if rmi not in _RMI:
        raise UsageError(f'invalid value for --rmi: "{rmi}"')
    from compose.options import DownOptions

    remove, _ignore = orphans(context, remove_orphans)
    options = DownOptions(
        services=services,
        volumes=volumes,
        rmi=_RMI[rmi],
        remove_orphans=remove,
        timeout=seconds(timeout),
        yes=yes,
    )
    with context.open_stack() as stack, context.display("down") as display:
        stack.down(options, on_event=display.on_event)
