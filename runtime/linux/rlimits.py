"""Resource limits of a process, by the OCI document's names. Source: prlimit(2), D32, L12.

Our own processes raise their soft limit of open files; containers get the one from before.
"""

from __future__ import annotations

import resource
from typing import NamedTuple

from runtime.linux import faults

UNLIMITED = resource.RLIM_INFINITY

KINDS = {
    name: getattr(resource, name)
    for name in (
        "RLIMIT_AS",
        "RLIMIT_CORE",
        "RLIMIT_CPU",
        "RLIMIT_DATA",
        "RLIMIT_FSIZE",
        "RLIMIT_MEMLOCK",
        "RLIMIT_MSGQUEUE",
        "RLIMIT_NICE",
        "RLIMIT_NOFILE",
        "RLIMIT_NPROC",
        "RLIMIT_RSS",
        "RLIMIT_RTPRIO",
        "RLIMIT_RTTIME",
        "RLIMIT_SIGPENDING",
        "RLIMIT_STACK",
    )
    if hasattr(resource, name)
}
KINDS.setdefault("RLIMIT_LOCKS", 10)
KINDS.setdefault("RLIMIT_RTTIME", 15)


class Limit(NamedTuple):
    """One limit; -1 is unlimited."""

    kind: str
    soft: int
    hard: int


_original_open_files: tuple[int, int] | None = None


def raise_open_files() -> None:
    """Lift our own soft limit to the hard one, and remember what it was."""
    global _original_open_files
    if _original_open_files is None:
        _original_open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    hard = _original_open_files[1]
    with faults.point("prlimit"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def original_open_files() -> Limit | None:
    """The limit before `raise_open_files`; None when it was never called."""
    if _original_open_files is None:
        return None
    return Limit("RLIMIT_NOFILE", *_original_open_files)


def raise_hard(pid: int, limit: Limit) -> bool:
    """Lift the hard limit of a process where `limit` wants more than it has; False when that is
    refused.

    Soft limits and lowering wait until the process needs no more than its user will (`lower`).
    """
    kind = KINDS[limit.kind]
    soft, hard = resource.prlimit(pid, kind)
    if not _is_more(limit.hard, hard):
        return True
    try:
        with faults.point("prlimit"):
            resource.prlimit(pid, kind, (soft, limit.hard))
    except (PermissionError, ValueError):
        return False
    return True


def lower(limit: Limit) -> None:
    """Set a limit of our own as far as the hard limit reaches; never refused."""
    kind = KINDS[limit.kind]
    _soft, hard = resource.getrlimit(kind)
    wanted_hard = hard if _is_more(limit.hard, hard) else limit.hard
    wanted_soft = wanted_hard if _is_more(limit.soft, wanted_hard) else limit.soft
    with faults.point("prlimit"):
        resource.setrlimit(kind, (wanted_soft, wanted_hard))


def _is_more(one: int, other: int) -> bool:
    if other == UNLIMITED:
        return False
    return one == UNLIMITED or one > other
