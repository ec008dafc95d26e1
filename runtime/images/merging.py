"""A layer made whole: what shows through it is put into it, and nothing below is needed any more.

For file systems that cannot hold the marks that hide what lies below: an overlay keeps whiteouts to
itself, others have no trusted attributes. Folders are made; everything else is a hard link to what
the lower has, so it costs names and no space.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.linux import openat
from runtime.linux.overlay_entries import is_opaque, is_whiteout

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_ITSELF = _FOLDER | os.O_NOFOLLOW
# Links to one file are limited, and some file systems have none
_NO_LINK = (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENOTSUP)

Copy = Callable[[int, bytes, int], None]
"""(folder, name, target folder): a regular file with all its attributes."""
Dress = Callable[[int, int, bytes], None]
"""(from folder, to folder, its path): owner, mode, attributes, time."""


class Marks(NamedTuple):
    """What a layer hides, by paths below its root without symlinks."""

    whiteouts: Collection[tuple[bytes, bytes]]
    """(folder, name)."""
    opaque: Collection[bytes]


def merge(target: int, lowers: Sequence[Path], marks: Marks, *, copy: Copy, dress: Dress) -> None:
    """Add to an unpacked layer what shows through it. `lowers` topmost first."""
    roots = [os.open(lower, _ITSELF | os.O_CLOEXEC) for lower in lowers]
    try:
        waiting = [(b"", roots)]
        while waiting:
            path, below = waiting.pop()
            if path not in marks.opaque:
                waiting += _Folder(target, path, below, marks).merge(copy, dress)
    finally:
        for root in roots:
            os.close(root)


class _Folder:
    """One folder of the layer, with the roots of those lowers that have it and show there."""

    def __init__(self, target: int, path: bytes, roots: Sequence[int], marks: Marks) -> None:
        self._path = path
        self._marks = marks
        self._roots = roots
        name = os.fsdecode(path) or "."
        opened = [target, *roots]
        self._target, *self._lowers = [openat.open_plain(one, name, _FOLDER) for one in opened]

    def merge(self, copy: Copy, dress: Dress) -> list[tuple[bytes, list[int]]]:
        """Returns the folders below, each with the roots that show in it."""
        try:
            return self._merge(copy, dress)
        finally:
            for descriptor in (self._target, *self._lowers):
                os.close(descriptor)

    def _merge(self, copy: Copy, dress: Dress) -> list[tuple[bytes, list[int]]]:
        names: dict[bytes, None] = {}
        for lower in self._lowers:
            names |= dict.fromkeys(os.fsencode(name) for name in os.listdir(lower))
        found = []
        for name in names:
            if (self._path, name) not in self._marks.whiteouts:
                roots = self._merge_one(name, copy, dress)
                if roots:
                    found.append((_join(self._path, name), roots))
        return found

    def _merge_one(self, name: bytes, copy: Copy, dress: Dress) -> list[int]:
        """Have the name in the layer; returns the roots whose folder of that name shows."""
        own = _status(self._target, name)
        if own is not None and not stat.S_ISDIR(own.st_mode):
            return []
        folders: list[int] = []
        for index, lower in enumerate(self._lowers):
            status = _status(lower, name)
            if status is None:
                continue
            if not stat.S_ISDIR(status.st_mode):
                if own is None and not folders and not is_whiteout(status):
                    self._link(lower, name, status, copy)
                break
            folders.append(index)
            with openat.opened(lower, name, _ITSELF) as folder:
                if own is None and len(folders) == 1:
                    self._make_like(folder, name, dress)
                if is_opaque(folder):
                    break
        return [self._roots[index] for index in folders]

    def _link(self, lower: int, name: bytes, status: os.stat_result, copy: Copy) -> None:
        try:
            os.link(name, name, src_dir_fd=lower, dst_dir_fd=self._target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK or not stat.S_ISREG(status.st_mode):
                raise
            copy(lower, name, self._target)

    def _make_like(self, lower: int, name: bytes, dress: Dress) -> None:
        os.mkdir(name, 0o700, dir_fd=self._target)
        with openat.opened(self._target, name, _ITSELF) as made:
            dress(lower, made, _join(self._path, name))


def _status(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
