"""How a project's keeper is started, by the engine and by a supervisor whose keeper died.

A command that will need one says so before it has read its files (`start_early`): keeper and
supervisor then load their code meanwhile, and are told the project's id when it is known.

By absolute path with `-P -E -s -S`, a clean environment and a session of its own: nothing of the
caller's folder is imported, nothing of his terminal reaches it. Leaves everything else to the
keeper: of two that are started at once, one serves and the other ends (keeper/main.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import sys
from pathlib import Path
from typing import NamedTuple

from runtime import tasks
from runtime.errors import Unreachable
from runtime.linux import faults, files, interpreter, sockets
from runtime.paths import UNKNOWN_PROJECT, Paths, ProjectPaths

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper", "__main__.py")
OPTIONS = ("-P", "-E", "-s", "-S")
DEADLINE = 30.0
"""Seconds to a listening socket; it takes milliseconds."""
ATTEMPTS = 5
"""So many keepers in a row may end just as somebody comes."""
LIBRARIES = ("site-packages", "dist-packages")
"""Names of folders with installed packages. A supervisor is told where they are, since looking for
them (`site`) would take it longer than Python's own start."""
READY = 3
"""The descriptor on which a keeper says that it listens."""
TELL = 4
"""The one on which an early keeper hears the id of its project, a line."""


class Started(NamedTuple):
    """A keeper that was started and may not listen yet."""

    pid: int
    """Of the process that leaves the keeper behind and ends at once."""
    ready: int
    is_early: bool = False


class Early(NamedTuple):
    """A keeper that does not know its project yet."""

    paths: Paths
    started: Started
    tell: int


_started: dict[ProjectPaths, Started] = {}
_early: list[Early] = []


def start_early(paths: Paths) -> None:
    """Let a keeper load its code until `start` says for which project. Only where none is up, so
    that nothing is loaded in vain beside a project that runs; what goes wrong, goes wrong later."""
    with contextlib.suppress(FileNotFoundError):
        if os.listdir(paths.projects):
            return
    with contextlib.suppress(OSError):
        heard, tell = os.pipe2(os.O_CLOEXEC)
        try:
            pid, ready = _spawn_with_pipe(paths, UNKNOWN_PROJECT, PROGRAM, heard)
        except BaseException:
            os.close(tell)
            raise
        finally:
            os.close(heard)
        _early.append(Early(paths, Started(pid, ready, is_early=True), tell))


def dismiss_early() -> None:
    """Return when one that was not needed has ended."""
    while _early:
        early = _early.pop()
        os.close(early.tell)
        select.select([early.started.ready], [], [], DEADLINE)
        os.close(early.started.ready)
        _reap(early.started)


def _engage(paths: Paths, project_id: str) -> Started | None:
    """The early one, which is told whose it is."""
    if not _early or _early[0].paths != paths:
        return None
    early = _early.pop()
    with contextlib.suppress(BrokenPipeError):
        os.write(early.tell, f"{project_id}\n".encode())
    os.close(early.tell)
    return early.started


def start(paths: Paths, project_id: str, *, program: str = "") -> None:
    """Start one and return at once, if nobody listens. Raises Unreachable, OSError."""
    project = paths.project(project_id)
    if project in _started or sockets.is_listening(project.control_socket):
        return
    engaged = None if program else _engage(paths, project_id)
    _started[project] = engaged or Started(
        *_spawn_with_pipe(paths, project_id, program or PROGRAM, None)
    )


def _spawn_with_pipe(
    paths: Paths, project_id: str, program: str, heard: int | None
) -> tuple[int, int]:
    """The pid, and what gets a byte when it listens."""
    ready, written = os.pipe2(os.O_CLOEXEC)
    try:
        return _spawn(paths, project_id, program, written, heard), ready
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(written)


async def wait_until_listening(paths: Paths, project_id: str) -> None:
    """Start a keeper if there is none; return when its socket takes connections. Raises
    Unreachable."""
    project = paths.project(project_id)
    for _attempt in range(ATTEMPTS):
        if (started := _starting(paths, project_id)) is None:
            return
        # a copy, since several tasks may wait for the same keeper
        ready = os.dup(started.ready)
        try:
            with tasks.move_on_after(DEADLINE):
                await tasks.wait_readable(ready)
        finally:
            os.close(ready)
        if _finish(project, started):
            return
    raise _does_not_start(project)


def wait_until_listening_blocking(paths: Paths, project_id: str) -> None:
    """The same without an event loop."""
    project = paths.project(project_id)
    for _attempt in range(ATTEMPTS):
        if (started := _starting(paths, project_id)) is None:
            return
        select.select([started.ready], [], [], DEADLINE)
        if _finish(project, started):
            return
    raise _does_not_start(project)


def is_awaited(paths: Paths, project_id: str) -> bool:
    """Whether one was started here that nobody has waited for."""
    return paths.project(project_id) in _started


def _starting(paths: Paths, project_id: str) -> Started | None:
    project = paths.project(project_id)
    start(paths, project_id)
    return _started.get(project)


def _finish(project: ProjectPaths, started: Started) -> bool:
    """Forget it, and say whether one listens. It may have met one that was just ending, or have
    ended itself meanwhile: then False, and the next is due. Raises Unreachable when it never
    listened."""
    listened = True
    if _started.get(project) is started:
        del _started[project]
        listened = _has_listened(started.ready)
        os.close(started.ready)
        _reap(started)
    if sockets.is_listening(project.control_socket):
        return True
    # one that did not even come to its log: the next says why
    if listened or started.is_early:
        return False
    raise _does_not_start(project)


def _reap(started: Started) -> None:
    """Its first process ends as soon as it has forked."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(started.pid, 0)


def _has_listened(ready: int) -> bool:
    """Its end without a word is no word."""
    return bool(select.select([ready], [], [], 0)[0] and os.read(ready, 1))


def _does_not_start(project: ProjectPaths) -> Unreachable:
    return Unreachable(
        "the project's keeper does not start",
        code="E331",
        tried=f"start {PROGRAM}",
        answered=_last_line(project.engine_log),
        hint=f"see {project.engine_log}",
    )


def _spawn(paths: Paths, project_id: str, program: str, ready: int, heard: int | None) -> int:
    arguments = [str(paths.data), str(paths.run), project_id, str(READY)]
    # R42: the caller may have been started without descriptors 0-2, so these may be among them
    is_known = project_id != UNKNOWN_PROJECT
    log = _high(
        _open_log(paths.project(project_id)) if is_known else os.open(os.devnull, os.O_WRONLY)
    )
    given = {READY: _high(os.dup(ready))}
    if heard is not None:
        given[TELL] = _high(os.dup(heard))
    try:
        with interpreter.sealed() as executable, faults.point("spawn keeper"):
            return os.posix_spawn(
                executable,
                [sys.executable, *OPTIONS, program, *arguments],
                clean_environment(),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    *((os.POSIX_SPAWN_DUP2, high, number) for number, high in given.items()),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=range(1, 32),
            )
    finally:
        for descriptor in (log, *given.values()):
            os.close(descriptor)


def clean_environment() -> dict[str, str]:
    """What our processes start with, whoever calls: planned faults, and a UTF-8 locale."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    libraries = [folder for folder in sys.path if os.path.basename(folder) in LIBRARIES]
    return {
        "PATH": path,
        "LC_ALL": "C.UTF-8",
        "PYCOMPOSE_LIBRARIES": os.pathsep.join(libraries),
        **faults.environment(),
    }


def _open_log(project: ProjectPaths) -> int:
    while True:
        try:
            files.ensure_directory(project.run)
            return files.open_log(project.engine_log)
        except FileNotFoundError:
            # a keeper that is just ending removed the folder in between
            continue


def _high(descriptor: int) -> int:
    """Moved out of the way of the numbers that the keeper finds."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 16)
    os.close(descriptor)
    return moved


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it wrote nothing"
