"""Readers of /proc, and the handle through which the init writes to it.

The parsers are pure. `open_trusted` mounts a procfs of our own, attached nowhere: writes through it
reach the kernel whatever a container has put at /proc (L45, V04). Source: proc(5), cgroups(7).
"""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple

from runtime.linux import calls, faults, mounts, openat

PROC_MAGIC = 0x9FA0
_Statfs = ctypes.c_long * 32
"""Longer than the structure is anywhere; its first word is the type."""


class CgroupLine(NamedTuple):
    """A line of /proc/PID/cgroup. `hierarchy` 0 is the v2 tree; `controllers` as written
    (`cpu,cpuacct`)."""

    hierarchy: int
    controllers: str
    path: str


class MountLine(NamedTuple):
    """A line of /proc/PID/mountinfo, octal escapes undone."""

    id: int
    parent: int
    device: str
    root: str
    target: str
    options: frozenset[str]
    propagation: tuple[str, ...]
    kind: str
    source: str
    data: str


def parse_cgroups(text: str) -> tuple[CgroupLine, ...]:
    lines = (line.split(":", 2) for line in text.splitlines())
    return tuple(CgroupLine(int(number), controllers, path) for number, controllers, path in lines)


def parse_mountinfo(text: str) -> tuple[MountLine, ...]:
    return tuple(_parse_mount(line) for line in text.splitlines())


def _parse_mount(line: str) -> MountLine:
    before, _, after = line.partition(" - ")
    number, parent, device, root, target, options, *propagation = before.split(" ")
    kind, source, data = after.split(" ", 2)
    return MountLine(
        id=int(number),
        parent=int(parent),
        device=device,
        root=_unescape(root),
        target=_unescape(target),
        options=frozenset(options.split(",")),
        propagation=tuple(propagation),
        kind=kind,
        source=_unescape(source),
        data=data,
    )


def _unescape(field: str) -> str:
    first, *rest = field.split("\\")
    return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def read_cgroups(pid: int | str = "self") -> tuple[CgroupLine, ...]:
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        return parse_cgroups(file.read())


def read_mountinfo(pid: int | str = "self") -> tuple[MountLine, ...]:
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return parse_mountinfo(file.read())


def filesystem_magic(descriptor: int) -> int:
    """`f_type` of the file system that an open file is on."""
    buffer = _Statfs()
    calls.fstatfs(descriptor, buffer)
    return int(buffer[0])


def open_trusted() -> int:
    """A detached procfs of our pid namespace; only we can reach it."""
    return mounts.make_filesystem("proc")


def write_trusted(handle: int, path: str, text: str) -> None:
    """Write to `path` below the handle: no symlink, no other mount on the way, and procfs at its
    end."""
    descriptor = openat.open_plain(handle, path, os.O_WRONLY, same_mount=True)
    try:
        if filesystem_magic(descriptor) != PROC_MAGIC:
            raise OSError(f"{path} is not on procfs")
        with faults.point("write sysctl"):
            os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
