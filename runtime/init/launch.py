"""The parent's half of a birth, in the keeper: clone3 into cgroup and namespaces, limits from
outside.

`fork_init` returns as soon as the child exists; what follows is said on its channel
(keeper/births.py). `fork` and `settle` serve join.py, too. Source: L04-L12, P06, P07, P10, P12,
P13.
"""

from __future__ import annotations

import functools
import gc
import os
import socket
from collections.abc import Callable, Collection
from typing import NamedTuple, NoReturn

from runtime import messages
from runtime.errors import RuntimeFault, system_call
from runtime.init import child as children
from runtime.init import sequence
from runtime.init.child import NEVER_RAN, InitChild, Step
from runtime.linux import faults, namespaces, nftables, processes, rlimits
from runtime.linux.rlimits import Limit
from runtime.messages import Configure, LaunchRequest, Ready, Run

Streams = tuple[int, int, int]
"""stdin, stdout and stderr of a child; None in their place: it opens its terminal itself."""

_LATER = ("cgroup", "user")
"""The cgroup namespace is made inside the cgroup (L06), a user namespace by a step of its own
(L08)."""


class Birth(NamedTuple):
    """A child on its way; `channel` and `pidfd` are the caller's."""

    pid: int
    pidfd: int
    start_time: int
    channel: socket.socket


def fork_init(request: LaunchRequest, stdio: Streams | None) -> Birth:
    """Fork a container's init. Raises OSError, RuntimeFault."""
    warm_up()
    _refuse_id_maps(request)
    joined = _open_joined(request)
    try:
        birth = fork(
            lambda channel: _become_init(request, stdio, channel, joined),
            flags=_flags(request),
            cgroup=request.cgroup.unified,
            pid_namespace=joined.get("pid"),
        )
    finally:
        for descriptor in joined.values():
            os.close(descriptor)
    _set_from_outside(birth.pid, request)
    return birth


def _refuse_id_maps(request: LaunchRequest) -> None:
    """L08: until user namespaces are built; to start with the host's ids would be a weaker wall."""
    if request.uid_mappings or request.gid_mappings:
        raise RuntimeFault("a container with id maps cannot be started yet", code="E407")


def _open_joined(request: LaunchRequest) -> dict[str, int]:
    """Kind -> descriptor of each namespace that is somebody else's (L04)."""
    joined = {}
    try:
        for kind, pid in request.joined_namespaces.items():
            joined[kind] = namespaces.open_namespace(pid, kind)
        for entry in request.spec["linux"].get("namespaces", ()):
            if path := entry.get("path"):
                joined[entry["type"]] = namespaces.open_namespace_file(path)
    except OSError as error:
        for descriptor in joined.values():
            os.close(descriptor)
        raise RuntimeFault(
            "the container whose namespaces are to be shared does not run",
            code="E404",
            tried=f"opening {error.filename}",
            answered=os.strerror(error.errno or 0),
        ) from error
    return joined


def _flags(request: LaunchRequest) -> int:
    """Of every new namespace that can be made at once."""
    flags = 0
    for entry in request.spec["linux"].get("namespaces", ()):
        kind = entry["type"]
        is_joined = kind in request.joined_namespaces or entry.get("path")
        if not is_joined and kind not in _LATER:
            flags |= namespaces.FLAGS[kind]
    return flags


def _set_from_outside(pid: int, request: LaunchRequest) -> None:
    """L09, L12: what the child may not do itself any more. A refused hard limit was warned of when
    the document was made; the child takes what it got."""
    process = request.spec["process"]
    for entry in process.get("rlimits", ()):
        rlimits.raise_hard(pid, Limit(entry["type"], entry["soft"], entry["hard"]))
    if (adjustment := process.get("oomScoreAdj")) is not None:
        processes.write_oom_score_adjustment(pid, adjustment)


def _become_init(
    request: LaunchRequest,
    stdio: Streams | None,
    channel: socket.socket,
    joined: dict[str, int],
) -> None:
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


# ---- forking, for inits and execs ----------------------------------------------------------------


def fork(
    become: Callable[[socket.socket], None],
    *,
    flags: int = 0,
    cgroup: str = "",
    pid_namespace: int | None = None,
) -> Birth:
    """Fork a child that runs `become` with its end of the channel and never returns from it.

    `cgroup` is a folder of the v2 tree. The caller has one thread (P06, P15). Raises OSError,
    RuntimeFault.
    """
    own, theirs = socket.socketpair()
    unified = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if cgroup else None
    # P13: a handler of the keeper's must not run in the child
    mask = processes.block_signals()
    try:
        with (
            system_call("cannot fork a process for the container", tried="clone3"),
            faults.point("clone"),
            namespaces.children_in(pid_namespace),
        ):
            born = processes.clone(flags, cgroup=unified)
            if born.pid == 0:
                # inside the block: the child must not leave the namespace again, nor clean up
                _never_return(become, theirs)
    except BaseException:
        own.close()
        raise
    finally:
        processes.set_signal_mask(mask)
        theirs.close()
        if unified is not None:
            os.close(unified)
    return Birth(born.pid, born.pidfd, processes.start_time(born.pid), own)


@functools.cache
def warm_up() -> None:
    """Do once what each child would do anew: codecs and constructors are made at their first use,
    and what a child makes is lost with it. Saves a millisecond a container."""
    for message in (
        Configure(container_id="", route_batches=(b"",), network_sysctls={"": ""}),
        Ready(descriptors=("",)),
        Run(),
    ):
        messages.Frames().feed(messages.pack(message))
    nftables.dns_redirect_batch(1, 1)


def _never_return(become: Callable[[socket.socket], None], channel: socket.socket) -> NoReturn:
    """P12: no frame of the keeper's is ever unwound in the child, whatever happens in it."""
    try:
        gc.disable()
        become(channel)
    except BaseException as error:
        children.report(channel, Step("P10", "settle in the new process", become), error)
    finally:
        os._exit(NEVER_RAN)


def settle(stdio: Streams | None, kept: Collection[int]) -> None:
    """In the child, first of all: its own session and streams, and nothing of the keeper's open."""
    faults.configure("init")
    os.setsid()
    # P16: or it would spoil the modes of device nodes; the program gets its own at the end
    os.umask(0)
    streams = stdio if stdio is not None else (os.open(os.devnull, os.O_RDWR),) * 3
    # the streams may themselves be numbered 0 to 2: move them out of the way first
    moved = [os.dup(descriptor) for descriptor in streams]
    for number, descriptor in enumerate(moved):
        os.dup2(descriptor, number)
    processes.close_all_but({0, 1, 2, *kept, *faults.kept_descriptors()})
