"""Writes an exit status down before anyone is told; reads what the kernel says about an end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from runtime import codec
from runtime.linux import files
from runtime.messages import CgroupPlan, ProcessRecord


def reapable() -> Iterator[int]:
    """The pids of ended children, each left for `reap`; a child of a container's that fell to us
    (subreaper) too."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None:
            return
        yield found.si_pid


def reap(pid: int) -> int:
    """Its exit code: 128+n for a signal."""
    found = os.waitid(os.P_PID, pid, os.WEXITED)
    if found is None:
        raise ChildProcessError(pid)
    return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status


def record_path(folder: Path, record: ProcessRecord) -> Path:
    return folder / f"{record.container_id}-{record.generation}.json"


def write_record(folder: Path, record: ProcessRecord) -> None:
    """Raises OSError: before "run" that fails the start."""
    files.write_atomically(record_path(folder, record), codec.dumps(record).encode())


def write_exit(folder: Path, record: ProcessRecord) -> None:
    """As far as the disk lets us: the supervisor is told in any case, and a full disk must not cost
    the exit."""
    try:
        write_record(folder, record)
    except OSError as error:
        report(f"the exit of {record.container_id} is not written down: {error}")


def oom_kills(cgroup: CgroupPlan) -> int:
    """C32: processes that the kernel killed in this cgroup for want of memory, so far."""
    for folder in cgroup.legacy:
        if (count := _counter(f"{folder}/memory.oom_control")) is not None:
            return count
    return _counter(f"{cgroup.unified}/memory.events") or 0 if cgroup.unified else 0


def _counter(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            words = file.read().split()
    except OSError:
        return None
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0


def report(text: str) -> None:
    """One line of the engine log (our stderr)."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    sys.stderr.write(f"{stamp}Z keeper: {text}\n")
    sys.stderr.flush()
