"""Where the bytes of a log come from: segments (native, local) or JSON lines (json-file), from a
place on, as far as they go now.

A source is asked again and again by a follower and goes on where it stopped. It misses nothing: a
segment or file that was rotated away is read to its end first, since it stays open. What was
removed before it could be opened is counted in `lost`. Sources know no lines; log_lines.py makes
them.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from runtime.log_segments import RECORD, STREAMS, read_records, segment_numbers, segment_path

START = -1
"""As stream: no bytes, a run of the container begins here."""
LONGEST_READ = 1 << 20
BATCH = 1 << 15
"""Records that are looked at together."""


class Chunk(NamedTuple):
    """Bytes of one stream that arrived at one time (ns)."""

    stream: int
    data: bytes
    time: int


class Source(Protocol):
    """One log."""

    lost: int
    """Files that were rotated away before they could be read."""

    def read(self) -> Iterator[Chunk]:
        """What is there beyond the last read."""

    def close(self) -> None: ...


class Segment:
    """One open segment; readable to its end even after it was removed."""

    def __init__(self, folder: Path, number: int) -> None:
        """Raises FileNotFoundError when it is gone."""
        self.number = number
        self._index = os.open(segment_path(folder, number, "index"), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._files = [_open_stream(segment_path(folder, number, name)) for name in STREAMS]
        except BaseException:
            os.close(self._index)
            raise

    @property
    def length(self) -> int:
        """Whole records in the index."""
        return os.fstat(self._index).st_size // RECORD.size

    def records(self, begin: int, end: int) -> tuple[Records, tuple[int, int]]:
        """Those from `begin` to `end`, and the ends of the streams before the first."""
        first = max(0, begin - 1)
        size = (end - first) * RECORD.size
        records = read_records(os.pread(self._index, size, first * RECORD.size))
        _time, out, err = next(records) if begin else (0, 0, 0)
        return records, (out, err)

    def ends_before(self, record: int) -> tuple[int, int]:
        data = os.pread(self._index, RECORD.size, (record - 1) * RECORD.size)
        _time, out, err = RECORD.unpack(data)
        return out, err

    def content(self, stream: int) -> Content:
        return self._files[stream]

    def windows(self, ends: Sequence[int]) -> list[mmap.mmap | bytes]:
        """Both streams up to these ends, for many small reads."""
        return [one.window(end) for one, end in zip(self._files, ends, strict=True)]

    def close(self) -> None:
        os.close(self._index)
        for one in self._files:
            one.close()


class Content:
    """The bytes of one stream of a segment, by offset."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, begin: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - begin, begin)

    def window(self, end: int) -> mmap.mmap | bytes:
        """It up to `end`."""
        if end == 0:
            return b""
        return mmap.mmap(self._descriptor, end, prot=mmap.PROT_READ)

    def close(self) -> None:
        os.close(self._descriptor)


class PackedContent(Content):
    """A rotated stream that was packed with gzip."""

    def __init__(self, path: Path) -> None:
        import gzip

        with gzip.open(path) as file:
            self._data = file.read()

    def read(self, begin: int, end: int) -> bytes:
        return self._data[begin:end]

    def window(self, end: int) -> mmap.mmap | bytes:
        return self._data

    def close(self) -> None: ...


def _open_stream(path: Path) -> Content:
    try:
        return Content(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        packed = path.with_name(f"{path.name}.gz")
        if packed.exists():
            return PackedContent(packed)
        raise


class SegmentSource:
    """The native form."""

    def __init__(self, folder: Path, *, timed: bool, tail: int | None = None) -> None:
        """`timed`: chunks have their own times; otherwise neighbours of a stream come as one."""
        self.lost = 0
        self.unfinished: tuple[bytes, bytes] = (b"", b"")
        """What each stream's line began with before the first chunk; known after the first read."""
        self._folder = folder
        self._timed = timed
        self._segment: Segment | None = None
        self._position = 0
        if tail is not None:
            self._begin_at_tail(tail)

    def read(self) -> Iterator[Chunk]:
        while self._segment is not None or self._open_next():
            assert self._segment is not None
            yield from self._read_segment(self._segment)
            newer = [one for one in segment_numbers(self._folder) if one > self._segment.number]
            if not newer:
                return
            # its writer has left it by now: what was added since the read above is the last of it
            yield from self._read_segment(self._segment)
            self._segment.close()
            self.lost += newer[0] - self._segment.number - 1
            self._open(newer[0])

    def close(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _open_next(self) -> bool:
        numbers = segment_numbers(self._folder)
        return bool(numbers) and self._open(numbers[0])

    def _open(self, number: int) -> bool:
        """The first that is there from `number` on; the oldest may go at any time."""
        self._segment, self._position = None, 0
        while self._segment is None:
            try:
                self._segment = Segment(self._folder, number)
            except FileNotFoundError:
                later = [one for one in segment_numbers(self._folder) if one > number]
                if not later:
                    return False
                self.lost += 1
                number = later[0]
        return True

    def _read_segment(self, segment: Segment) -> Iterator[Chunk]:
        length = segment.length
        while self._position < length:
            end = min(length, self._position + BATCH)
            records, ends = segment.records(self._position, end)
            spans = _spans(records, ends) if self._timed else _merged_spans(records, ends)
            self._position = end
            yield from _chunks(segment, list(spans))

    def _begin_at_tail(self, tail: int) -> None:
        """Find the chunk with the line that is the `tail`th from the end, or an earlier one."""
        # more: the first line of each stream may be without its beginning
        wanted = tail + len(STREAMS) + 1
        for number in reversed(segment_numbers(self._folder)):
            self.close()
            if not self._open(number) or self._segment is None:
                return
            self._position, wanted = _place_from_end(self._segment, wanted)
            if wanted <= 0:
                self.unfinished = _line_beginnings(self._segment, self._position)
                return


Records = Iterator[tuple[int, int, int]]
ATTEMPTS = 10
"""To open a file that is renamed meanwhile."""

Span = tuple[int, int, int, int]
"""Stream (START: none), begin and end in its file, time."""


def _spans(records: Records, ends: tuple[int, int]) -> Iterator[Span]:
    """A span per record; two where a record was lost."""
    out, err = ends
    for time, new_out, new_err in records:
        if new_out != out:
            yield 0, out, new_out, time
        if new_err != err:
            yield 1, err, new_err, time
        elif new_out == out:
            yield START, 0, 0, time
        out, err = new_out, new_err


def _merged_spans(records: Records, ends: tuple[int, int]) -> Iterator[Span]:
    """Neighbours of a stream, which lie side by side in its file, as one: most of the work of
    reading 100,000 lines would be in telling them apart."""
    begin = out = ends[0]
    err = ends[1]
    time = 0
    for time, new_out, new_err in records:
        if new_err == err and new_out != out and new_out - begin < LONGEST_READ:
            out = new_out
            continue
        if out != begin:
            yield 0, begin, out, time
        yield from _spans(iter([(time, new_out, new_err)]), (out, err))
        begin = out = new_out
        err = new_err
    if out != begin:
        yield 0, begin, out, time


def _chunks(segment: Segment, spans: list[Span]) -> Iterator[Chunk]:
    last = [0, 0]
    for stream, _begin, end, _time in spans:
        if stream != START:
            last[stream] = end
    windows = segment.windows(last)
    for stream, begin, end, time in spans:
        yield Chunk(stream, b"" if stream == START else windows[stream][begin:end], time)


def _place_from_end(segment: Segment, wanted: int) -> tuple[int, int]:
    """(record from which on there are `wanted` newlines, how many are still wanted)."""
    for end in range(segment.length, 0, -BATCH):
        begin = max(0, end - BATCH)
        records, ends = segment.records(begin, end)
        places = [ends, *((out, err) for _time, out, err in records)]
        windows = segment.windows(places[-1])
        for number in range(end - 1, begin - 1, -1):
            before, after = places[number - begin], places[number - begin + 1]
            for window, first, last in zip(windows, before, after, strict=True):
                wanted -= window[first:last].count(b"\n")
            if wanted <= 0:
                return number, wanted
    return 0, wanted


def _line_beginnings(segment: Segment, position: int) -> tuple[bytes, bytes]:
    """What each stream's unfinished line holds before this record."""
    if position == 0:
        return b"", b""
    ends = segment.ends_before(position)
    first, second = (
        segment.content(stream).read(max(0, end - LONGEST_READ), end).rpartition(b"\n")[2]
        for stream, end in enumerate(ends)
    )
    return first, second


class JsonSource:
    """The json-file form, with what the native form of the same folder holds besides (a keeper
    writes that when no supervisor can)."""

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self._path = path
        self._file: int | None = None
        self._rest = b""

    def read(self) -> Iterator[Chunk]:
        if self._file is None and not self._open_oldest():
            return
        while True:
            yield from self._read_file()
            following = self._open_following()
            if following is None:
                return
            # what was written between the last read and the rotation
            yield from self._read_file()
            self.close()
            self._file = following

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _files(self) -> list[Path]:
        """Oldest first, the one that is written to last."""
        older = [
            (int(number), path)
            for path in self._path.parent.glob(f"{self._path.name}.*")
            if (number := path.name[len(self._path.name) + 1 :].removesuffix(".gz")).isdecimal()
        ]
        return [path for _number, path in sorted(older, reverse=True)] + [self._path]

    def _open_oldest(self) -> bool:
        for path in self._files():
            if path.suffix == ".gz":
                self._rest += _unpacked(path)
                continue
            try:
                self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            return True
        return False

    def _read_file(self) -> Iterator[Chunk]:
        assert self._file is not None
        while data := os.read(self._file, LONGEST_READ):
            *lines, self._rest = (self._rest + data).split(b"\n")
            yield from map(_from_json, lines)

    def _open_following(self) -> int | None:
        """The file after the open one; the oldest, when that is gone; None for the newest."""
        for _attempt in range(ATTEMPTS):
            path, is_next = self._following()
            if path is None:
                return None
            try:
                following = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                # between two names: it is found the next time
                continue
            # a rotation in the meantime would have given the name to a later file
            now, _ = self._following()
            if now is not None and _is_same(now, os.fstat(following)):
                self.lost += not is_next
                return following
            os.close(following)
        return None

    def _following(self) -> tuple[Path | None, bool]:
        """Its path, and whether nothing lies between."""
        assert self._file is not None
        own = os.fstat(self._file)
        files = [path for path in self._files() if path.suffix != ".gz"]
        for place, path in enumerate(files):
            if _is_same(path, own):
                return (files[place + 1] if place + 1 < len(files) else None), True
        return next((path for path in files if path.exists()), None), False


def _is_same(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), status)
    except FileNotFoundError:
        return False


def _unpacked(path: Path) -> bytes:
    import gzip

    try:
        with gzip.open(path) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _from_json(line: bytes) -> Chunk:
    """A torn or foreign line is shown as it is."""
    try:
        fields = json.loads(line)
        stamp = datetime.fromisoformat(_to_microseconds(fields["time"]))
        text = fields["log"].encode("utf-8", "surrogateescape")
        return Chunk(STREAMS.index(fields["stream"]), text, int(stamp.timestamp() * 1e9))
    except (ValueError, KeyError, TypeError):
        return Chunk(0, line + b"\n", 0)


def _to_microseconds(stamp: str) -> str:
    """RFC3339Nano has up to nine digits, fromisoformat takes six."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    return f"{whole}.{fraction[:6]:0<6}+00:00"
