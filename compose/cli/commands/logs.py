"""Show what containers have written."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import NoColour, NoPrefix, Raw, Services
from compose.cli.parsing import UsageError

Moment = "a time (2026-03-01T12:00:00Z, seconds since 1970) or how long ago (42m)"


def command(
    context: Context,
    services: Services = (),
    follow: Annotated[bool, Flag("-f", "--follow", help="go on with what they write")] = False,
    index: Annotated[int, Flag("--index", help="number of the replica")] = 0,
    since: Annotated[str, Flag("--since", help=f"lines since {Moment}")] = "",
    until: Annotated[str, Flag("--until", help=f"lines until {Moment}")] = "",
    tail: Annotated[
        str, Flag("-n", "--tail", help="last lines per container", default="all")
    ] = "all",
    timestamps: Annotated[
        bool, Flag("-t", "--timestamps", help="show the time of each line")
    ] = False,
    no_color: NoColour = False,
    no_log_prefix: NoPrefix = False,
    raw: Raw = False,
) -> None:
    if index and len(services) != 1:
        raise UsageError("--index requires one service to be selected")
    from compose.cli.moments import parse_moment
    from compose.options import LogsOptions

    options = LogsOptions(
        services=services,
        follow=follow,
        tail=_parse_tail(tail),
        since=parse_moment("since", since),
        until=parse_moment("until", until),
        timestamps=timestamps,
        index=index,
    )
    with (
        context.open_stack() as stack,
        context.display("logs", prefix=not no_log_prefix, colour=not no_color, raw=raw) as display,
    ):
        if follow:
            stack.logs(options, on_event=display.on_event)
        else:
            for output in stack.read_logs(options):
                display.logs.output(output)


def _parse_tail(text: str) -> int | None:
    if text == "all":
        return None
    if not text.removeprefix("-").isdigit():
        raise UsageError(f'invalid --tail value "{text}": neither a number nor "all"')
    count = int(text)
    return None if count < 0 else count
