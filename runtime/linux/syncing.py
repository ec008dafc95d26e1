"""A new folder of many files made safe against a power cut, without waiting for the neighbours.

syncfs(2) waits for all that anybody wrote to the file system, and an fsync for each file is a
commit of the journal each. So the data of our files alone is written and waited for, and one fsync
then commits the journal with everything that was recorded before it. That holds where one journal
orders all changes (ext4, xfs); elsewhere syncfs has to do. Source: sync_file_range(2) and its
warning, which is about metadata: the names and sizes that the last fsync makes safe.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections import deque
from pathlib import Path

from runtime.linux import calls

_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4
_EXT4, _XFS = 0xEF53, 0x58465342
_OPEN_FILES = 64


def start_writing(descriptor: int) -> None:
    """Let the disk begin with the file's data; returns at once."""
    with contextlib.suppress(OSError):  # not every file system knows it
        calls.sync_file_range(descriptor, 0, 0, _WRITE)


class FilesOnTheirWay:
    """New files of one folder, whose data goes to the disk while further ones are made.

    Each is waited for when some more came after it, and mostly is there by then. Kept open so
    long, since opening thousands of files once more costs as much as writing them.
    """

    def __init__(self, folder: int) -> None:
        self._are_waited_for = _has_one_journal(folder)
        self._waiting: deque[int] = deque()

    def add(self, descriptor: int) -> None:
        """Takes the descriptor over."""
        start_writing(descriptor)
        self._waiting.append(descriptor)
        if len(self._waiting) > _OPEN_FILES:
            self._wait_for(self._waiting.popleft())

    def wait(self) -> None:
        """The data of every file is on the disk; names and sizes are not: see `sync_names`."""
        while self._waiting:
            self._wait_for(self._waiting.popleft())

    def close(self) -> None:
        """Wait for nothing any more."""
        while self._waiting:
            os.close(self._waiting.popleft())

    def _wait_for(self, descriptor: int) -> None:
        try:
            if self._are_waited_for:
                flags = _WAIT_BEFORE | _WRITE | _WAIT_AFTER
                calls.sync_file_range(descriptor, 0, 0, flags)
        finally:
            os.close(descriptor)


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
