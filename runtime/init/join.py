"""A further process in a running container: an exec or a probe. The keeper's half and the child's.

The child enters the namespaces by the init's pidfd, so a pid that was given to somebody else is
never entered (E01); it is born in the container's pid namespace and the keeper stays its parent.
Source: E01-E09.
"""

from __future__ import annotations

import os
import socket

from runtime.errors import NotFound
from runtime.init import child as children
from runtime.init import console, privileges
from runtime.init import namespaces as places
from runtime.init.child import ExecChild, Step, receive_one
from runtime.init.launch import Birth, Streams, fork, settle, warm_up
from runtime.init.sequence import LAST_STEPS, forget_the_host
from runtime.linux import faults, namespaces, processes
from runtime.messages import ExecRequest, Ready, Run, send

_JOINED = ("mount", "uts", "ipc", "network", "cgroup")


def fork_exec(request: ExecRequest, stdio: Streams | None) -> Birth:
    """Fork the process. Raises NotFound when the container's init is gone, OSError."""
    warm_up()
    container = os.pidfd_open(request.pid)
    try:
        _check_identity(request)
        inside = namespaces.open_namespace(request.pid, "pid")
        try:
            return fork(
                lambda channel: _become_exec(request, stdio, channel, container),
                cgroup=request.cgroup.unified,
                pid_namespace=inside,
            )
        finally:
            os.close(inside)
    finally:
        os.close(container)


def _check_identity(request: ExecRequest) -> None:
    """E01: the pidfd is open already, so the process cannot be exchanged after this look."""
    try:
        is_same = processes.start_time(request.pid) == request.start_time
    except FileNotFoundError:
        is_same = False
    if not is_same:
        raise NotFound(f"container {request.container_id[:12]} does not run", code="E408")


def _become_exec(
    request: ExecRequest,
    stdio: Streams | None,
    channel: socket.socket,
    container: int,
) -> None:
    settle(stdio, {channel.fileno(), container})
    child = ExecChild(
        process=request.process,  # type: ignore[arg-type] # the document comes as plain JSON
        channel=channel,
        seccomp_program=request.seccomp_program,
        tty=request.tty,
        columns=request.columns,
        rows=request.rows,
        request=request,
        container=container,
    )
    children.run_to_the_end(STEPS, child)


def join_cgroups(child: ExecChild) -> None:
    """E04: before the user's program, so that nothing of it escapes its limits."""
    places.enter_legacy_cgroups(child.request.cgroup)
    processes.use_every_processor()


def join_namespaces(child: ExecChild) -> None:
    """E02: all at once, by the descriptor of the process that lives in them, and its root: the top
    of its mount namespace is another one where the engine itself runs in a chroot(2).

    The root is opened first: that the join succeeds says that it was that process's.
    """
    root = os.open(f"/proc/{child.request.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespaces.join(child.container, *_JOINED)
    os.close(child.container)
    with faults.point("enter root"):
        os.fchdir(root)
        os.chroot(".")
    os.close(root)
    child.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def report_ready(child: ExecChild) -> None:
    named = {"pty": child.master} if child.master >= 0 else {}
    send(child.channel, Ready(descriptors=tuple(named)), descriptors=tuple(named.values()))
    for descriptor in named.values():
        os.close(descriptor)
    receive_one(child, Run)


STEPS = (
    Step("L10", "become undumpable", privileges.forbid_dump),
    Step("E04", "join its cgroups", join_cgroups),
    Step("E02", "join its namespaces", join_namespaces),
    Step("P09", "forget the host's files", forget_the_host),
    Step("E05", "open a terminal", console.open_terminal),
    Step("D34", "find the user", privileges.find_identity),
    Step("L46", "report ready", report_ready),
    *LAST_STEPS,
)
