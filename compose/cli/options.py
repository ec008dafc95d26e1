"""Flags and arguments that several commands share, and how their texts become values.

A flag of one command stands in its module. Help texts say what happens, lower case, without a
period.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

from compose import exit_codes
from compose.cli.flags import Argument, Flag
from compose.cli.parsing import UsageError

if TYPE_CHECKING:
    from compose.cli.context import Context
    from compose.options import PullPolicy

Words = tuple[str, ...]

Services = Annotated[Words, Argument("[SERVICE...]", completes="services")]
Service = Annotated[str, Argument("SERVICE", minimum=1, completes="services")]
Timeout = Annotated[
    int | None, Flag("-t", "--timeout", help="seconds from the stop signal to the kill")
]
Index = Annotated[int, Flag("--index", help="number of the replica, 0: the first")]
Wait = Annotated[bool, Flag("--wait", help="return when all run or are healthy; detached")]
WaitTimeout = Annotated[int, Flag("--wait-timeout", help="seconds that --wait waits at most")]
NoDeps = Annotated[bool, Flag("--no-deps", help="leave the services it depends on alone")]
RemoveOrphans = Annotated[
    bool | None,
    Flag("--remove-orphans", help="remove containers of services that the file does not declare"),
]
Scale = Annotated[
    Words, Flag("--scale", metavar="SERVICE=NUM", help="run so many replicas of a service")
]
Pull = Annotated[
    str,
    Flag("--pull", help="when to pull images", choices=("always", "missing", "never")),
]
QuietPull = Annotated[bool, Flag("--quiet-pull", help="pull without progress")]
Build = Annotated[bool, Flag("--build", help="build images first")]
NoBuild = Annotated[bool, Flag("--no-build", help="no effect: nothing is built in this version")]
ForceRecreate = Annotated[
    bool, Flag("--force-recreate", help="recreate containers that have not changed, too")
]
NoRecreate = Annotated[bool, Flag("--no-recreate", help="keep containers that have changed")]
PruneForce = Annotated[bool, Flag("-f", "--force", help="do not ask")]
PruneFilter = Annotated[
    Words, Flag("--filter", metavar="KEY=VALUE", help="only such ones (until, label, label!)")
]
Yes = Annotated[
    bool,
    Flag(
        "-y",
        "--yes",
        help="answer every question with yes",
        old={"--y": "--y is deprecated, please use --yes instead"},
    ),
]
Quiet = Annotated[bool, Flag("-q", "--quiet", help="only the ids")]
Environment = Annotated[
    Words, Flag("-e", "--env", metavar="NAME[=VALUE]", help="set an environment variable")
]
User = Annotated[str | None, Flag("-u", "--user", help="user, or user:group")]
WorkingDirectory = Annotated[str | None, Flag("-w", "--workdir", help="folder to start in")]
NoColour = Annotated[bool, Flag("--no-color", help="without colour")]
NoPrefix = Annotated[bool, Flag("--no-log-prefix", help="lines without the container's name")]
NoTty = Annotated[
    bool | None,
    Flag(
        "-T",
        "--no-tty",
        help="no terminal inside (default: when there is none)",
        old={"--no-TTY": ""},
    ),
]
Raw = Annotated[bool, Flag("--raw", help="control characters as they came, even to a terminal")]
TableFormat = Annotated[
    str, Flag("--format", help="form of the output", choices=("table", "json"), default="table")
]
RowFormat = Annotated[
    str, Flag("--format", metavar="FORMAT", help="table, json, TEMPLATE or table TEMPLATE")
]
InspectFormat = Annotated[
    str, Flag("-f", "--format", metavar="TEMPLATE", help="json or a template")
]
ImagePlatform = Annotated[
    str, Flag("--platform", metavar="OS/ARCHITECTURE", help="made for this platform")
]

_PULL: dict[str, PullPolicy] = {
    "": "",
    "always": "always",
    "missing": "missing",
    "never": "never",
    # accepted for files and habits from Docker
    "policy": "",
    "if_not_present": "missing",
    "build": "",
}


def parse_scale(pairs: Words) -> dict[str, int]:
    """`web=3` of each `--scale`. Raises UsageError with Docker's words."""
    found = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if not name or not number:
            raise UsageError(f'invalid --scale option "{pair}". Should be SERVICE=NUM')
        if not number.isdigit():
            raise UsageError(
                f'invalid --scale option "{pair}": "{number}" is no number of replicas'
            )
        found[name] = int(number)
    return found


def parse_pull(policy: str) -> PullPolicy:
    """ "" is the service's own policy, as with no flag."""
    if policy not in _PULL:
        raise UsageError(f'invalid --pull option "{policy}"')
    return _PULL[policy]


def parse_environment(pairs: Words) -> dict[str, str | None]:
    """`NAME=VALUE`; None for a name alone, which takes the project's value if it has one."""
    found: dict[str, str | None] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        found[name] = value if equals else None
    return found


def parse_labels(pairs: Words) -> Mapping[str, str]:
    """Of `run`, in Docker Compose's words. Raises UsageError."""
    if any("=" not in pair for pair in pairs):
        raise UsageError("label must be set as KEY=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)


def parse_object_labels(pairs: Words) -> dict[str, str]:
    """Of networks and volumes: a key alone has an empty value, as in Docker. Raises UsageError."""
    for pair in pairs:
        if not pair.partition("=")[0].strip():
            raise UsageError(f'invalid argument "{pair}" for "--label" flag: a label needs a key')
    return {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}


def orphans(context: Context, given: bool | None) -> tuple[bool, bool]:
    """(remove, ignore): the flag, else COMPOSE_REMOVE_ORPHANS; and COMPOSE_IGNORE_ORPHANS."""
    remove = context.switch("COMPOSE_REMOVE_ORPHANS") if given is None else given
    ignore = context.switch("COMPOSE_IGNORE_ORPHANS")
    if remove and ignore:
        raise UsageError("cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans")
    return remove, ignore


def seconds(count: int | None) -> float | None:
    return None if count is None else float(count)


def parse_pairs(flag: str, pairs: Words) -> dict[str, str]:
    """`KEY=VALUE` of a flag that may be repeated."""
    for pair in pairs:
        if "=" not in pair:
            raise UsageError(f'invalid argument "{pair}" for "{flag}" flag: KEY=VALUE is needed')
    return dict(pair.split("=", 1) for pair in pairs)


def inspect_each(
    context: Context, names: Words, find: Callable[[str], Mapping[str, object]], *, format: str
) -> int:
    """Print what is known about each name; one that is not there is reported after the others."""
    from compose import errors
    from compose.cli.failure import report
    from compose.output import inspections
    from runtime.errors import NotFound

    found, missing = [], []
    for name in names:
        try:
            found.append(find(name))
        except (NotFound, errors.NotFound) as error:
            missing.append(error)
    context.console.out.lines(inspections.show(found, format=format))
    codes = [report(error, context) for error in missing]
    return max(codes, default=exit_codes.SUCCESS)


def for_each(
    context: Context, names: Words, act: Callable[[str], object], *, ignore_missing: bool
) -> int:
    """Do it to each name and print it; what fails is reported, and the others go on."""
    from compose import errors
    from compose.cli.failure import report
    from runtime.errors import NotFound, RuntimeFault

    code = exit_codes.SUCCESS
    for name in names:
        try:
            act(name)
        except (NotFound, errors.NotFound) as error:
            if not ignore_missing:
                code = report(error, context)
        except (RuntimeFault, errors.ComposeError) as error:
            code = report(error, context)
        else:
            context.console.out.line(name)
    return code
