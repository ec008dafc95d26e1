"""Namespaces by the OCI document's names: flags, joining, leaving. Source: namespaces(7), setns(2),
P01-P03.

Everything here acts on the calling process and so belongs into a process of its own; the one
exception is `children_in`, for a parent whose next child shall live in another pid namespace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.linux import calls, faults

FLAGS = {
    "time": 0x00000080,
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}
_FILES = {"mount": "mnt", "network": "net"}


def open_namespace(pid: int, kind: str) -> int:
    """A descriptor of the namespace that process `pid` is in."""
    return open_namespace_file(f"/proc/{pid}/ns/{_FILES.get(kind, kind)}")


def open_namespace_file(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def join(descriptor: int, *kinds: str) -> None:
    """Enter: `descriptor` is of a namespace (one kind) or a pidfd (any number of kinds at once)."""
    flags = 0
    for kind in kinds:
        flags |= FLAGS[kind]
    with faults.point("setns"):
        calls.setns(descriptor, flags)


def unshare(*kinds: str) -> None:
    """Leave for new namespaces of these kinds."""
    flags = 0
    for kind in kinds:
        flags |= FLAGS[kind]
    with faults.point("unshare"):
        calls.unshare(flags)


@contextmanager
def children_in(pid_namespace: int | None) -> Iterator[None]:
    """Children forked inside the block live in that pid namespace; None changes nothing.

    A pid namespace takes effect for children only (E03). Entering and leaving it around the fork
    spares the intermediate process, and the parent stays the parent, so it reaps the child itself.
    """
    if pid_namespace is None:
        yield
        return
    own = open_namespace_file("/proc/self/ns/pid")
    try:
        join(pid_namespace, "pid")
        try:
            yield
        finally:
            calls.setns(own, FLAGS["pid"])
    finally:
        os.close(own)
