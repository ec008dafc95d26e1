"""The numbers of signals by their names, as kill(1) and Docker write them."""

from __future__ import annotations

import signal


def parse_signal(name: str) -> int:
    """Of `SIGHUP`, `hup`, `1`, `RTMIN+3`, `RTMAX-1`. Raises ValueError."""
    word = name.upper().removeprefix("SIG")
    base, offset = word, 0
    for sign in ("+", "-"):
        base, found, digits = word.partition(sign)
        if found:
            offset = int(f"{sign}{digits}") if digits.isdecimal() else signal.NSIG
            break
    number = int(base) if base.isdecimal() and not offset else _named(base)
    if not 0 < number + offset < signal.NSIG:
        raise ValueError(f"no signal: {name}")
    return number + offset


def _named(word: str) -> int:
    """A number that no signal has, for a word that is none."""
    return int(signal.Signals.__members__.get(f"SIG{word}", -signal.NSIG))
