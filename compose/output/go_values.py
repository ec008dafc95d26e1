"""How Go prints and judges values, for templates.py. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VERB = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\d+)?(?:\.(?P<precision>\d+))?(?P<verb>[a-zA-Z%])"
)


def format_go(value: Any) -> str:
    """What `{{.Field}}` writes: true, [a b], map[k:v]."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inner = " ".join(f"{key}:{format_go(item)}" for key, item in sorted(value.items()))
        return f"map[{inner}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(format_go(item) for item in value)}]"
    return str(value)


def is_true(value: Any) -> bool:
    """Not false, zero, nil or empty."""
    return bool(value)


def compare(first: Any, other: Any) -> int:
    """-1, 0 or 1. Raises TypeError for values that have no order between them."""
    if isinstance(first, str) != isinstance(other, str):
        raise TypeError("incompatible types for comparison")
    return int(first > other) - int(first < other)


def printf(form: str, *values: Any) -> str:
    """Go's verbs that make sense for text and numbers: %s %v %d %q %t %x %f %5s %-5s %05d."""
    left = list(values)

    def one(match: re.Match[str]) -> str:
        verb = match["verb"]
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        return _pad(_verb(verb, left.pop(0), match["precision"]), match)

    return _VERB.sub(one, form)


def _verb(verb: str, value: Any, precision: str | None) -> str:
    if verb == "q":
        return quote(format_go(value))
    if verb in "dbox" and isinstance(value, int):
        return format(value, verb)
    if verb in "feg" and isinstance(value, (int, float)):
        return f"{value:.{precision or 6}{verb}}"
    text = format_go(value)
    return text[: int(precision)] if precision else text


def _pad(text: str, match: re.Match[str]) -> str:
    width = int(match["width"] or 0)
    if "-" in match["flags"]:
        return text.ljust(width)
    return text.zfill(width) if "0" in match["flags"] else text.rjust(width)


def quote(text: str) -> str:
    """A Go string literal, as the COMMAND column shows a command."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(_quoted(character) for character in escaped) + '"'


def _quoted(character: str) -> str:
    named = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
    if character in named or character.isprintable():
        return named.get(character, character)
    code = ord(character)
    return f"\\x{code:02x}" if code < 128 else f"\\u{code:04x}"
