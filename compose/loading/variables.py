"""`${NAME:-default}`: the grammar of variables in values, as Compose files and dotenv files share
it.

Pure: text and a look-up in, text out. Source: 16.1 of the Compose file reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Lookup = Callable[[str], "str | None"]
Unset = Callable[[str], None]

_NAME = "[_a-zA-Z][_a-zA-Z0-9]*"
_TOKEN = re.compile(rf"\$(?:(?P<escaped>\$)|(?P<named>{_NAME})|(?P<brace>\{{))")
_HEAD = re.compile(rf"\{{(?P<name>{_NAME})(?P<operator>:?[-+?])?")
_BRACE = re.compile(r"[{}\n]")
DEEPEST = 30
LONGEST = 1024 * 1024
"""Neither a nest of defaults nor a value repeated without end is followed further than this."""


class BadVariable(Exception):
    """A `${...}` that does not parse, or whose variable is required and missing.

    `kind` is "format", "required" or "size"; `offset` is where it begins in the text.
    """

    def __init__(self, kind: str, message: str, *, name: str = "", offset: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.name = name
        self.offset = offset


def substitute(text: str, lookup: Lookup, unset: Unset, depth: int = 0) -> str:
    """The text with its variables replaced; `unset` is told of each that has no value and no
    default.

    Replaced values are not looked at again. Raises BadVariable.
    """
    if depth > DEEPEST:
        raise BadVariable("size", f"defaults are nested more than {DEEPEST} deep")
    parts: list[str] = []
    size, position = 0, 0
    while (found := _TOKEN.search(text, position)) is not None:
        parts.append(text[position : found.start()])
        value, position = _replace(found, text, lookup, unset, depth)
        parts.append(value)
        size += len(value)
        if size > LONGEST:
            raise BadVariable("size", f"the value grows beyond {LONGEST} characters")
    parts.append(text[position:])
    return "".join(parts)


def _replace(
    found: re.Match[str], text: str, lookup: Lookup, unset: Unset, depth: int
) -> tuple[str, int]:
    if found["escaped"]:
        return "$", found.end()
    if found["named"]:
        return _value(found["named"], lookup, unset), found.end()
    braced = _braced(text, found.start("brace"))
    if braced is None:
        raise BadVariable("format", _format(text, found.start()), offset=found.start())
    try:
        return _apply(braced, lookup, unset, depth), braced.end
    except BadVariable as bad:
        bad.offset = found.start()
        raise


class _Braced(NamedTuple):
    """`{NAME}` or `{NAME` operator word `}`; `end` is behind the brace."""

    name: str
    operator: str
    word: str
    end: int


def _braced(text: str, start: int) -> _Braced | None:
    """What the brace at `start` opens; None when that is no variable."""
    head = _HEAD.match(text, start)
    if head is None:
        return None
    if head["operator"] is None:
        end = head.end()
        return _Braced(head["name"], "", "", end + 1) if text[end : end + 1] == "}" else None
    end = _closing(text, start)
    if end <= head.end():
        return None
    return _Braced(head["name"], head["operator"], text[head.end() : end - 1], end)


def _format(text: str, offset: int) -> str:
    shown = text[offset : offset + 40].split("\n")[0]
    return f"`{shown}` is no variable"


def _closing(text: str, start: int) -> int:
    """Behind the brace that balances the one at `start`, else behind the last of the line; 0
    without one.

    As the reference counts: a brace that closes right behind an opening one does not.
    """
    depth, last, skipped = 0, 0, -1
    for brace in _BRACE.finditer(text, start):
        at = brace.start()
        if brace[0] == "\n":
            break
        if brace[0] == "}":
            last = at + 1
        if at == skipped:
            continue
        if brace[0] == "{":
            depth += 1
            skipped = at + 1
        else:
            depth -= 1
            if depth == 0:
                return at + 1
    return last


def _value(name: str, lookup: Lookup, unset: Unset) -> str:
    value = lookup(name)
    if value is None:
        unset(name)
        return ""
    return value


def _apply(braced: _Braced, lookup: Lookup, unset: Unset, depth: int) -> str:
    name, operator, word, _ = braced
    if not operator:
        return _value(name, lookup, unset)
    # also when it is not used: what is wrong in it is told on every machine, not on some
    word = _word(word, lookup, unset, depth)
    value = lookup(name)
    present = value is not None and (value != "" or ":" not in operator)
    if operator.endswith("-"):
        return value if present and value is not None else word
    if operator.endswith("+"):
        return word if present else ""
    if present and value is not None:
        return value
    message = f"the variable `{name}` is required" + (f": {word}" if word else "")
    raise BadVariable("required", message, name=name)


def _word(word: str, lookup: Lookup, unset: Unset, depth: int) -> str:
    return substitute(word, lookup, unset, depth + 1) if "$" in word else word


def names_in(text: str, depth: int = 0) -> list[tuple[str, str, str]]:
    """Every variable that the text mentions: (name, operator, word), nested ones too; nothing is
    refused."""
    names: list[tuple[str, str, str]] = []
    position = 0
    while (found := _TOKEN.search(text, position)) is not None:
        position = found.end()
        if found["named"]:
            names.append((found["named"], "", ""))
        elif found["brace"]:
            braced = _braced(text, found.start("brace"))
            if braced is not None:
                position = braced.end
                names.append((braced.name, braced.operator, braced.word))
                if depth < DEEPEST:
                    names.extend(names_in(braced.word, depth + 1))
    return names
