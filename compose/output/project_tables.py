"""Projects as `ls` shows them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from compose.errors import ComposeError
from compose.output.tables import show_section
from runtime.values import ProjectRecord

HEAD = ("NAME", "STATUS", "CONFIG FILES")


class Listed(Protocol):
    """A project, and how many of its containers are in which state."""

    @property
    def project(self) -> ProjectRecord: ...

    @property
    def statuses(self) -> Mapping[str, int]: ...


def show(
    rows: Sequence[Listed], *, filters: Sequence[str] = (), format: str = "", quiet: bool = False
) -> list[str]:
    """`running(2), exited(1)` in one line each, ordered by name; `filters` are `name=RE`."""
    patterns = [_name_pattern(text) for text in filters]
    rows = [
        row
        for row in sorted(rows, key=lambda row: row.project.name)
        if not patterns or any(one.search(row.project.name) for one in patterns)
    ]
    if quiet:
        return [row.project.name for row in rows]
    cells = [(row.project.name, _status(row), ",".join(row.project.files)) for row in rows]
    objects = [dict(zip(("Name", "Status", "ConfigFiles"), one, strict=True)) for one in cells]
    return show_section(HEAD, cells, format=format, objects=objects)


def _status(row: Listed) -> str:
    return ", ".join(f"{status}({count})" for status, count in row.statuses.items())


def _name_pattern(text: str) -> re.Pattern[str]:
    key, _, value = text.partition("=")
    if key != "name":
        raise ComposeError(f"invalid filter '{key}'", code="E704", hint="known: name")
    try:
        return re.compile(value)
    except re.error as error:
        raise ComposeError(f"invalid filter '{text}': {error}", code="E704") from None
