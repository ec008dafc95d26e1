"""Show what happens to the containers, as it happens."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Services
from runtime.values import Event


def command(
    context: Context,
    services: Services = (),
    json: Annotated[bool, Flag("--json", help="one JSON object per event")] = False,
    since: Annotated[str, Flag("--since", help="events since a time, or how long ago")] = "",
    until: Annotated[str, Flag("--until", help="end at a time")] = "",
) -> None:
    from compose.cli.moments import parse_moment
    from compose.output import event_lines

    out = context.console.out

    def show(event: Event) -> None:
        line = event_lines.show(event, as_json=json)
        if line:
            out.line(line)
            out.flush()

    with context.open_stack() as stack:
        stack.watch_events(
            services,
            on_event=show,
            since=parse_moment("since", since),
            until=parse_moment("until", until),
        )
