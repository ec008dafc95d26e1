"""Explain a command or the code of an error, as E030."""

from __future__ import annotations

import re
from typing import Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument
from compose.cli.parsing import UsageError

Topic = Annotated[tuple[str, ...], Argument("[COMMAND | CODE]")]


def command(context: Context, topic: Topic = ()) -> int:
    from compose.cli import app

    if not topic:
        return app.show_root_help()
    if len(topic) == 1 and re.fullmatch(r"[EeWw]\d+", topic[0]):
        context.console.out.line(_explained(topic[0].upper()))
        return 0
    return app.show_help_of(topic)


def _explained(code: str) -> str:
    from compose.output.catalogue import read_catalogue

    catalogue = read_catalogue()
    # E30 and E0030 are E030
    entry = catalogue.get(f"{code[0]}{int(code[1:]):03}")
    if entry is None:
        last = max(known for known in catalogue if known[0] == "E")
        raise UsageError(f"there is no code {code}: they go from E001 to {last}")
    return str(entry)
