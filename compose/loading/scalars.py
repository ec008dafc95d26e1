"""What a plain scalar of YAML is: null, boolean, number or text, as Compose reads it.

YAML 1.2 with the extras of go-yaml (0o, 0b and leading-zero octal, `_` in numbers); `yes`, `on` and
`12:30` are text. Dates are text as well (the reference refuses them; later versions take them as
text). Source: 6.1.
"""

from __future__ import annotations

import base64
import binascii
import math
import re

from compose.tree import Scalar

_WORDS: dict[str, Scalar] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_STARTS = frozenset("0123456789+-.~nNtTfF")
"""The characters that something else than text may begin with."""
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGERS = (
    (re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([-+]?)0[oO]([0-7]+)"), 8),
    (re.compile(r"([-+]?)0[bB]([01]+)"), 2),
    (re.compile(r"([-+]?)0([0-7]+)"), 8),
    (re.compile(r"([-+]?)(0|[1-9][0-9]*)"), 10),
)
_LONGEST_NUMBER = 400
"""Digits; longer ones are kept as text, since turning them into a number takes time without end."""


def resolve_plain(text: str) -> Scalar:
    """The value of a plain scalar."""
    if text and text[0] not in _STARTS:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "~nNtTfF" or len(text) > _LONGEST_NUMBER:
        return text
    return _number(text)


def _number(text: str) -> Scalar:
    plain = text.replace("_", "")
    for pattern, base in _INTEGERS:
        found = pattern.fullmatch(plain)
        if found:
            return _integer(found[1], found[2], base)
    if _FLOAT.fullmatch(plain):
        return _finite(plain, text)
    return text


def _integer(sign: str, digits: str, base: int) -> int | float:
    number = int(digits, base)
    if sign == "-":
        # Negative zero exists only as a float.
        number_or_zero: int | float = -number if number else -0.0
        return number_or_zero if number <= 2**63 else float(number_or_zero)
    return number if number < 2**64 else float(number)


def _finite(plain: str, text: str) -> Scalar:
    number = float(plain)
    return text if math.isinf(number) else number


def resolve_tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with a tag; raises ValueError if the text does not fit."""
    if tag == "tag:yaml.org,2002:binary":
        return _binary(text)
    value = resolve_plain(text)
    if tag == "tag:yaml.org,2002:int" and not _is_number(value, int):
        raise ValueError(f"`{text}` is no integer")
    if tag == "tag:yaml.org,2002:float":
        if not _is_number(value, int | float):
            raise ValueError(f"`{text}` is no number")
        return float(value)  # type: ignore[arg-type]
    if tag == "tag:yaml.org,2002:bool" and not isinstance(value, bool):
        raise ValueError(f"`{text}` is no boolean")
    known = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
    return value if tag in known else text


def _is_number(value: object, kinds: object) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)  # type: ignore[arg-type]


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        raise ValueError("this is no base64") from None
