"""Fault points: every mutating call of ours passes one, so that a test can stop before and after
each (R03).

A seam (kernel call, netlink request, database commit, file helper) wraps its side effect in
`point(NAME)`. Without `PYCOMPOSE_FAULT` that costs one comparison. With it:

    PYCOMPOSE_FAULT=PROCESS/NAME/before:kill        PROCESS is cli, supervisor, keeper or init; * is
    any PYCOMPOSE_FAULT=PROCESS/NAME/after#3:enospc     the third time; actions: kill raise enospc
    sleep

`PYCOMPOSE_FAULT_TRACE=FILE` appends `PROCESS NAME` for every point passed: the list that a sweep
goes through.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

_NOTHING = nullcontext()
_process = "cli"
_plan = os.environ.get("PYCOMPOSE_FAULT", "")
_trace = os.environ.get("PYCOMPOSE_FAULT_TRACE", "")
_counts: dict[str, int] = {}
_trace_file: int | None = None


def configure(process: str, environment: dict[str, str] | None = None) -> None:
    """Say which process this is; called first thing in each `main` and after each fork."""
    global _process, _plan, _trace, _trace_file
    _process = process
    _counts.clear()
    if environment is not None:
        _plan = environment.get("PYCOMPOSE_FAULT", "")
        _trace, _trace_file = environment.get("PYCOMPOSE_FAULT_TRACE", ""), None


def environment() -> dict[str, str]:
    """The variables to pass on to a process of ours, which otherwise starts with a clean
    environment."""
    pairs = {"PYCOMPOSE_FAULT": _plan, "PYCOMPOSE_FAULT_TRACE": _trace}
    return {key: value for key, value in pairs.items() if value}


def point(name: str) -> AbstractContextManager[None]:
    """Around one side effect. `name` is stable and says what is done: `mount overlay`, `commit
    create_container`."""
    return _armed(name) if _plan or _trace else _NOTHING


@contextmanager
def _armed(name: str) -> Iterator[None]:
    if _trace:
        os.write(_open_trace(), f"{_process} {name}\n".encode())
    _act(f"{name}/before")
    yield
    _act(f"{name}/after")


def _open_trace() -> int:
    """Opened once: in a container's init the path soon means something else."""
    global _trace_file
    if _trace_file is None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        _trace_file = os.open(_trace, flags, 0o600)
    return _trace_file


def kept_descriptors() -> tuple[int, ...]:
    """What a process that closes everything at its start has to leave open for us."""
    return () if _trace_file is None else (_trace_file,)


def _act(moment: str) -> None:
    if not _plan:
        return
    where, _, action = _plan.rpartition(":")
    where, _, ordinal = where.partition("#")
    process, _, wanted = where.partition("/")
    if process not in ("*", _process) or wanted != moment:
        return
    _counts[moment] = _counts.get(moment, 0) + 1
    if _counts[moment] != int(ordinal or 1):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
        # the first process of a pid namespace cannot kill itself
        os._exit(128 + signal.SIGKILL)
    elif action == "sleep":
        signal.pause()
    elif action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), moment)
    else:
        raise OSError(errno.EIO, os.strerror(errno.EIO), moment)
