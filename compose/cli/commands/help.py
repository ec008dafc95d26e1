"""Explain a command, the code of an error as E030, all `codes`, or the `schema` for editors."""

from __future__ import annotations

import re
from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument
from compose.cli.parsing import UsageError

Topic = Annotated[tuple[str, ...], Argument("[COMMAND | CODE | codes | schema]")]


def command(context: Context, topic: Topic = ()) -> int:
    from compose.cli import app

    if not topic:
        return app.show_root_help()
    (first, *rest) = topic
    if not rest and re.fullmatch(r"[EeWw]\d+", first):
        context.console.out.line(_explained(first.upper()))
    elif not rest and first == "codes":
        context.console.out.lines(_all_codes())
    elif not rest and first == "schema":
        context.console.out.line(_schema())
    else:
        return app.show_help_of(topic)
    return 0


def _explained(code: str) -> str:
    from compose.output.catalogue import read_catalogue

    catalogue = read_catalogue()
    # E30 and E0030 are E030
    entry = catalogue.get(f"{code[0]}{int(code[1:]):03}")
    if entry is None:
        last = max(known for known in catalogue if known[0] == "E")
        raise UsageError(f"there is no code {code}: they go from E001 to {last}")
    return str(entry)


def _all_codes() -> list[str]:
    from compose.output.catalogue import read_catalogue

    return [f"{entry.code}  {entry.title}" for entry in read_catalogue().values()]


def _schema() -> str:
    from compose.output.catalogue import find_schema

    return (
        "With this line at its top, an editor that has a YAML language server completes, checks\n"
        "and explains the attributes of a Compose file:\n\n"
        f"# yaml-language-server: $schema={find_schema()}"
    )
