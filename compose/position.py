"""Where something was written: a file, a place in it, and the lines to show.

Leaves the wording of messages to errors.py. Lines and columns count from 1, columns in characters.
"""

from __future__ import annotations

import os
import re

_TOKEN = r"""
    "(?:[^"\\]|\\.)*"?            # a double-quoted scalar
    | '(?:[^']|'')*'?             # a single-quoted one
    | (?: \$\{[^}]*\}? | [^\s:,\[\]{}#] )   # or a plain one, to the next mark of the syntax
      (?: \$\{[^}]*\}? | [^\s,\[\]{}:#] | :(?=\S) | (?<=\S)\# | [ ](?=[^\s#:]) )*
    """
_YAML_BREAK = "\r\n|[\n\r\x85\u2028\u2029]"
_TAB = "    "
_MAXIMUM = 200
"""Longer lines are cut to this many characters round the caret."""
_LONGEST = 1000
"""Longer messages lose their middle: a name in a file may have any length."""


class File:
    """A text that was read: its absolute name and its content, kept for excerpts.

    `path` is `-` for standard input. `lines` splits on first use: a file without faults never pays
    for it.
    """

    __slots__ = ("_lines", "is_secret", "is_yaml", "name", "path", "text")

    def __init__(self, path: str, text: str = "") -> None:
        self.path = path
        self.text = text
        self.name = ""
        """How people know it, where that is not its path: a remote file."""
        self._lines: list[str] | None = None
        self.is_secret = False
        """The values in it are not for a terminal or a log: an env file."""
        self.is_yaml = False
        """Lines end where YAML says: also at a lone carriage return, U+0085, 2028, 2029."""

    @property
    def lines(self) -> list[str]:
        """The lines as dotenv counts them, split at line feeds alone; see `is_yaml`."""
        if self._lines is None:
            self._lines = re.split(_YAML_BREAK if self.is_yaml else "\n", self.text)
        return self._lines

    def line(self, number: int) -> str:
        """A line by its number from 1; empty past the end."""
        return self.lines[number - 1] if 1 <= number <= len(self.lines) else ""

    @property
    def shown(self) -> str:
        """The name for messages: relative to the current folder when it lies below it."""
        if self.name:
            return self.name
        if self.path == "-" or not os.path.isabs(self.path):
            return self.path
        try:
            starts = dict.fromkeys((current_folder(), os.getcwd()))
        except OSError:  # the current folder is gone
            return self.path
        names = (os.path.relpath(self.path, start) for start in starts)
        return next((name for name in names if not name.startswith(os.pardir)), self.path)

    def __repr__(self) -> str:
        return f"File({self.path!r})"


def current_folder() -> str:
    """The folder that the process is in, by the name that the shell gives it: through a link when
    its user came by one. As Go names it, so paths and project names are Docker Compose's.

    Raises OSError with its name when it is gone.
    """
    named = os.environ.get("PWD", "")
    if os.path.isabs(named):
        try:
            if os.path.samestat(os.stat(named), os.stat(os.curdir)):
                return os.path.normpath(named)
        except (OSError, ValueError):
            pass
    try:
        return os.getcwd()
    except OSError as error:
        error.filename = named or os.curdir
        raise


class Position:
    """A place in a file. `str()` is `compose.yaml:12:7`."""

    __slots__ = ("column", "file", "line")

    def __init__(self, file: File, line: int, column: int) -> None:
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        return printable(f"{self.file.shown}:{self.line}:{self.column}")

    def __repr__(self) -> str:
        return f"{os.path.basename(self.file.path)}:{self.line}:{self.column}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Position):
            return NotImplemented
        return self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> tuple[str, int, int]:
        """Comparable and sortable."""
        return (self.file.path, self.line, self.column)

    @property
    def excerpt(self) -> Excerpt | None:
        """The line that is meant; None for a place past the end, or in a file that is not kept."""
        if not 1 <= self.line <= len(self.file.lines):
            return None
        text = self.file.lines[self.line - 1].rstrip("\r")
        if self.file.is_secret:
            text = _without_value(text, self.column)
        return Excerpt(self.line, min(self.column, len(text)), text)


def _without_value(text: str, column: int) -> str:
    """The name of a variable, or the beginning of a line to the place that is meant."""
    found = re.match(r"[^=:]*[=:]\s*", text)
    name = found[0] if found else text[:column]
    return f"{name}…" if name != text else text


class Excerpt:
    """One line of a file with a caret below the part that is meant."""

    __slots__ = ("column", "line", "text")

    def __init__(self, line: int, column: int, text: str) -> None:
        self.line = line
        self.column = max(1, column)
        self.text = text

    @property
    def width(self) -> int:
        """How many characters are meant: the scalar or key that begins at the column, at least
        one."""
        start = self.column - 1
        # a line may be as long as the file, and be shown once for each of its words
        found = re.compile(_TOKEN, re.VERBOSE).match(self.text, start, start + _MAXIMUM)
        marked = found[0] if found else ""
        if marked.startswith("$"):  # a variable in a quoted text
            marked = re.split("[\"']", marked, maxsplit=1)[0]
        return max(1, len(marked.rstrip()))

    def __str__(self) -> str:
        before, marked, after = self._window()
        gutter = f"{self.line:>3}"
        blank = " " * len(gutter)
        caret = " " * len(before) + "^" * max(1, len(marked))
        return f"{gutter} | {before}{marked}{after}".rstrip() + f"\n{blank} | {caret}"

    def _window(self) -> tuple[str, str, str]:
        """The line in three parts: before, the marked part, after; without tabs and control
        characters."""
        start, stop = self.column - 1, self.column - 1 + self.width
        before, marked, after = self.text[:start], self.text[start:stop], self.text[stop:]
        if len(self.text) > _MAXIMUM:
            before, marked = before[-_MAXIMUM // 2 :], marked[: _MAXIMUM // 2]
            after = after[: _MAXIMUM // 2]
        return printable(before), printable(marked), printable(after)


def printable(text: str) -> str:
    """Without characters that move the cursor or start an escape sequence of the terminal."""
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def presentable(text: str) -> str:
    """A message that quotes a file: no control characters but line feeds, and not endless."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"
    if text.isprintable():
        return text
    return "\n".join(printable(line) for line in text.split("\n"))


def _shown(character: str) -> str:
    if character == "\t":
        return _TAB
    return character if character.isprintable() else "\ufffd"
