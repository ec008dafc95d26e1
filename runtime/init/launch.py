"""The parent's half of a birth, in the keeper: clone3 into cgroup and namespaces, limits from
outside.

`fork_init` returns as soon as the child exists; what follows is said on its channel
(keeper/births.py). Source: L04-L12, P06, P07, P10, P13.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Collection
from typing import NamedTuple, NoReturn

from runtime.errors import system_call
from runtime.init import child as children
from runtime.init import sequence
from runtime.init.child import InitChild
from runtime.linux import faults, namespaces, processes, rlimits
from runtime.linux.rlimits import Limit
from runtime.messages import LaunchRequest

_LATER = ("cgroup", "user")
"""The cgroup namespace is made inside the cgroup (L06), a user namespace by a step of its own
(L08)."""


class Birth(NamedTuple):
    """A child on its way; `channel` and `pidfd` are the caller's."""

    pid: int
    pidfd: int
    start_time: int
    channel: socket.socket


def fork_init(request: LaunchRequest, stdio: tuple[int, int, int] | None) -> Birth:
    """Fork a container's init. `stdio` None: it opens its terminal itself. Raises OSError,
    RuntimeFault."""
    joined = {
        kind: namespaces.open_namespace(pid, kind)
        for kind, pid in request.joined_namespaces.items()
    }
    own, theirs = socket.socketpair()
    unified = _open_cgroup(request.cgroup.unified)
    mask = processes.block_signals()
    try:
        with (
            namespaces.children_in(joined.pop("pid", None)),
            faults.point("clone"),
            system_call("cannot fork the container's init", tried="clone3"),
        ):
            born = processes.clone(_flags(request), cgroup=unified)
        if born.pid == 0:
            _become_init(request, stdio, theirs, joined)
    except BaseException:
        own.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        for descriptor in (*joined.values(), *(() if unified is None else (unified,))):
            os.close(descriptor)
    _set_from_outside(born.pid, request)
    return Birth(born.pid, born.pidfd, processes.start_time(born.pid), own)


def _flags(request: LaunchRequest) -> int:
    """Of every new namespace that can be made at once."""
    flags = 0
    for entry in request.spec["linux"].get("namespaces", ()):
        kind = entry["type"]
        is_joined = kind in request.joined_namespaces or entry.get("path")
        if not is_joined and kind not in _LATER:
            flags |= namespaces.FLAGS[kind]
    return flags


def _open_cgroup(folder: str) -> int | None:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if folder else None


def _set_from_outside(pid: int, request: LaunchRequest) -> None:
    """L09, L12: what the child may not do itself any more. What is refused is lowered, not
    fatal."""
    process = request.spec["process"]
    for entry in process.get("rlimits", ()):
        rlimits.raise_hard(pid, Limit(entry["type"], entry["soft"], entry["hard"]))
    if (adjustment := process.get("oomScoreAdj")) is not None:
        processes.write_oom_score_adjustment(pid, adjustment)


def _become_init(
    request: LaunchRequest,
    stdio: tuple[int, int, int] | None,
    channel: socket.socket,
    joined: dict[str, int],
) -> NoReturn:
    settle(stdio, {channel.fileno(), *joined.values()})
    child = InitChild(
        process=request.spec["process"],
        channel=channel,
        seccomp_program=request.seccomp_program,
        tty=stdio is None,
        columns=request.columns,
        rows=request.rows,
        owns_stdio=request.stdio == "pipes",
        request=request,
        joined=joined,
    )
    children.run_to_the_end(sequence.SEQUENCE, child)


def settle(stdio: tuple[int, int, int] | None, kept: Collection[int]) -> None:
    """In the child, first of all: its own session and streams, and nothing else of the keeper's
    open."""
    faults.configure("init")
    os.setsid()
    # P16: or it would spoil the modes of device nodes; the program gets its own at the end
    os.umask(0)
    streams = stdio if stdio is not None else (os.open(os.devnull, os.O_RDWR),) * 3
    # the streams may themselves be numbered 0 to 2: move them out of the way first
    moved = [os.dup(descriptor) for descriptor in streams]
    for number, descriptor in enumerate(moved):
        os.dup2(descriptor, number)
    close_all_but({0, 1, 2, *kept})


def close_all_but(kept: Collection[int]) -> None:
    """P10: also what our own parent inherited and never knew."""
    for entry in os.listdir("/proc/self/fd"):
        descriptor = int(entry)
        if descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                pass  # the one that listed the folder
