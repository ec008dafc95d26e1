"""Run so many replicas of services."""

from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument
from compose.cli.options import NoDeps, Words
from compose.cli.parsing import UsageError


def command(
    context: Context,
    replicas: Annotated[Words, Argument("[SERVICE=REPLICAS...]", minimum=1, completes="scale")],
    no_deps: NoDeps = False,
) -> None:
    wanted = dict(_pair(word) for word in replicas)
    with context.open_stack() as stack, context.display("up") as display:
        stack.scale(wanted, no_deps=no_deps, on_event=display.on_event)


def _pair(word: str) -> tuple[str, int]:
    name, _, number = word.partition("=")
    if not name or not number:
        raise UsageError(f"invalid scale specifier: {word}")
    if not number.isdigit():
        raise UsageError(f"invalid scale specifier: can't parse replica value as int: {word}")
    return name, int(number)
