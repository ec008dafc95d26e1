"""Numbers and moments -> the words of Docker: "3 minutes", "Up 3 minutes (healthy)", "204MB". Pure.

Source: Docker's go-units, whose words scripts compare.
"""

from __future__ import annotations

import time

from runtime.values import RunState

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def duration(seconds: float) -> str:
    """`About a minute`: one unit, rounded down as Docker does."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    return _long_duration((whole + 1800) // 3600)


def _long_duration(hours: int) -> str:
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{hours // 24 // 365} years"


def ago(moment: float, now: float) -> str:
    return f"{duration(now - moment)} ago"


def size(count: float, *, digits: int = 4) -> str:
    """`204.1MB`: powers of 1000."""
    return _scaled(count, 1000.0, _DECIMAL, digits)


def binary_size(count: float) -> str:
    """`1.5MiB`: powers of 1024, as `stats` shows memory."""
    return _scaled(count, 1024.0, _BINARY, 4)


def _scaled(count: float, base: float, units: tuple[str, ...], digits: int) -> str:
    unit = 0
    while count >= base and unit < len(units) - 1:
        count /= base
        unit += 1
    return f"{count:.{digits}g}{units[unit]}"


def status(state: RunState, now: float) -> str:
    """The STATUS column: `Up 3 minutes (healthy)`, `Exited (0) 2 hours ago`."""
    match state.status:
        case "running":
            return f"Up {duration(now - state.started_at)}{_health(state)}"
        case "paused":
            return f"Up {duration(now - state.started_at)} (Paused)"
        case "restarting":
            return f"Restarting ({state.exit_code}) {ago(state.finished_at, now)}"
        case "exited":
            return f"Exited ({state.exit_code}) {ago(state.finished_at, now)}"
        case "removing":
            return "Removal In Progress"
        case "dead":
            return "Dead"
        case _:
            return "Created"


def _health(state: RunState) -> str:
    if not state.health:
        return ""
    return " (health: starting)" if state.health == "starting" else f" ({state.health})"


def timestamp(moment: float) -> str:
    """`2026-03-01T12:00:00.123456000Z`: nanoseconds wide, as Docker writes the times of log
    lines."""
    seconds, micros = divmod(round(moment * 1e6), 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{micros:06d}000Z"


def go_time(moment: float) -> str:
    """`2026-03-01 12:00:00 +0000 UTC`: how Go prints a time of the local zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(moment))
