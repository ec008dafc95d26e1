"""Who a process is: ids, groups, and the switches that go with them. Source: prctl(2),
credentials(7)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from runtime.linux import calls, faults

MAX_ID = 2**31 - 1
"""P19: larger ids wrap somewhere; Docker refuses them, too."""

_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_NAME = 15


def forbid_dump() -> None:
    """Nobody without CAP_SYS_PTRACE over us may trace us or open our descriptors; execve ends it
    (L10, V10)."""
    calls.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def keep_capabilities(keep: bool) -> None:
    """Whether permitted capabilities survive the change to another user (L51)."""
    calls.prctl(_PR_SET_KEEPCAPS, int(keep), 0, 0, 0)


def forbid_new_privileges() -> None:
    """For ever, over fork and execve: no set-user-id bit and no file capability has effect."""
    calls.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def become(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Real, effective and saved ids; the groups are replaced, never added to (P15).

    Raises ValueError for an id above MAX_ID: -1 would mean "leave it" to the kernel (V31).
    """
    for number in (uid, gid, *groups):
        if not 0 <= number <= MAX_ID:
            raise ValueError(f"{number} is no user or group id")
    with faults.point("set ids"):
        calls.setgroups(len(groups), (ctypes.c_uint32 * len(groups))(*groups))
        calls.setresgid(gid, gid, gid)
        calls.setresuid(uid, uid, uid)


def set_process_name(name: str) -> None:
    """As `ps` shows it in its `comm` column; 15 bytes count."""
    text = ctypes.create_string_buffer(name.encode())
    calls.prctl(_PR_SET_NAME, ctypes.addressof(text), 0, 0, 0)
