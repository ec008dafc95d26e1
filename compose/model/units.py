"""Sizes, durations, booleans and numbers as Compose files write them, and as Docker prints them.

Source: 6.3, 11 and 16.4 of the Compose file reference. Every parser raises ValueError with the
words for the user.
"""

from __future__ import annotations

import math
import re

Bytes = int
"""A size; multiples are powers of 1024."""
Natural = int
"""A number that cannot be negative."""
Seconds = float
"""A duration; Compose files may go down to nanoseconds."""

_SIZE = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+) ?(?P<unit>[kKmMgGtTpP]?)(?P<i>i?)(?P<b>[bB]?)",
    re.ASCII,
)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_PART = re.compile(r"(\d*\.?\d*)([^\d.]+)", re.ASCII)
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_LONGEST = 2**63 - 1
"""Docker keeps durations and sizes in signed 64 bits."""
_MOST_CHARACTERS = 100
"""Of a size or duration: turning longer ones into numbers takes time without end."""
TRUE_WORDS = ("true", "y", "yes", "on")
FALSE_WORDS = ("false", "n", "no", "off")


def parse_size(text: str) -> Bytes:
    """`1.5gb` -> bytes; a unit is optional, `-1` is allowed as a plain number."""
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"`{text}` is no size")
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return _fits(int(text), text)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+", text) and len(text) < 40:
        number = float(text)
        return _fits(int(number) if math.isfinite(number) else _LONGEST + 1, text)
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"`{text}` is no size")
    if found["i"] and not found["unit"]:
        raise ValueError(f"`{text}` is no size")
    power: int = 1024 ** _POWERS[found["unit"].lower()]
    if "." not in found["number"]:
        return _fits(int(found["number"]) * power, text)
    return _fits(int(float(found["number"]) * power), text)


def _fits(number: int, text: str) -> int:
    if abs(number) > _LONGEST:
        raise ValueError(f"`{text}` is too large")
    return number


def parse_duration(text: str) -> Seconds:
    """`1m30s` -> seconds; the units are ns us ms s m h d w."""
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"`{text}` is no duration")
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f"`{text}` is no duration")
    return sign * sum(_nanoseconds(text, *part) for part in parts) / 1e9


def _nanoseconds(text: str, number: str, unit: str) -> int:
    if unit != unit.strip():
        raise ValueError(f"`{text}` is no duration: it has a blank in it")
    if unit not in _NANOSECONDS:
        raise ValueError(f"`{text}` is no duration: unknown unit `{unit}`")
    if not any(digit.isdigit() for digit in number):
        raise ValueError(f"`{text}` is no duration")
    whole, _, fraction = number.partition(".")
    if len(whole) > 19:
        raise ValueError(f"`{text}` is too long")
    scale = _NANOSECONDS[unit]
    amount = int(whole or "0") * scale
    if fraction:
        amount += int(int(fraction[:18]) * scale / 10 ** len(fraction[:18]))
    if amount > _LONGEST:
        raise ValueError(f"`{text}` is too long")
    return amount


def print_duration(seconds: Seconds) -> str:
    """As Go prints it: 1m30s, 24h0m0s, 100ms, 1.5s, 0s."""
    nanoseconds = round(abs(seconds) * 1e9)
    sign = "-" if seconds < 0 else ""
    if nanoseconds == 0:
        return "0s"
    for unit, scale in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < scale * 1_000:
            return sign + _decimal(nanoseconds, scale) + unit
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    text = _decimal(rest, 1_000_000_000) + "s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{minutes}m{text}"
        if hours:
            text = f"{hours}h{text}"
    return sign + text


def _decimal(amount: int, scale: int) -> str:
    whole, rest = divmod(amount, scale)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).rjust(len(str(scale)) - 1, '0').rstrip('0')}"


def parse_boolean(text: str) -> bool:
    """Any case of true, yes, y, on and their opposites."""
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(f"`{text}` is no boolean")


def print_scalar(value: object) -> str:
    """A number, boolean or text inside text (`KEY=value`), as Go's %v prints it; null is
    `<nil>`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return print_float(value)
    return str(value)


def print_float(value: float, *, small: int = -4, large: int = 6) -> str:
    """The shortest digits; exponent form below 1e`small` or from 1e`large`, without trailing `.0`.

    The defaults are those of Go's %v; its JSON changes form at -6 and 21.
    """
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    mantissa, _, exponent = f"{value!r}".partition("e")
    digits, power = _digits(mantissa, int(exponent or 0))
    sign = "-" if value < 0 else ""
    if power < small or power >= large:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02}"
    return sign + _positional(digits, power)


def _digits(mantissa: str, exponent: int) -> tuple[str, int]:
    """Significant digits, and the power of ten of the first."""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + fraction
    power = len(whole) - 1 + exponent
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    return stripped.rstrip("0") or "0", power


def _positional(digits: str, power: int) -> str:
    if power < 0:
        return "0." + "0" * (-power - 1) + digits
    if len(digits) <= power + 1:
        return digits + "0" * (power + 1 - len(digits))
    return f"{digits[: power + 1]}.{digits[power + 1 :]}"
