"""List containers."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Flag
from compose.cli.options import Quiet, RowFormat, Services, Words
from compose.cli.parsing import UsageError

STATES = ("paused", "restarting", "removing", "running", "dead", "created", "exited")


def command(
    context: Context,
    services: Services = (),
    all: Annotated[bool, Flag("-a", "--all", help="those that ended and one-offs, too")] = False,
    quiet: Quiet = False,
    services_only: Annotated[bool, Flag("--services", help="names of the services")] = False,
    status: Annotated[Words, Flag("--status", help="in these states", choices=STATES)] = (),
    filter: Annotated[str, Flag("--filter", metavar="status=STATE", help="in this state")] = "",
    orphans: Annotated[
        bool,
        Flag("--orphans", help="of services that the file does not declare, too", default="true"),
    ] = True,
    format: RowFormat = "",
    no_trunc: Annotated[bool, Flag("--no-trunc", help="whole ids and commands")] = False,
) -> None:
    from compose.options import PsOptions
    from compose.output import tables

    statuses = (*status, *_parse_filter(filter))
    for one in statuses:
        if one not in STATES:
            raise UsageError(f'unknown status "{one}": one of {", ".join(STATES)}')
    options = PsOptions(
        services=services, all=all or bool(statuses), statuses=statuses, orphans=orphans
    )
    with context.open_stack() as stack:
        records = stack.ps(options)
    if quiet:
        lines: list[str] = [*(record.id for record in records)]
    elif services_only:
        lines = list(dict.fromkeys(record.options.service for record in records))
    else:
        format = format or context.docker_setting("psFormat")
        lines = tables.show_containers(records, format=format, truncate=not no_trunc)
    context.console.out.lines(lines)


def _parse_filter(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError("arguments to --filter should be in form KEY=VAL")
    if key != "status":
        raise UsageError(f"unknown filter {key}")
    return (value,)
