"""Bytes on their way: decompressed, counted, hashed, and read ahead in a thread. Nothing is kept.

Decompression and hashing leave Python's lock, so a stage in a thread of its own really runs beside
the next one. Chunks are about a mebibyte and few wait, so memory does not grow with a layer's size.
"""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Any, Generic, TypeVar

from runtime.images import digests
from runtime.images.tar_reader import BadArchive

T = TypeVar("T")

CHUNK = 1 << 18
"""Compressed bytes that are read at once."""
OUTPUT = 1 << 20
MAX_ZSTD_WINDOW = 128 << 20
# V54: gzip reaches 1:1030 with zeros alone, so small things may; 200 gigabytes out of one may not
FREE_OUTPUT = 8 << 30
MAX_RATIO = 200

_MAGICS = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)


def compression_of(beginning: bytes) -> str:
    """gzip, zstd, xz, bzip2 or none, by the first bytes."""
    for magic, name in _MAGICS:
        if beginning.startswith(magic):
            return name
    # A skippable frame may come before the first one
    if len(beginning) > 3 and 0x50 <= beginning[0] <= 0x5F and beginning[1:4] == b"\x2a\x4d\x18":
        return "zstd"
    return "none"


def decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes, by what the stream begins with. Raises BadArchive for a damaged one."""
    return opened(chunks)[1]


def opened(chunks: Iterable[bytes]) -> tuple[str, Iterator[bytes]]:
    """How the stream is compressed, and the plain bytes. Its beginning is read at once."""
    source = iter(chunks)
    beginning = b""
    while len(beginning) < 6 and (chunk := next(source, None)) is not None:
        beginning += chunk
    whole = _prepended(beginning, source)
    compression = compression_of(beginning)
    match compression:
        case "gzip":
            return compression, _limited(whole, _gunzip)
        case "zstd":
            return compression, _limited(whole, _unzstd)
        case "xz":
            return compression, _limited(whole, _unxz)
        case "bzip2":
            return compression, _limited(whole, _bunzip2)
    return compression, whole


def _prepended(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _limited(chunks: Iterator[bytes], decompress: Any) -> Iterator[bytes]:
    counted = Measured(chunks)
    size = 0
    for piece in decompress(counted):
        size += len(piece)
        if size > FREE_OUTPUT and size > MAX_RATIO * counted.size:
            raise BadArchive(
                f"{counted.size} compressed bytes became {size}: that is a bomb", code="E521"
            )
        yield piece


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """All members, one after the other."""
    member: Any = None
    for chunk in chunks:
        while chunk:
            if member is None:
                chunk = chunk.lstrip(b"\0")  # padding after the last member
                if not chunk:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                piece = member.decompress(chunk, OUTPUT)
            except zlib.error as error:
                raise BadArchive(f"damaged gzip data: {error}") from error
            if piece:
                yield piece
            chunk = member.unconsumed_tail
            if member.eof:
                chunk, member = member.unused_data, None
    if member is not None:
        yield from _rest_of(member)


def _rest_of(member: Any) -> Iterator[bytes]:
    """What the decompressor still holds back. Raises BadArchive when its input was cut short."""
    while piece := member.decompress(member.unconsumed_tail, OUTPUT):
        yield piece
    if not member.eof:
        raise BadArchive("the gzip data ends too early")


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW)
    frames = _Frames(chunks)
    source: Any = _File(iter(frames))
    reader = decompressor.stream_reader(source, read_size=CHUNK, read_across_frames=True)
    try:
        while piece := reader.read(OUTPUT):
            yield piece
    except zstandard.ZstdError as error:
        raise BadArchive(f"damaged zstd data: {error}") from error
    if not frames.has_ended:
        raise BadArchive("the zstd data ends too early")


class _Frames:
    """Passes zstd data through and walks along its frames, for the one thing that the reader does
    not tell: whether the last one was whole. Source: RFC 8878, section 3.1."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._steps = self._walk()
        self._wanted = next(self._steps)
        self._waiting = b""
        self._is_between = True

    @property
    def has_ended(self) -> bool:
        return self._is_between and not self._waiting

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._take(chunk)
            yield chunk

    def _take(self, chunk: bytes) -> None:
        position = 0
        while position < len(chunk):
            # A negative number of bytes is passed over, the others are looked at
            part = chunk[position : position + abs(self._wanted) - len(self._waiting)]
            position += len(part)
            if self._wanted > 0:
                self._waiting += part
                if len(self._waiting) < self._wanted:
                    return
                seen, self._waiting = self._waiting, b""
                self._wanted = self._steps.send(seen)
            else:
                self._wanted += len(part)
            while self._wanted == 0:
                self._wanted = self._steps.send(b"")

    def _walk(self) -> Generator[int, bytes, None]:
        """Yields how many bytes it wants (or, negative, does not want) to see."""
        while True:
            magic = yield 4
            self._is_between = False
            if magic[1:] == b"\x2a\x4d\x18":
                yield -int.from_bytes((yield 4), "little")
            else:
                yield from self._walk_blocks((yield 1)[0])
            self._is_between = True

    def _walk_blocks(self, descriptor: int) -> Generator[int, bytes, None]:
        is_single, has_checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
        content_size = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
        yield -((0, 1, 2, 4)[descriptor & 3] + content_size + (not is_single))
        is_last = False
        while not is_last:
            header = int.from_bytes((yield 3), "little")
            is_last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            yield -(1 if kind == 1 else size)
        yield -4 * has_checksum


class _File:
    """Chunks as something with a `read`."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        data = self._rest or next(self._chunks, b"")
        self._rest = data[size:]
        return data[:size]


def _unxz(chunks: Iterable[bytes]) -> Iterator[bytes]:
    import lzma

    return _pulled(chunks, lambda: lzma.LZMADecompressor(memlimit=256 << 20), lzma.LZMAError)


def _bunzip2(chunks: Iterable[bytes]) -> Iterator[bytes]:
    import bz2

    return _pulled(chunks, bz2.BZ2Decompressor, OSError)


def _pulled(chunks: Iterable[bytes], make: Any, damage: type[Exception]) -> Iterator[bytes]:
    """For decompressors that keep what they have not used yet."""
    member = make()
    source = iter(chunks)
    waiting = b""
    while True:
        if member.eof:
            waiting = member.unused_data.lstrip(b"\0") or next(source, b"").lstrip(b"\0")
            if not waiting:
                return
            member = make()
        elif member.needs_input and not waiting and not (waiting := next(source, b"")):
            raise BadArchive("the compressed data ends too early")
        try:
            piece = member.decompress(waiting, OUTPUT)
        except damage as error:
            raise BadArchive(f"damaged compressed data: {error}") from error
        waiting = b""
        if piece:
            yield piece


class Measured:
    """Passes chunks through; `size` and `digest` are those of what has passed."""

    def __init__(self, chunks: Iterable[bytes], *, digest_like: str = "") -> None:
        self._chunks = chunks
        self._hash = digests.new_hash(digest_like) if digest_like else None
        self._algorithm = digest_like.partition(":")[0]
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self._hash is not None:
                self._hash.update(chunk)
            yield chunk

    @property
    def digest(self) -> str:
        assert self._hash is not None
        return f"{self._algorithm}:{self._hash.hexdigest()}"


class Ahead(Generic[T]):
    """Runs an iterable in a thread, a few items ahead of whoever iterates over this.

        with Ahead(decompressed(chunks)) as plain:
            unpack_layer(plain, folder)

    What the iterable raises is raised here. Leaving the block ends the thread, wherever it stands,
    and closes the iterable, where that can be closed.
    """

    def __init__(self, items: Iterable[T], *, depth: int = 4) -> None:
        self._items = items
        self._depth = depth
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._has_ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._has_ended)
                if not self._waiting:
                    break
                item = self._waiting.popleft()
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        iterator = iter(self._items)
        try:
            for item in iterator:
                if not self._put(item):
                    break
            if isinstance(iterator, Generator):
                iterator.close()
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """False when nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._depth or self._is_closed)
            if self._is_closed:
                return False
            self._waiting.append(item)
            self._changed.notify_all()
            return True
