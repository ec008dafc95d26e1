"""What is particular to cgroup v2 (also beside v1, in the hybrid form): core files, and events to
wait on.

The core files `cgroup.kill`, `cgroup.freeze` and `cgroup.events` need no controller (C05).
"""

from __future__ import annotations

import errno
import os
import select
import time

from runtime.cgroups import knobs
from runtime.errors import RuntimeFault
from runtime.linux import faults

CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
"""What is enabled for our groups where the kernel has it."""
OWN_LEAF = "pycompose-outside"
"""Where the processes of a nested top group go: with processes in it, it cannot give controllers on
(C03).
"""


class Events:
    """One file of a group that the kernel signals changes of: `cgroup.events`, `memory.events`.

    `fileno` is readable after a change (it is an epoll descriptor, since the file itself only knows
    POLLPRI), until `read` is called. Close it; a removed group signals as well.
    """

    def __init__(self, folder: str, file: str) -> None:
        self._file = os.open(f"{folder}/{file}", os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.epoll(flags=select.EPOLL_CLOEXEC)
        self._poll.register(self._file, select.EPOLLPRI)
        self._last: dict[str, int] = {}
        self.read()

    def fileno(self) -> int:
        return self._poll.fileno()

    def read(self) -> dict[str, int]:
        """The numbers as they are, and from here on the next change counts; the last ones when it
        is gone.
        """
        try:
            self._last = knobs.parse_pairs(os.pread(self._file, 1 << 16, 0).decode())
        except OSError as error:
            if error.errno not in knobs.GONE:
                raise
            self._last = {**self._last, "populated": 0}
        return self._last

    def wait(self, timeout: float) -> bool:
        """True when something changed within so many seconds. Blocks."""
        return bool(self._poll.poll(max(timeout, 0.0)))

    def close(self) -> None:
        self._poll.close()
        os.close(self._file)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_until(folder: str, key: str, value: int, *, timeout: float) -> bool:
    """Wait for `key value` in cgroup.events; a group that is gone is not populated. Blocks."""
    try:
        events = Events(folder, "cgroup.events")
    except FileNotFoundError:
        return key == "populated" and value == 0
    deadline = time.monotonic() + timeout
    with events:
        while events.read().get(key) != value:
            if not events.wait(deadline - time.monotonic()):
                return events.read().get(key) == value
    return True


def enable_controllers(folder: str, available: frozenset[str], *, is_top: bool) -> None:
    """C03: let the groups below `folder` use the controllers; those that cannot be had are
    left out.
    """
    enabled = set((knobs.read(folder, "cgroup.subtree_control") or "").split())
    wanted = [name for name in CONTROLLERS if name in available and name not in enabled]
    if not wanted:
        return
    if is_top and not _is_real_root(folder):
        move_processes_out(folder)
    _enable(folder, wanted)


def _is_real_root(folder: str) -> bool:
    """The root of the whole machine may hold processes and give controllers on; others may not, and
    those that try with cpu, cpuset and pids alone get children that no process can join.
    """
    return not knobs.exists(folder, "cgroup.type")


def _enable(folder: str, names: list[str]) -> None:
    try:
        knobs.write(folder, "cgroup.subtree_control", " ".join(f"+{name}" for name in names))
    except OSError as error:
        if error.errno == errno.EBUSY or len(names) == 1:
            raise
        for name in names:
            _enable_one(folder, name)


def _enable_one(folder: str, name: str) -> None:
    try:
        knobs.write(folder, "cgroup.subtree_control", f"+{name}")
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise


def move_processes_out(top: str) -> None:
    """Nested in a container: its processes go to a leaf, so that the top can give
    controllers on.
    """
    if not (knobs.read(top, "cgroup.procs") or "").strip():
        return
    leaf = f"{top}/{OWN_LEAF}"
    with faults.point("mkdir cgroup"):
        os.makedirs(leaf, exist_ok=True)
    while pids := (knobs.read(top, "cgroup.procs") or "").split():
        for pid in pids:
            _move(leaf, pid)


def move_processes_back(top: str) -> None:
    """Undo `move_processes_out` when no group of anybody's is left below the top."""
    leaf = f"{top}/{OWN_LEAF}"
    if not os.path.isdir(leaf) or any(
        entry.is_dir() and entry.name != OWN_LEAF for entry in os.scandir(top)
    ):
        return
    enabled = (knobs.read(top, "cgroup.subtree_control") or "").split()
    if enabled:
        knobs.write(top, "cgroup.subtree_control", " ".join(f"-{name}" for name in enabled))
    while pids := (knobs.read(leaf, "cgroup.procs") or "").split():
        for pid in pids:
            _move(top, pid)
    with faults.point("rmdir cgroup"):
        os.rmdir(leaf)


def _move(folder: str, pid: str) -> None:
    try:
        knobs.write(folder, "cgroup.procs", pid)
    except ProcessLookupError:
        pass


def check_domain(folder: str) -> None:
    """C03: a threaded or invalid group takes no memory or I/O limits. Raises RuntimeFault."""
    kind = (knobs.read(folder, "cgroup.type") or "domain").strip()
    if kind not in ("domain", "domain threaded"):
        raise RuntimeFault(
            "the cgroup that containers go below cannot hold them",
            code="E423",
            tried=f"making {folder}",
            answered=f"its cgroup.type is `{kind}`",
            hint="choose another cgroup_parent: somebody made this one threaded",
        )
