"""Processes: clone3, pidfds, start times, names. Source: clone(2), pidfd_open(2), proc_pid_stat(5).

A pid alone names nothing for long; a pid with its start time, or a pidfd, does.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from runtime.linux import calls, faults

_CLONE_PIDFD = 0x1000
_CLONE_INTO_CGROUP = 0x200000000
_PR_SET_CHILD_SUBREAPER = 36
_CLOSE_RANGE_CLOEXEC = 4
_LAST_DESCRIPTOR = 0xFFFFFFFF


_SIGNALS = 64
_OF_THE_LIBRARY = (32, 33)
"""glibc lets nobody touch them, and its posix_spawn leaves them ignored."""
_DEFAULT = ctypes.create_string_buffer(64)
"""A sigaction of zeros: SIG_DFL, no flags, no mask."""

SignalMask: TypeAlias = "ctypes.Array[ctypes.c_ulong]"
"""A sigset_t."""
_Words = ctypes.c_ulong * (128 // ctypes.sizeof(ctypes.c_ulong))
_EVERY_SIGNAL = _Words(*(ctypes.c_ulong(-1).value,) * len(_Words()))
NO_SIGNAL: SignalMask = _Words()


class _CloneArguments(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )


class Child(NamedTuple):
    """What `clone` answers; `pid` is 0 in the child itself."""

    pid: int
    pidfd: int


def clone(namespace_flags: int = 0, *, cgroup: int | None = None) -> Child:
    """Fork into new namespaces and, with a folder's descriptor, into that cgroup of the v2 tree.

    The caller must have one thread (P06). Blocked signals stay blocked in the child.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArguments(
        flags=namespace_flags | _CLONE_PIDFD,
        pidfd=ctypes.addressof(pidfd),
        exit_signal=signal.SIGCHLD,
    )
    if cgroup is not None:
        arguments.flags |= _CLONE_INTO_CGROUP
        arguments.cgroup = cgroup
    pid = calls.clone3(arguments)
    return Child(pid, pidfd.value)


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat: clock ticks since boot. Raises FileNotFoundError for a pid that
    is gone."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        # The name in parentheses may hold anything, blanks and parentheses too
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[19])


def become_subreaper() -> None:
    """Orphans among our descendants become our children (L64)."""
    calls.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def close_all_but(kept: Collection[int]) -> None:
    """Close what is open beside these, also what our own parent inherited and never knew (P10)."""
    first = 0
    for descriptor in sorted(kept):
        if descriptor > first:
            calls.close_range(first, descriptor - 1, 0)
        first = descriptor + 1
    calls.close_range(first, _LAST_DESCRIPTOR, 0)


def close_on_exec_from(first: int) -> None:
    """Mark every descriptor from `first` on close-on-exec (L48)."""
    calls.close_range(first, _LAST_DESCRIPTOR, _CLOSE_RANGE_CLOEXEC)


def reset_signals() -> None:
    """Every disposition default; ignored ones would survive execve (L55, P05). Python's own view of
    them is wrong from here on. The mask is left alone."""
    for number in range(1, _SIGNALS + 1):
        calls.signal(number, 0)
    for number in _OF_THE_LIBRARY:
        with suppress(OSError):
            calls.rt_sigaction(number, _DEFAULT, None, _SIGNALS // 8)


def block_signals() -> SignalMask:
    """Block all that can be blocked; answers the mask before (P13)."""
    before = _Words()
    calls.sigprocmask(signal.SIG_SETMASK, _EVERY_SIGNAL, before)
    return before


def set_signal_mask(mask: SignalMask) -> None:
    """One from `block_signals`, or `NO_SIGNAL`."""
    calls.sigprocmask(signal.SIG_SETMASK, mask, None)


def write_oom_score_adjustment(pid: int, value: int) -> None:
    with faults.point("write oom_score_adj"):
        with open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(value))


def use_every_processor() -> None:
    """Forget an affinity that the engine was started with (L11); the cpuset still bounds it."""
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    except OSError:
        pass  # best effort: every processor that we could name is outside the cpuset
