"""Mounting: file systems, trees that are cloned and moved, attributes, the root.

New-style calls throughout (fsopen, open_tree, move_mount, mount_setattr; Linux 5.12): a mount is
made detached, gets its attributes, and is then attached to a descriptor, so that no path is
resolved twice. Overlay alone goes through mount(2), for its option page holds 127 layers where
fsconfig takes 256 bytes a value on 6.1. Which mounts a container gets is decided elsewhere
(init/rootfs.py). Source: mount(2), mount_setattr(2), move_mount(2).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from runtime.linux import calls, faults

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

MS_REC = 0x4000
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2

ATTR_RDONLY = 0x1
ATTR_NOSUID = 0x2
ATTR_NODEV = 0x4
ATTR_NOEXEC = 0x8
ATTR_ATIME = 0x70
"""The field of the three below; cleared before one of them is set."""
ATTR_RELATIME = 0x0
ATTR_NOATIME = 0x10
ATTR_STRICTATIME = 0x20
ATTR_NODIRATIME = 0x80
ATTR_NOSYMFOLLOW = 0x200000

_CLOEXEC = 1
_OPEN_TREE_CLONE = 1
_MOVE_FROM_EMPTY = 0x4
_MOVE_TO_EMPTY = 0x40
_SET_FLAG = 0
_SET_STRING = 1
_CREATE = 6


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def make_filesystem(
    kind: str, data: Iterable[str] = (), *, source: str = "", attributes: int = 0
) -> int:
    """A new, detached mount of a file system; the descriptor attaches it. `data` is `key=value` or
    `flag`."""
    context = calls.fsopen(kind.encode(), _CLOEXEC)
    try:
        if source:
            calls.fsconfig(context, _SET_STRING, b"source", os.fsencode(source), 0)
        for option in data:
            _configure(context, option)
        with faults.point(f"mount {kind}"):
            calls.fsconfig(context, _CREATE, None, None, 0)
            return calls.fsmount(context, _CLOEXEC, attributes)
    finally:
        os.close(context)


def _configure(context: int, option: str) -> None:
    key, separator, value = option.partition("=")
    if separator:
        calls.fsconfig(context, _SET_STRING, key.encode(), os.fsencode(value), 0)
    else:
        calls.fsconfig(context, _SET_FLAG, key.encode(), None, 0)


def clone_tree(descriptor: int, *, recursive: bool = False) -> int:
    """A detached copy of the mount at `descriptor` (a bind mount in the making)."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH
    with faults.point("clone mount"):
        return calls.open_tree(descriptor, b"", flags | (AT_RECURSIVE if recursive else 0))


def attach(mount: int, target: int) -> None:
    """Put a detached mount on top of `target`, an O_PATH descriptor."""
    with faults.point("attach mount"):
        calls.move_mount(mount, b"", target, b"", _MOVE_FROM_EMPTY | _MOVE_TO_EMPTY)


def mount_at(
    folder: str | os.PathLike[str],
    kind: str,
    data: Iterable[str] = (),
    *,
    source: str = "",
    attributes: int = 0,
) -> None:
    """Mount a new file system on a folder of ours."""
    mount = make_filesystem(kind, data, source=source, attributes=attributes)
    try:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            attach(mount, place)
        finally:
            os.close(place)
    finally:
        os.close(mount)


def set_attributes(
    mount: int,
    *,
    attributes: int = 0,
    clear: int = 0,
    propagation: int = 0,
    recursive: bool = False,
) -> None:
    """Change a mount's attributes and propagation; with `recursive` those of all mounts below it,
    too."""
    wanted = _Attributes(attributes, clear, propagation, 0)
    with faults.point("set mount attributes"):
        calls.mount_setattr(
            mount,
            b"",
            AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0),
            ctypes.byref(wanted),
            ctypes.sizeof(wanted),
        )


def set_propagation(path: str, propagation: int) -> None:
    """`propagation` is one MS_ word, with MS_REC for all mounts below `path` too."""
    with faults.point("set propagation"):
        calls.mount(b"none", os.fsencode(path), None, propagation, None)


def mount_overlay(target: str, options: str) -> None:
    """Mount an overlay by mount(2); relative names in `options` start at the working directory."""
    with faults.point("mount overlay"):
        calls.mount(b"overlay", os.fsencode(target), b"overlay", 0, os.fsencode(options))


def detach(target: str) -> None:
    """Take the topmost mount off a path; who holds something of it open keeps it."""
    with faults.point("detach mount"):
        calls.umount2(os.fsencode(target), MNT_DETACH)


def enter_root(root: int) -> None:
    """Make `root`, a mount's directory, the root of this mount namespace and let go of everything
    else (L34)."""
    old_root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fchdir(root)
    with faults.point("pivot_root"):
        calls.pivot_root(b".", b".")
    os.fchdir(old_root)
    # Slave, not private: a private change would be refused where a mount is locked, and nothing
    # must flow back
    set_propagation(".", MS_SLAVE | MS_REC)
    with faults.point("unmount old root"):
        calls.umount2(b".", MNT_DETACH)
    os.close(old_root)
    os.chdir("/")
