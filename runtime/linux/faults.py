"""Fault points: every mutating call of ours passes one, so that a test can stop before and after
each (R03).

A seam (kernel call, netlink request, database commit, file helper) wraps its side effect in
`point(NAME)`. Without `PYCOMPOSE_FAULT` that costs one comparison. With it:

    PYCOMPOSE_FAULT=PROCESS/NAME/before:kill        PROCESS is cli, supervisor, keeper or init; * is
    any PYCOMPOSE_FAULT=PROCESS/NAME/after#3:enospc     the third time; actions: kill, kill-parent,
    kill-both, sleep, enospc, raise
    PYCOMPOSE_FAULT=@FILE                           the file says so, to processes that run already
    too; it is emptied when the fault strikes, so that it strikes once

`PYCOMPOSE_FAULT_TRACE=FILE` appends `PROCESS PID NAME` for every point passed, the list that a
sweep goes through, and `PROCESS PID -NAME` behind it.
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
_plan_file: int | None = None
_trace_file: int | None = None


def configure(process: str, environment: dict[str, str] | None = None) -> None:
    """Say which process this is; called first thing in each `main` and after each fork."""
    global _process, _plan, _trace, _plan_file, _trace_file
    _process = process
    _counts.clear()
    if environment is not None:
        _plan = environment.get("PYCOMPOSE_FAULT", "")
        _trace = environment.get("PYCOMPOSE_FAULT_TRACE", "")
    # opened here: in a container's init these paths soon mean something else
    _plan_file = _open(_plan[1:], os.O_RDWR) if _plan.startswith("@") else None
    _trace_file = _open(_trace, os.O_WRONLY | os.O_APPEND) if _trace else None


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)


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
    _note(name)
    _act(f"{name}/before")
    try:
        yield
    finally:
        _note(f"-{name}")
    _act(f"{name}/after")


def _note(text: str) -> None:
    if _trace_file is not None:
        os.write(_trace_file, f"{_process} {os.getpid()} {text}\n".encode())


def kept_descriptors() -> tuple[int, ...]:
    """What a process that closes everything at its start has to leave open for us."""
    return tuple(one for one in (_plan_file, _trace_file) if one is not None)


def _act(moment: str) -> None:
    plan = _plan if _plan_file is None else os.pread(_plan_file, 4096, 0).decode()
    if not plan:
        return
    where, _, action = plan.rpartition(":")
    where, _, ordinal = where.partition("#")
    process, _, wanted = where.partition("/")
    if process not in ("*", _process) or wanted != moment:
        return
    _counts[plan] = _counts.get(plan, 0) + 1
    if _counts[plan] != int(ordinal or 1):
        return
    if _plan_file is not None:
        os.ftruncate(_plan_file, 0)
    _strike(action, moment)


def _strike(action: str, moment: str) -> None:
    if action in ("kill-parent", "kill-both"):
        os.kill(os.getppid(), signal.SIGKILL)
    if action in ("kill", "kill-both"):
        os.kill(os.getpid(), signal.SIGKILL)
        # the first process of a pid namespace cannot kill itself
        os._exit(128 + signal.SIGKILL)
    if action == "sleep":
        signal.pause()
    if action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), moment)
    if action == "raise":
        raise OSError(errno.EIO, os.strerror(errno.EIO), moment)


if _plan or _trace:
    configure("cli")
