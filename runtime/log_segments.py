"""How a container's output lies on disk, and how it is added to without a copy.

A log is a row of numbered segments in the container's `logs/` folder; rotation begins the next
number and forgets the oldest, so nothing is ever renamed under a reader:

    00000001.stdout   00000001.stderr   the bytes, exactly as they were written
    00000001.index                      24 bytes per chunk: time in ns, end of stdout, end of stderr

The ends order the two streams and give each chunk its time. A record that moves neither end marks
the start of a run: a line that was left unfinished before it stays a line of its own. Bytes come
first, their record second; what a killed writer left without a record gets one from the next
writer. Reading is in containers/logs.py. Standard library only: the keeper uses this when nobody
else can.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from runtime.linux import calls, faults

RECORD = struct.Struct("<QQQ")
STREAMS = ("stdout", "stderr")
CHUNK = 1 << 20
"""More than a pipe holds: one splice empties it."""
OVERSHOOT = 64 * 1024
"""How far a segment may grow over its size for the sake of ending with a whole line."""


class Rotation(NamedTuple):
    """`max_size` 0: never. `max_files` counts the segment that is written to."""

    max_size: int = 0
    max_files: int = 1


NEVER = Rotation()


def segment_numbers(folder: Path) -> list[int]:
    """Oldest first. A folder that is not there has none."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name[:-6]) for name in names if name.endswith(".index"))


def segment_path(folder: Path, number: int, part: str) -> Path:
    """`part` is stdout, stderr or index."""
    return folder / f"{number:08d}.{part}"


class SegmentWriter:
    """The one writer of a log. Not shared between threads or processes."""

    def __init__(self, folder: Path, rotation: Rotation = NEVER) -> None:
        """Goes on where the last writer stopped. Raises OSError."""
        self._folder = folder
        self._rotation = rotation
        numbers = segment_numbers(folder)
        self._open(numbers[-1] if numbers else 1)
        self._heal()

    def splice(self, stream: int, pipe: int) -> int:
        """Move what the pipe (non-blocking) holds; 0 is its end. Raises BlockingIOError when it is
        empty, OSError when the disk refuses; what was not moved is still in the pipe."""
        with faults.point("move log"):
            moved = os.splice(
                pipe, self._files[stream], self._wanted(pipe), flags=os.SPLICE_F_NONBLOCK
            )
        if moved:
            self._added(stream, moved)
        return moved

    def _wanted(self, pipe: int) -> int:
        """How much to move at once: no more than there is room for, then the rest of the line."""
        if not self._rotation.max_size:
            return CHUNK
        left = self._rotation.max_size - sum(self._ends)
        return min(CHUNK, left) if left > 0 else _length_of_line(pipe)

    def write(self, stream: int, data: bytes) -> None:
        """Add bytes that come from no pipe (a terminal). Raises OSError."""
        view = memoryview(data)
        while view:
            with faults.point("write log"):
                written = os.write(self._files[stream], view)
            self._added(stream, written)
            view = view[written:]

    def mark_start(self) -> None:
        """A run of the container begins here."""
        self._note()

    def close(self) -> None:
        for descriptor in (*self._files, self._index):
            os.close(descriptor)

    def _open(self, number: int) -> None:
        with faults.point("open log"):
            self._number = number
            self._files = [self._open_part(number, part) for part in STREAMS]
            self._index = self._open_part(number, "index", os.O_APPEND)
        self._ends = [os.lseek(file, 0, os.SEEK_END) for file in self._files]

    def _open_part(self, number: int, part: str, flags: int = 0) -> int:
        # not O_APPEND for the streams: splice(2) refuses such a file
        return os.open(
            segment_path(self._folder, number, part),
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags,
            0o640,
        )

    def _heal(self) -> None:
        """Cut a torn record, and account for bytes whose record was never written."""
        size = os.fstat(self._index).st_size
        whole = size - size % RECORD.size
        if whole != size:
            with faults.point("heal log"):
                os.ftruncate(self._index, whole)
        last = os.pread(self._index, RECORD.size, whole - RECORD.size) if whole else bytes(24)
        if tuple(self._ends) != RECORD.unpack(last)[1:]:
            self._note()

    def _added(self, stream: int, count: int) -> None:
        self._ends[stream] += count
        self._note()
        if self._is_full(stream):
            self._rotate()

    def _note(self) -> None:
        with faults.point("note log"):
            os.write(self._index, RECORD.pack(time.time_ns(), *self._ends))

    def _is_full(self, stream: int) -> bool:
        if not self._rotation.max_size:
            return False
        excess = sum(self._ends) - self._rotation.max_size
        if excess < 0:
            return False
        return excess > OVERSHOOT or self._ends_with_newline(stream)

    def _ends_with_newline(self, stream: int) -> bool:
        return os.pread(self._files[stream], 1, self._ends[stream] - 1) == b"\n"

    def _rotate(self) -> None:
        self.close()
        self._open(self._number + 1)
        for number in segment_numbers(self._folder)[: -self._rotation.max_files]:
            forget_segment(self._folder, number)


def _length_of_line(pipe: int) -> int:
    """Up to the newline that comes next in the pipe, which stays as it is; all of it, where none
    does."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # raises BlockingIOError where splice would
        calls.tee(pipe, writing, OVERSHOOT, os.SPLICE_F_NONBLOCK)
        os.close(writing)
        writing = -1
        return os.read(reading, OVERSHOOT).find(b"\n") + 1 or CHUNK
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def forget_segment(folder: Path, number: int) -> None:
    """Remove it; a reader that has it open keeps its content."""
    with faults.point("rotate log"):
        for part in ("index", *STREAMS):
            segment_path(folder, number, part).unlink(missing_ok=True)


def read_records(index: bytes) -> Iterator[tuple[int, int, int]]:
    """(time in ns, end of stdout, end of stderr) for each whole record."""
    return RECORD.iter_unpack(index[: len(index) - len(index) % RECORD.size])


def discard(pipe: int) -> int:
    """Throw away what the pipe holds, so that its writer goes on: there is no place for it. 0 at
    its end; raises BlockingIOError.
    """
    return len(os.read(pipe, OVERSHOOT))


def is_out_of_space(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
