"""Paths inside a root that somebody else controls: opened by descriptor, never by joining strings.

`openat2` resolves every component inside the root (absolute and relative symlinks too) and refuses
magic links, so the answer cannot lie outside, however the content changes meanwhile. What is
missing is made one component at a time below an open descriptor. Source: openat2(2); L22, L25, V06,
V07, V09.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.linux import calls, faults

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_MAX_LINKS = 40
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_SIZE_OF_HOW = ctypes.sizeof(_How)


@functools.cache
def _how(flags: int, mode: int, resolve: int) -> _How:
    return _How(flags, mode, resolve)


def openat2(directory: int, path: str, flags: int, *, resolve: int, mode: int = 0) -> int:
    """The system call, close-on-exec always. EAGAIN (a rename raced with `..`) is tried again."""
    how = _how(flags | os.O_CLOEXEC, mode, resolve)
    name = os.fsencode(path)
    while True:
        try:
            return calls.openat2(directory, name, ctypes.byref(how), _SIZE_OF_HOW)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                error.filename = path
                raise


@contextmanager
def opened(directory: int, name: bytes, flags: int) -> Iterator[int]:
    """One name in a directory, as long as the block lasts."""
    descriptor = os.open(name, flags | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_in_root(root: int, path: str, flags: int = os.O_PATH, *, mode: int = 0) -> int:
    """Open `path` as a process chrooted to `root` would, magic links refused."""
    name = path.lstrip("/") or "."
    return openat2(root, name, flags, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, mode=mode)


def open_plain(
    directory: int, path: str, flags: int = os.O_PATH, *, same_mount: bool = False
) -> int:
    """Open `path` below `directory` through no symlink at all; with `same_mount` through no mount
    either."""
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | (RESOLVE_NO_XDEV if same_mount else 0)
    return openat2(directory, path.lstrip("/"), flags, resolve=resolve)


def ensure_directory(root: int, path: str, mode: int = 0o755) -> int:
    """An O_PATH descriptor of the directory `path` in `root`, made with its parents where
    missing."""
    try:
        return open_in_root(root, path, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        return _make_directories(root, _components(path), mode, links=0)


def ensure_file(root: int, path: str, mode: int = 0o644) -> int:
    """An O_PATH descriptor of the file `path` in `root`, made empty where missing (L25)."""
    try:
        return open_in_root(root, path)
    except FileNotFoundError:
        pass
    parent = ensure_directory(root, os.path.dirname(path))
    try:
        return make_file(parent, os.path.basename(path), mode)
    finally:
        os.close(parent)


def make_file(parent: int, name: str, mode: int = 0o644) -> int:
    """Create an empty file directly in `parent`; fails when something of that name is there. O_PATH
    descriptor."""
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with faults.point("create mountpoint"):
        descriptor = os.open(name, flags, mode, dir_fd=parent)
    os.close(descriptor)
    return open_plain(parent, name, os.O_PATH | os.O_NOFOLLOW)


def is_symlink(parent: int, name: str) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _components(path: str) -> list[str]:
    return [part for part in os.path.normpath("/" + path).split("/") if part]


def _make_directories(root: int, components: list[str], mode: int, *, links: int) -> int:
    """Walk from the root; only reached when something is missing, so it may cost a few calls
    more."""
    current = os.dup(root)
    for index, name in enumerate(components):
        try:
            following = _enter_or_make(current, name, mode)
        except NotADirectoryError:
            target = _link_target(current, name, "/" + "/".join(components[:index]))
            os.close(current)
            if links == _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None
            rest = _components(target) + components[index + 1 :]
            return _make_directories(root, rest, mode, links=links + 1)
        os.close(current)
        current = following
    return current


def _enter_or_make(parent: int, name: str, mode: int) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        pass
    with faults.point("create mountpoint"):
        try:
            os.mkdir(name, mode, dir_fd=parent)
        except FileExistsError:
            pass
    return os.open(name, _DIRECTORY, dir_fd=parent)


def _link_target(parent: int, name: str, folder: str) -> str:
    """Where the symlink `name` leads, as a path from the root. Raises NotADirectoryError when it is
    none."""
    try:
        target = os.readlink(name, dir_fd=parent)
    except OSError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name) from None
    # `..` after a symlink is resolved as text here: it stays inside the root, which is all that
    # matters
    return os.path.normpath(os.path.join(folder, target))
