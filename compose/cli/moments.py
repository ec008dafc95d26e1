"""A moment as a flag gives it -> seconds since the epoch.

`2026-03-01T12:00:00Z` (and shorter forms, local without a zone), seconds since 1970, or a duration
before now (`42m`, `1h30m`), as Docker's --since and --until.
"""

from __future__ import annotations

import re
import time

from compose.cli.parsing import UsageError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|h|m|s)")


def parse_moment(name: str, text: str, *, now: float | None = None) -> float | None:
    """None for "". Raises UsageError that names the flag."""
    if not text:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if re.fullmatch(f"-?({_PART.pattern})+", text):
        return (time.time() if now is None else now) - _duration(text)
    moment = _date(text)
    if moment is None:
        raise UsageError(
            f'invalid value for "{name}": "{text}" is neither a time (2026-03-01T12:00:00Z),'
            " nor seconds, nor a duration (42m)"
        )
    return moment


def _duration(text: str) -> float:
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -seconds if text.startswith("-") else seconds


def _date(text: str) -> float | None:
    from datetime import datetime

    # fromisoformat knows six digits of a second, Docker prints nine
    shorter = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        found = datetime.fromisoformat(shorter)
    except ValueError:
        return None
    return (found if found.tzinfo else found.astimezone()).timestamp()
