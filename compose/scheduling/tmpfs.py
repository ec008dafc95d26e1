"""`tmpfs: /run:size=64m,mode=1777` -> a mount. Pure. Source: compose-file.md 15.3; mount(8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from compose.errors import ComposeError
from compose.model.units import parse_size
from runtime.values import Mount


def parse(text: str) -> Mount:
    """Raises ComposeError for a value that is none."""
    target, _, words = text.partition(":")
    values: dict[str, Any] = {}
    options: list[str] = []
    for word in filter(None, words.split(",")):
        name, equals, value = word.partition("=")
        if equals and name in _NUMBERS:
            values[name] = _number(text, name, value)
        elif word != "rw":
            options.append(word)
    return Mount(
        type="tmpfs",
        target=target,
        read_only="ro" in options,
        options=tuple(word for word in options if word != "ro"),
        **values,
    )


_NUMBERS: Mapping[str, Callable[[str], int]] = {
    "size": parse_size,
    "mode": lambda value: int(value, 8),
    "uid": int,
    "gid": int,
}


def _number(text: str, name: str, value: str) -> int:
    try:
        return _NUMBERS[name](value)
    except ValueError as error:
        raise ComposeError(
            f"tmpfs `{text}`: `{value}` is no {name}", code="E231", hint="as in `/run:size=64m`"
        ) from error
