"""One cgroup file: read it, write it. Every write of ours into a cgroup tree passes here.

The folders are of our own making and a cgroup tree holds no links, so a plain path is safe (C07);
keys that come from a document are checked in limits.py.
"""

from __future__ import annotations

import errno
import os

from runtime.linux import faults
from runtime.messages import CgroupPlan

# C36: the group, or the process that was asked about, has just gone.
GONE = frozenset({errno.ENOENT, errno.ENODEV})


def write(folder: str, file: str, value: str) -> None:
    """Write in one call, as the kernel wants it. Raises OSError as the kernel answers."""
    with faults.point("write cgroup"):
        descriptor = os.open(f"{folder}/{file}", os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.write(descriptor, value.encode())
        finally:
            os.close(descriptor)


def read(folder: str, file: str) -> str | None:
    """The file's text; None when it, or the whole group, is not there (C36)."""
    try:
        descriptor = os.open(f"{folder}/{file}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    try:
        return _read_all(descriptor).decode()
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def read_pairs(folder: str, file: str) -> dict[str, int]:
    """A file of `key number` lines, as `cgroup.events` and `memory.stat` are; empty when it is
    gone.
    """
    return parse_pairs(read(folder, file) or "")


def parse_pairs(text: str) -> dict[str, int]:
    """`populated 1` lines as a mapping; lines of another form are left out."""
    pairs = {}
    for line in text.splitlines():
        key, _, number = line.rpartition(" ")
        if key and number.lstrip("-").isdigit():
            pairs[key] = int(number)
    return pairs


def exists(folder: str, file: str) -> bool:
    return os.path.exists(f"{folder}/{file}")


def folders_of(plan: CgroupPlan) -> tuple[str, ...]:
    """The plan's folders, the v2 tree's first."""
    return tuple(filter(None, (plan.unified, *plan.legacy)))


def folder_with(plan: CgroupPlan, file: str) -> str | None:
    """The folder whose controller has that file: which version it is in needs no asking then."""
    return next((folder for folder in folders_of(plan) if exists(folder, file)), None)


def has_core(plan: CgroupPlan, file: str) -> bool:
    """True when the v2 tree is there and its kernel knows this core file."""
    return bool(plan.unified) and exists(plan.unified, file)


class gone_is_fine:
    """Inside, a group that has just been removed is no error (C36)."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        return isinstance(error, OSError) and error.errno in GONE
