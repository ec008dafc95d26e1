"""What does a code of an error or warning mean? Reads schemas/codes.md, the one table of codes.

And where the schema of Compose files is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from runtime.schemas import path_of, read_data

_SECTION = re.compile(r"^## ", re.MULTILINE)
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)


class Entry(NamedTuple):
    """A code: its title, what it means and what to do, and examples by file name (`text`: what is
    printed)."""

    code: str
    title: str
    meaning: str
    examples: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """For a terminal: the examples are indented below the names of their files."""
        parts = [f"{self.code}: {self.title}"]
        if self.meaning:
            parts.append(self.meaning)
        for name, text in self.examples:
            head = [] if name == "text" else [f"{name}:"]
            parts.append("\n".join([*head, *(f"    {line}".rstrip() for line in text.split("\n"))]))
        return "\n\n".join(parts)


def read_catalogue() -> dict[str, Entry]:
    """Every code, in order."""
    _, *sections = _SECTION.split(read_data("codes.md").decode())
    entries = (_entry(section) for section in sections)
    return {entry.code: entry for entry in entries}


def find_schema() -> str:
    """The JSON Schema of Compose files, for editors."""
    return path_of("compose-spec.json")


def _entry(section: str) -> Entry:
    head, _, body = section.partition("\n")
    code, _, title = head.partition(" ")
    examples = tuple((name, text.rstrip("\n")) for name, text in _BLOCK.findall(body))
    return Entry(code, title, _BLOCK.sub("", body).strip(), examples)
