"""Where text goes and how it may look: width, colour, terminal or not.

One Console per command. stdout is data, stderr the rest. Colour follows, in this order:
`--ansi`/`COMPOSE_ANSI`, NO_COLOR, TERM=dumb, and whether the stream is a terminal. Leaves what is
printed to the other modules.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Literal, TextIO

Ansi = Literal["auto", "never", "always"]

_CODES = {
    "bold": "1",
    "faint": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold red": "1;31",
    "bold yellow": "1;33",
}
_NARROWEST = 20


def paint(text: str, style: str) -> str:
    """The text in a style of the table above; always with colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if text else text


class Stream:
    """One of the two outputs."""

    def __init__(self, file: TextIO, *, ansi: Ansi, environment: Mapping[str, str]) -> None:
        self.file = file
        self.is_terminal = _is_terminal(file)
        self.has_colour = _has_colour(ansi, environment, is_terminal=self.is_terminal)
        self.can_move = self._can_move(ansi, environment)
        """The cursor may be moved: live progress is possible."""

    def _can_move(self, ansi: Ansi, environment: Mapping[str, str]) -> bool:
        if ansi == "never" or environment.get("TERM") == "dumb":
            return False
        return self.is_terminal

    def paint(self, text: str, style: str) -> str:
        """The text in a style, if this stream shows colour."""
        return paint(text, style) if self.has_colour else text

    def write(self, text: str) -> None:
        self.file.write(text)

    def write_bytes(self, data: bytes) -> None:
        """Container output as it came. Text written before comes first."""
        self.file.flush()
        self.file.buffer.write(data)

    def line(self, text: str = "") -> None:
        self.file.write(f"{text}\n")

    def lines(self, lines: Iterable[str]) -> None:
        """All at once: a table is one write."""
        self.file.write("".join(f"{line}\n" for line in lines))

    def flush(self) -> None:
        self.file.flush()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the terminal now; 80 by 24 when there is none."""
        try:
            columns, rows = os.get_terminal_size(self.file.fileno())
        except (OSError, ValueError):
            return 80, 24
        return max(columns, _NARROWEST) if columns else 80, rows or 24


class Console:
    """The two streams of a command."""

    def __init__(
        self,
        *,
        ansi: Ansi = "auto",
        environment: Mapping[str, str] | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        environment = os.environ if environment is None else environment
        self.out = Stream(stdout or sys.stdout, ansi=ansi, environment=environment)
        self.err = Stream(stderr or sys.stderr, ansi=ansi, environment=environment)

    def say(self, text: str) -> None:
        """A line for the person at the terminal, not data."""
        self.err.line(text)
        self.err.flush()

    def warn(self, text: str) -> None:
        self.say(f"{self.err.paint('warning:', 'bold yellow')} {text}")

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """Ask on the terminal; without one, read the answer from stdin as Docker Compose does."""
        self.err.write(f"{question} [{'Y/n' if default else 'y/N'}] ")
        self.err.flush()
        answer = sys.stdin.readline()
        if not answer:
            self.err.line()
        if not answer.strip():
            return default and bool(answer)
        return answer.strip().lower() in ("y", "yes", "1", "t", "true")

    def flush(self) -> None:
        self.out.flush()
        self.err.flush()


def _is_terminal(file: TextIO) -> bool:
    try:
        return file.isatty()
    except ValueError:  # closed
        return False


def _has_colour(ansi: Ansi, environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    if ansi == "never" or environment.get("NO_COLOR"):
        return False
    if ansi == "always":
        return True
    return is_terminal and environment.get("TERM") != "dumb"
