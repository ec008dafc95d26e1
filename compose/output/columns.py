"""Cells -> aligned text, as Go's tabwriter aligns them: scripts cut Docker's tables by column.
Pure.

A cell is padded to the widest of its column in the lines around it that have the column; the last
cell of a line is not padded.
"""

from __future__ import annotations

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]], *, minimum: int, padding: int) -> list[str]:
    """The lines. `minimum` is the least width of a column with its padding, `padding` the blanks
    after a cell."""
    widths = _widths(rows, minimum, padding)
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    *padded, last = row or [""]
    cells = [
        cell + " " * (width - _width(cell)) for cell, width in zip(padded, widths, strict=False)
    ]
    return "".join([*cells, last])


def _widths(rows: Sequence[Sequence[str]], minimum: int, padding: int) -> list[int]:
    count = max((len(row) - 1 for row in rows), default=0)
    return [
        max([minimum, *(_width(row[column]) + padding for row in rows if len(row) - 1 > column)])
        for column in range(count)
    ]


def _width(text: str) -> int:
    """Cells of a terminal: East Asian wide characters take two."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(one) else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def shorten(text: str, width: int) -> str:
    """At most `width` characters, an ellipsis for what is missing."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
