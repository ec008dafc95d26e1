"""The json-file driver: one JSON object per line, for tools that read Docker's files.

Bytes go from the pipe to a spool first, by splice, so that a killed supervisor loses none; from
there they become lines. `position` says how far that has come in both: after a kill the file is cut
back to it and written again from the spool, so that no line is missing and none stands twice.
Source: D70, D71; moby's jsonfilelog.
"""

from __future__ import annotations

import json
import os
import struct
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from runtime.containers.log_options import LogSettings
from runtime.linux import faults, files
from runtime.log_segments import (
    STREAMS,
    Rotation,
    SegmentWriter,
    forget_segment,
    segment_numbers,
    segment_path,
)

LONGEST_LINE = 16 * 1024
SPOOL_SIZE = 1 << 20
_POSITION = struct.Struct("<QQQQ")
"""Spool segment, end of stdout in it, end of stderr, size of the JSON file."""
_ESCAPES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


class JsonLog:
    """One container's log."""

    def __init__(self, folder: Path, container_id: str, settings: LogSettings) -> None:
        """Raises OSError."""
        self._path = folder / f"{container_id}-json.log"
        self._settings = settings
        self._spool = folder / "spool"
        # Go prints maps in the order of their keys
        self._attributes = dict(sorted(settings.attributes.items()))
        self._packing: threading.Thread | None = None
        files.ensure_directory(self._spool)
        self._unfinished = {stream: _Line() for stream in STREAMS}
        self._file = self._open_file()
        self._open_spool()

    def splice(self, stream: int, pipe: int) -> int:
        """As SegmentWriter's."""
        moved = self._writer.splice(stream, pipe)
        if moved:
            self._convert(stream)
        return moved

    def write(self, stream: int, data: bytes) -> None:
        self._writer.write(stream, data)
        self._convert(stream)

    def mark_start(self) -> None:
        """A run begins: what the last one left unfinished is a line without its newline."""
        self._finish_lines()

    def close(self) -> None:
        self._finish_lines()
        self._writer.close()
        for descriptor in (self._file, self._position, *self._spooled):
            os.close(descriptor)

    # ---- spool

    def _open_spool(self) -> None:
        # it never rotates by itself: it ends when all of it has been converted
        self._writer = SegmentWriter(self._spool, Rotation())
        self._number = segment_numbers(self._spool)[-1]
        self._spooled = [
            os.open(segment_path(self._spool, self._number, stream), os.O_RDONLY | os.O_CLOEXEC)
            for stream in STREAMS
        ]
        self._position = os.open(
            self._spool / "position", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._recover()

    def _recover(self) -> None:
        data = os.pread(self._position, _POSITION.size, 0)
        known = _POSITION.unpack(data) if len(data) == _POSITION.size else (0, 0, 0, 0)
        number, stdout, stderr, size = known
        if number != self._number:
            self._converted = [0, 0]
            return
        self._converted = [stdout, stderr]
        if os.fstat(self._file).st_size > size:
            with faults.point("heal log"):
                os.ftruncate(self._file, size)
        for stream in range(len(STREAMS)):
            self._convert(stream)

    def _convert(self, stream: int) -> None:
        """What the spool holds beyond the last whole line that was written."""
        line = self._unfinished[STREAMS[stream]]
        begin = self._converted[stream] + len(line.text)
        while data := os.pread(self._spooled[stream], SPOOL_SIZE, begin):
            begin += len(data)
            written = line.add(data, rfc3339(datetime.now(UTC)))
            self._write_lines(stream, written)
        self._rotate_spool()

    def _write_lines(self, stream: int, lines: list[tuple[bytes, str]]) -> None:
        name = STREAMS[stream]
        pieces = [json_line(line, name, stamp, self._attributes) for line, stamp in lines]
        written = 0
        while written < len(pieces):
            self._rotate_file()
            count = self._fitting(pieces, written)
            os.write(self._file, "".join(pieces[written : written + count]).encode())
            done = lines[written : written + count]
            self._converted[stream] += sum(len(line) for line, _stamp in done)
            self._note()
            written += count

    def _fitting(self, pieces: list[str], begin: int) -> int:
        """How many go into this file: Docker looks at its size before every line."""
        limit = self._settings.rotation.max_size
        if not limit:
            return len(pieces) - begin
        size = os.fstat(self._file).st_size
        for index in range(begin, len(pieces)):
            size += len(pieces[index].encode())
            if size >= limit:
                return index - begin + 1
        return len(pieces) - begin

    def _finish_lines(self) -> None:
        for stream, name in enumerate(STREAMS):
            self._write_lines(stream, self._unfinished[name].take())

    def _note(self) -> None:
        size = os.fstat(self._file).st_size
        os.pwrite(self._position, _POSITION.pack(self._number, *self._converted, size), 0)

    def _rotate_spool(self) -> None:
        if sum(self._converted) < SPOOL_SIZE or any(
            line.text for line in self._unfinished.values()
        ):
            return
        self._writer.close()
        for descriptor in (*self._spooled, self._position):
            os.close(descriptor)
        forget_segment(self._spool, self._number)
        self._open_spool()

    # ---- the file that people read

    def _open_file(self) -> int:
        with faults.point("open log"):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o640)
            # D70, whatever our umask
            os.fchmod(descriptor, 0o640)
            return descriptor

    def _rotate_file(self) -> None:
        """Before a write, by the size so far (moby's way): name, name.1, name.2 ..."""
        rotation = self._settings.rotation
        if not rotation.max_size or os.fstat(self._file).st_size < rotation.max_size:
            return
        os.close(self._file)
        if self._packing is not None:
            # as moby: what is being packed has a name that the next one takes
            self._packing.join()
        with faults.point("rotate log"):
            self._packing = rotate(
                self._path, keep=rotation.max_files, compress=self._settings.compress
            )
        self._file = self._open_file()
        self._note()


class _Line:
    """The beginning of a line, with the time of its first byte."""

    def __init__(self) -> None:
        self.text = b""
        self._stamp = ""

    def add(self, data: bytes, stamp: str) -> list[tuple[bytes, str]]:
        """What is whole with `data`: lines, and pieces of 16 KiB, which share the time at which
        their line began (D71)."""
        finished: list[tuple[bytes, str]] = []
        self._stamp = self._stamp or stamp
        for line in _split_lines(self.text + data):
            parts = _parts(line)
            is_whole = line.endswith(b"\n")
            self.text = b"" if is_whole or len(parts[-1]) == LONGEST_LINE else parts.pop()
            finished += [(part, self._stamp) for part in parts]
            if is_whole:
                self._stamp = stamp
        if not self.text and finished and finished[-1][0].endswith(b"\n"):
            self._stamp = ""
        return finished

    def take(self) -> list[tuple[bytes, str]]:
        """The unfinished line as it is."""
        text, stamp = self.text, self._stamp
        self.text, self._stamp = b"", ""
        return [(text, stamp)] if text else []


def _split_lines(data: bytes) -> list[bytes]:
    """At newlines alone: a carriage return is content."""
    pieces = [line + b"\n" for line in data.split(b"\n")]
    pieces[-1] = pieces[-1][:-1]
    return pieces if pieces[-1] else pieces[:-1]


def _parts(line: bytes) -> list[bytes]:
    return [line[begin : begin + LONGEST_LINE] for begin in range(0, len(line), LONGEST_LINE)]


def json_line(line: bytes, stream: str, stamp: str, attributes: Mapping[str, str]) -> str:
    """D70: log, stream, attrs, time, in this order; what HTML would read is escaped."""
    fields: dict[str, object] = {"log": line.decode("utf-8", "replace"), "stream": stream}
    if attributes:
        fields["attrs"] = attributes
    fields["time"] = stamp
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES) + "\n"


def rfc3339(moment: datetime) -> str:
    """RFC3339Nano as Go writes it: no trailing zeros."""
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "") + "Z"


def rotate(path: Path, *, keep: int, compress: bool) -> threading.Thread | None:
    """Make place at `path`; of `keep` files the new one is the first. Readers keep what they have
    open. The thread, if there is one, packs what was there.
    """
    suffix = ".gz" if compress else ""
    if keep < 2:
        path.unlink()
        return None
    first = path.with_name(f"{path.name}.1")
    if compress and first.exists():
        # whoever packed it was killed
        _pack(first)
    path.with_name(f"{path.name}.{keep - 1}{suffix}").unlink(missing_ok=True)
    for number in range(keep - 2, 0, -1):
        older = path.with_name(f"{path.name}.{number}{suffix}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{number + 1}{suffix}"))
    path.rename(first)
    return pack(first) if compress else None


def pack(path: Path) -> threading.Thread:
    """Replace the file by its gzip, beside the writer: packing 20 MB takes half a second."""
    thread = threading.Thread(target=_pack, args=(path,), name=f"pack {path.name}")
    thread.start()
    return thread


def _pack(path: Path) -> None:
    import gzip
    import shutil

    packed = path.with_name(f"{path.name}.gz")
    try:
        with open(path, "rb") as source, gzip.open(f"{packed}.tmp", "wb", 6) as target:
            shutil.copyfileobj(source, target, 1 << 18)
        with faults.point("pack log"):
            os.replace(f"{packed}.tmp", packed)
            path.unlink()
    except FileNotFoundError:
        # rotated away in the meantime
        Path(f"{packed}.tmp").unlink(missing_ok=True)
