"""How a keeper begins: lock, socket, supervisor; then the loop of keeping.py, until nothing is left
to keep.

Clients may connect as soon as the socket listens, and wait in its queue for the supervisor. Both
processes load their code at the same time, which is why the imports below come after the spawn. An
early keeper (start_keeper.py) spawns and loads before it knows its project.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.linux import faults, files, sockets
from runtime.paths import UNKNOWN_PROJECT, Paths, ProjectPaths

if TYPE_CHECKING:
    from runtime.keeper.supervision import Supervision

TELL = 4
"""Of an early keeper, where it hears of its project."""
BACKLOG = 512
LOG_SIZE = 1 << 20
LOCK_ATTEMPTS = 2500
LOCK_PAUSE = 0.01
END_SECONDS = 15.0
"""For a supervisor that has been granted its end; it takes milliseconds. Together with whoever
waits for our lock: less than start_keeper.DEADLINE."""


def main(data: str, run: str, project_id: str, ready: str, **parts: Any) -> None:
    """Returns when the project is idle, or when another keeper serves it already.

    `parts`, for tests: `program` of the supervisor, `births`.
    """
    is_early = project_id == UNKNOWN_PROJECT
    # P10: shells and CI runners leave descriptors open that are none of ours
    os.closerange((TELL if is_early else int(ready)) + 1, 1 << 16)
    faults.configure("keeper")
    os.chdir("/")
    os.umask(0o077)
    _ignore_the_terminal()
    _take_ordinary_priority()
    paths = Paths(Path(data), Path(run))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    early: Supervision | None = None
    if is_early:
        early = _spawn_supervisor(paths, project_id, listener, parts)
        # loaded now, used below
        from runtime.keeper import keeping  # noqa: F401

        project_id = files.read_line(TELL)
        os.close(TELL)
        if not project_id:
            early.abandon()
            return
    project = paths.project(project_id)
    lock = take_lock(project)
    if lock is None:
        if early is not None:
            early.abandon()
        _say_ready(int(ready))
        return
    _shorten(project.engine_log)
    if early is not None:
        files.write_output_to(project.engine_log)
    listen(listener, project.control_socket)
    _say_ready(int(ready))
    supervision = early or _spawn_supervisor(paths, project_id, listener, parts)
    supervision.name_project(project_id)

    from runtime.keeper import cgroup_exit
    from runtime.keeper.keeping import Keeper

    keeper = Keeper(project, listener=listener, supervision=supervision, **_only(parts, "births"))
    keeper.run()
    if supervision.pid:
        _see_off(supervision.pid)
    cgroup_exit.leave()
    # the lock is held until this process ends
    os.close(lock)


def _spawn_supervisor(
    paths: Paths, project_id: str, listener: socket.socket, parts: dict[str, Any]
) -> Supervision:
    from runtime.keeper.supervision import Supervision

    supervision = Supervision(paths, project_id, listener, **_only(parts, "program"))
    supervision.spawn()
    return supervision


def _see_off(supervisor: int) -> None:
    """Return when it has ended: the lock that is let go then says so."""
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        pidfd = os.pidfd_open(supervisor)
        if not select.select([pidfd], [], [], END_SECONDS)[0]:
            os.kill(supervisor, signal.SIGKILL)
        os.waitpid(supervisor, 0)


def _say_ready(ready: int) -> None:
    """To whoever started us; a command that is gone by now must not take us with it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(ready, b"1")
    os.close(ready)


def _only(parts: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: parts[name]} if name in parts else {}


def take_lock(project: ProjectPaths) -> int | None:
    """The project's lock, held until this process ends; None when another keeper has it and
    listens.

    One that is just ending has it for some milliseconds more, so this waits for one or the other.
    """
    for _attempt in range(LOCK_ATTEMPTS):
        if (descriptor := _try_lock(project)) is not None:
            return descriptor
        if sockets.is_listening(project.control_socket):
            return None
        # no event tells of a lock that is let go without blocking on it for ever
        time.sleep(LOCK_PAUSE)  # noqa: TID251
    sys.exit(f"the lock {project.lock} is held, but nobody listens on {project.control_socket}")


def _try_lock(project: ProjectPaths) -> int | None:
    try:
        files.ensure_directory(project.run)
        with faults.point("open lock"):
            descriptor = os.open(project.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        # a keeper that is just ending removed the folder in between
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # the last keeper removes the file while it holds it: then this is a lock on nothing
        if os.path.samestat(os.fstat(descriptor), os.stat(project.lock)):
            with faults.point("write lock"):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            # only now: made before, they went with the last keeper, and no supervisor lives without
            for folder in (project.processes, project.states):
                files.ensure_directory(folder)
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def listen(listener: socket.socket, path: Path) -> None:
    """The control socket, under the lock: whatever stands there is a dead keeper's."""
    with faults.point("listen"), sockets.address(path) as short:
        path.unlink(missing_ok=True)
        listener.bind(short)
        listener.listen(BACKLOG)
    listener.setblocking(False)


def _shorten(log: Path) -> None:
    """What was said long ago is not kept for ever."""
    if log.exists() and log.stat().st_size > LOG_SIZE:
        os.truncate(log, 0)


def _ignore_the_terminal() -> None:
    """Neither a closed terminal nor Ctrl-C in it is meant for this process."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)


def _take_ordinary_priority() -> None:
    """The project outlives the command, whose `nice` is not meant for it; and a cgroup without
    real-time budget refuses who has such a policy (EINVAL)."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)
