"""Show what the containers take of the machine, again and again."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import RowFormat, Services

SECONDS = 1.0
"""Between two readings: how much of a processor is used shows only then."""


def command(
    context: Context,
    services: Services = (),
    all: Annotated[bool, Flag("-a", "--all", help="those that do not run, too")] = False,
    format: RowFormat = "",
    no_stream: Annotated[bool, Flag("--no-stream", help="show it once")] = False,
    no_trunc: Annotated[bool, Flag("--no-trunc", help="whole ids")] = False,
) -> None:
    import time

    from compose.output import stats_rows

    out = context.console.out
    with context.open_stack() as stack:
        before = {one.container.id: one.usage for one in stack.stats(services, all=all)}
        while True:
            if before or not no_stream:
                time.sleep(SECONDS)  # noqa: TID251 - the pause is what is measured
            found = stack.stats(services, all=all)
            if out.can_move and not no_stream:
                out.write("\x1b[H\x1b[J")
            out.lines(stats_rows.show(found, before, format=format, truncate=not no_trunc))
            out.flush()
            if no_stream:
                return
            before = {one.container.id: one.usage for one in found}
