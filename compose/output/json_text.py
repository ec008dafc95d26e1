"""Plain values -> JSON text as Go prints it: indent of two, `<`, `>` and `&` escaped, no final
newline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring
from typing import Any

from compose.model.units import print_float

_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
_BYTE = re.compile("[\udc80-\udcff]")
"""One that is not UTF-8: what a `!!binary` may hold."""


def to_json(value: Any) -> str:
    """The whole document."""
    return "".join(_pieces(value, "\n"))


def _pieces(value: Any, line: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _collection(value.items(), line, "{}")
    elif isinstance(value, list | tuple):
        yield from _collection(value, line, "[]")
    else:
        yield _scalar(value)


def _collection(parts: Any, line: str, brackets: str) -> Iterator[str]:
    inner, opening = line + "  ", brackets[0]
    separator = opening + inner
    for part in parts:
        yield separator
        if opening == "{":
            name, part = part
            yield f"{_text(str(name))}: "
        yield from _pieces(part, inner)
        separator = "," + inner
    yield brackets if separator[0] == opening else line + brackets[1]


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return print_float(value, small=-6, large=21) if isinstance(value, float) else str(value)


def _text(text: str) -> str:
    encoded: str = encode_basestring(text)
    if not encoded.isascii():
        encoded = _BYTE.sub("\\\\ufffd", encoded)
    for character, escape in _ESCAPED.items():
        if character in encoded:
            encoded = encoded.replace(character, escape)
    return encoded
