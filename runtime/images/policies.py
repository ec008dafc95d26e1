"""When to ask the registry for an image that is here already. Pure.

`missing never build if_not_present` never do, `always` does, `daily weekly every_DURATION` by the
time of the last pull. Source: the pull_policy chapter of the Compose specification.
"""

from __future__ import annotations

import re

from runtime.errors import RuntimeFault

_SECONDS = {"w": 7 * 86400.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_NAMED = {"daily": _SECONDS["d"], "weekly": _SECONDS["w"]}
_PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")


def is_due(policy: str, *, last: float, now: float) -> bool:
    """Whether an image that came at `last` has to be looked for again. Raises RuntimeFault for a
    policy that is none."""
    if policy == "always":
        return True
    if policy in ("", "missing", "never", "build", "if_not_present"):
        return False
    return now - last >= interval_of(policy)


def interval_of(policy: str) -> float:
    """Seconds between two looks."""
    if policy in _NAMED:
        return _NAMED[policy]
    duration = policy.removeprefix("every_")
    parts = _PART.findall(duration)
    if duration == policy or not parts or "".join(map("".join, parts)) != duration:
        raise RuntimeFault(
            f"`{policy}` is no pull policy",
            code="E536",
            hint="always, missing, never, build, daily, weekly, or every_12h and the like",
        )
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
