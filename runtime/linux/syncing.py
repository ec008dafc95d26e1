"""A new folder of many files made safe against a power cut, without waiting for the neighbours.

syncfs(2) waits for all that anybody wrote to the file system, and an fsync for each file is a
commit of the journal each. So the data of our files alone is written and waited for, and one fsync
then commits the journal with everything that was recorded before it. That holds where one journal
orders all changes (ext4, xfs); elsewhere syncfs has to do. Source: sync_file_range(2) and its
warning, which is about metadata: the names and sizes that the last fsync makes safe.

Small files by the thousand are the exception, while the neighbours write little: each would be a
request of its own to the disk (30 us of processor time), and syncfs joins them.
"""

from __future__ import annotations

import ctypes
import os
from collections import deque
from pathlib import Path

from runtime.linux import calls

_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4
_EXT4, _XFS = 0xEF53, 0x58465342
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FILES = 64
_SMALL, _FEW = 32 << 10, 256
# A disk writes that in a second, were it a slow one
_QUIET, _MOST_LEFT = 128 << 20, 128 << 20


def start_writing(descriptor: int) -> None:
    """Let the disk begin with the file's data; returns at once."""
    try:
        calls.sync_file_range(descriptor, 0, 0, _WRITE)
    except OSError:
        pass  # not every file system knows it


class FilesOnTheirWay:
    """New files of one folder, whose data goes to the disk while further ones are made.

    Each is waited for when some more came after it, and mostly is there by then. Kept open so
    long, since opening thousands of files once more costs as much as writing them. Small ones may
    be left to the end.
    """

    def __init__(self, folder: int) -> None:
        """The folder's descriptor stays the caller's."""
        self._folder = folder
        self._are_waited_for = _has_one_journal(folder)
        self._waiting: deque[int] = deque()
        self._small = 0
        self._left = 0
        """Bytes of those that are left to the end."""
        self._is_quiet = False

    def add(self, descriptor: int, size: int) -> None:
        """Takes the descriptor over."""
        if size < _SMALL and self._is_left(size):
            os.close(descriptor)
            return
        start_writing(descriptor)
        self._waiting.append(descriptor)
        if len(self._waiting) > _OPEN_FILES:
            self._wait_for(self._waiting.popleft())

    def wait(self) -> None:
        """The data of every file is on the disk; names and sizes are not: see `sync_names`."""
        while self._waiting:
            self._wait_for(self._waiting.popleft())
        if self._left and self._are_waited_for:
            if self._neighbours_are_quiet():
                calls.syncfs(self._folder)
            else:
                _each_file_below(self._folder, _WRITE)
                _each_file_below(self._folder, _WAIT_BEFORE | _WRITE | _WAIT_AFTER)

    def close(self) -> None:
        """Wait for nothing any more."""
        while self._waiting:
            os.close(self._waiting.popleft())

    def _is_left(self, size: int) -> bool:
        if not self._are_waited_for:
            return True  # to the syncfs of `sync_names`
        self._small += 1
        if self._small % _FEW == 0:
            self._is_quiet = self._neighbours_are_quiet()
        if not self._is_quiet or self._left > _MOST_LEFT:
            return False
        self._left += size
        return True

    def _neighbours_are_quiet(self) -> bool:
        return bytes_waiting() - self._left < _QUIET

    def _wait_for(self, descriptor: int) -> None:
        try:
            if self._are_waited_for:
                flags = _WAIT_BEFORE | _WRITE | _WAIT_AFTER
                calls.sync_file_range(descriptor, 0, 0, flags)
        finally:
            os.close(descriptor)


def bytes_waiting() -> int:
    """What the whole machine has written and no disk has yet; endless where that is not told."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file)
        return sum(int(fields[name].split()[0]) << 10 for name in ("Dirty", "Writeback"))
    except (OSError, ValueError, KeyError):
        return 1 << 62


def _each_file_below(folder: int, flags: int) -> None:
    with os.scandir(folder) as items:
        for item in items:
            if item.is_dir(follow_symlinks=False):
                child = os.open(item.name, os.O_DIRECTORY | _FILE, dir_fd=folder)
                try:
                    _each_file_below(child, flags)
                finally:
                    os.close(child)
            elif item.is_file(follow_symlinks=False):
                file = os.open(item.name, _FILE, dir_fd=folder)
                try:
                    calls.sync_file_range(file, 0, 0, flags)
                finally:
                    os.close(file)


def sync_names(folder: Path) -> None:
    """Everything below a folder whose files were waited for."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _has_one_journal(descriptor):
            os.fsync(descriptor)
        else:
            calls.syncfs(descriptor)
    finally:
        os.close(descriptor)


def _has_one_journal(descriptor: int) -> bool:
    return _kind_of(descriptor) in (_EXT4, _XFS)


def _kind_of(descriptor: int) -> int:
    """The magic number of the file system."""
    buffer = ctypes.create_string_buffer(256)
    calls.fstatfs(descriptor, ctypes.addressof(buffer))
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFF_FFFF
