"""Reads a tar stream: which entries it holds, and their content. Trusts nothing, touches no disk.

ustar, PAX (path, linkpath, size, uid, gid, mtime, xattrs, sparse 0.0, 0.1 and 1.0) and GNU (long
names, base-256 numbers, old sparse), as image layers use them. What it makes of an entry is left to
layers.py. Sources: POSIX pax, the GNU tar manual; limits: V54; negative offsets: V61.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from runtime.errors import RuntimeFault

BLOCK = 512
MAX_EXTENSION = 1 << 20
"""Bytes of one PAX header or GNU long name; xattrs are in there."""
MAX_PATH = 4096
MAX_ENTRIES = 1_000_000
MAX_SPARSE_PIECES = 100_000

REGULAR, HARD_LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = "0123456"
_SAME_AS_REGULAR = {"\0": REGULAR, "7": REGULAR, "S": REGULAR, " ": REGULAR, "D": DIRECTORY}
_VOLUME_LABEL = "V"
_HAS_CONTENT = frozenset((REGULAR,))
_ZEROS = bytes(BLOCK)
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
_XATTR_PREFIX = b"SCHILY.xattr."


class BadArchive(RuntimeFault):
    """The stream is no tar, is cut short, or is made to do harm."""

    def __init__(self, message: str, *, code: str = "E520") -> None:
        super().__init__(
            message, code=code, hint="the archive is damaged or hostile: get it anew, or rebuild it"
        )


class Entry(NamedTuple):
    """One member. Names are bytes, as on the disk; `size` is that of the file that comes out."""

    name: bytes
    type: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    link: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    stored: int = 0
    """Bytes of content in the stream; smaller than `size` for a sparse file."""
    pieces: tuple[tuple[int, int], ...] | None = None
    """Sparse: (offset, length) of what is stored; the rest are holes."""


class Buffer:
    """Chunks in, exact pieces out, without joining what need not be joined."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._view = memoryview(b"")
        self.position = 0

    def exactly(self, count: int) -> bytes | None:
        """`count` bytes; None at the end. Raises BadArchive when the stream ends in between."""
        view = self._view
        if len(view) >= count:
            self._view = view[count:]
            self.position += count
            return view[:count].tobytes()
        joined = b"".join(bytes(piece) for piece in self._up_to(count))
        if len(joined) == count:
            return joined
        if not joined:
            return None
        raise BadArchive(f"the archive ends in the middle of an entry, at byte {self.position}")

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next `count` bytes as they come. Raises BadArchive when there are fewer."""
        view = self._view
        if len(view) >= count:  # so it is with most files
            self._view = view[count:]
            self.position += count
            return iter((view[:count],) if count else ())
        return self._many_pieces(count)

    def _many_pieces(self, count: int) -> Iterator[memoryview]:
        end = self.position + count
        yield from self._up_to(count)
        if self.position < end:
            raise BadArchive(f"the archive ends in the middle of a file, at byte {self.position}")

    def skip(self, count: int) -> None:
        if count:
            for _ in self.pieces(count):
                pass

    def drain(self) -> None:
        """Read to the end, so that digests cover what follows the archive's end mark."""
        self._view = memoryview(b"")
        for _ in self._chunks:
            pass

    def _up_to(self, count: int) -> Iterator[memoryview]:
        while count > 0:
            if not self._view:
                chunk = next(self._chunks, None)
                if chunk is None:
                    return
                self._view = memoryview(chunk)
            piece, self._view = self._view[:count], self._view[count:]
            count -= len(piece)
            self.position += len(piece)
            yield piece


class FileBuffer(Buffer):
    """The same over a file that can be sought in: what is skipped is not read."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(())
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def exactly(self, count: int) -> bytes | None:
        data = os.pread(self._descriptor, count, self.position)
        self.position += len(data)
        if data and len(data) < count:
            raise BadArchive(f"the archive ends in the middle of an entry, at byte {self._size}")
        return data or None

    def skip(self, count: int) -> None:
        self.position += count
        if self.position > self._size:
            raise BadArchive(f"the archive ends in the middle of a file, at byte {self._size}")

    def drain(self) -> None:
        self.position = self._size

    def _up_to(self, count: int) -> Iterator[memoryview]:
        while count > 0 and (
            data := os.pread(self._descriptor, min(count, 1 << 20), self.position)
        ):
            self.position += len(data)
            count -= len(data)
            yield memoryview(data)


class TarReader:
    """Entries in order; after each, `content()` may be read before going on."""

    def __init__(self, chunks: Iterable[bytes] | Buffer) -> None:
        self._buffer = chunks if isinstance(chunks, Buffer) else Buffer(chunks)
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        count = 0
        overrides: dict[bytes, bytes] = {}
        pairs: list[tuple[bytes, bytes]] = []
        defaults: dict[bytes, bytes] = {}
        while (block := self._next_header()) is not None:
            count += 1
            if count > MAX_ENTRIES:
                raise BadArchive(f"the archive has more than {MAX_ENTRIES} entries", code="E521")
            header = _parse_header(block)
            if header.type in "xgXLK":
                data = self._extension(header)
                if header.type == "L":
                    overrides[b"path"] = data.rstrip(b"\0")
                elif header.type == "K":
                    overrides[b"linkpath"] = data.rstrip(b"\0")
                elif header.type == "g":
                    defaults.update(_parse_pax(data))
                else:
                    pairs = _parse_pax(data)
                    overrides.update(pairs)
                continue
            if header.type == _VOLUME_LABEL:
                self._start_content(header.stored)
                continue
            merged = {**defaults, **overrides} if defaults else overrides
            entry = self._complete(block, header, merged, pairs)
            overrides, pairs = {}, []
            yield entry
        self._buffer.drain()

    def content(self) -> Iterator[memoryview]:
        """The stored bytes of the entry just given."""
        count, self._left = self._left, 0
        return self._buffer.pieces(count)

    @property
    def position(self) -> int:
        """Where in the stream the content begins."""
        return self._buffer.position

    def _next_header(self) -> bytes | None:
        # What is left may be unread: then it is missing first
        self._buffer.skip(self._left)
        self._buffer.skip(self._padding)
        self._left = self._padding = 0
        block = self._buffer.exactly(BLOCK)
        # One block of zeros ends it, as two do; some writers leave out even the first
        return None if block is None or block == _ZEROS else block

    def _start_content(self, stored: int) -> None:
        self._left = stored
        self._padding = -stored % BLOCK

    def _extension(self, header: Entry) -> bytes:
        if header.stored > MAX_EXTENSION:
            raise BadArchive(
                f"an extended header of {header.stored} bytes; {MAX_EXTENSION} are allowed",
                code="E521",
            )
        self._start_content(header.stored)
        return b"".join(self.content())

    def _complete(
        self,
        block: bytes,
        header: Entry,
        records: dict[bytes, bytes],
        pairs: Sequence[tuple[bytes, bytes]],
    ) -> Entry:
        entry = _apply_pax(header, records) if records else header
        # Before ustar a slash was all that told them apart. Asked of the whole name: the header's
        # own may be a longer one that was cut behind a slash
        if entry.type == REGULAR and entry.name.endswith(b"/"):
            entry = entry._replace(type=DIRECTORY)
        stored = entry.stored if entry.type in _HAS_CONTENT else 0
        self._start_content(stored)
        if entry.size != stored or entry.stored != stored:
            entry = entry._replace(stored=stored, size=stored)
        if block[156:157] == b"S":
            entry = self._old_gnu_sparse(block, entry)
        elif entry.type == REGULAR and any(key.startswith(b"GNU.sparse.") for key in records):
            entry = self._pax_sparse(entry, records, pairs)
        return _checked(entry)

    # --- sparse files

    def _old_gnu_sparse(self, block: bytes, entry: Entry) -> Entry:
        pieces = list(_gnu_pieces(block, 386, 4))
        is_extended, size = block[482], _number(block[483:495])
        while is_extended:
            extension = self._buffer.exactly(BLOCK)
            if extension is None or len(pieces) > MAX_SPARSE_PIECES:
                raise BadArchive(f"a wrong sparse map in {show_name(entry.name)}")
            pieces += _gnu_pieces(extension, 0, 21)
            is_extended = extension[504]
        return entry._replace(size=size, pieces=_checked_pieces(entry, pieces, size))

    def _pax_sparse(
        self,
        entry: Entry,
        records: dict[bytes, bytes],
        pairs: Sequence[tuple[bytes, bytes]],
    ) -> Entry:
        name = records.get(b"GNU.sparse.name", entry.name)
        size = _decimal(
            records.get(b"GNU.sparse.realsize", records.get(b"GNU.sparse.size", b"0")), entry.name
        )
        if records.get(b"GNU.sparse.major") == b"1":
            numbers = self._map_before_content(entry)
        elif b"GNU.sparse.map" in records:
            numbers = [
                _decimal(text, entry.name)
                for text in records[b"GNU.sparse.map"].split(b",")
                if text
            ]
        else:
            keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
            numbers = [_decimal(value, entry.name) for key, value in pairs if key in keys]
        if len(numbers) % 2:
            raise BadArchive(f"a wrong sparse map in {show_name(entry.name)}")
        entry = entry._replace(name=name, size=size, stored=self._left)
        pieces = list(zip(numbers[::2], numbers[1::2], strict=True))
        return entry._replace(pieces=_checked_pieces(entry, pieces, size))

    def _map_before_content(self, entry: Entry) -> list[int]:
        """Version 1.0: the map stands in decimal lines before the content, padded to a block."""
        numbers: list[int] = []
        text = b""
        while not numbers or len(numbers) < 1 + 2 * numbers[0]:
            block = self._buffer.exactly(BLOCK) if self._left >= BLOCK else None
            if block is None or len(numbers) > 2 * MAX_SPARSE_PIECES:
                raise BadArchive(f"a wrong sparse map in {show_name(entry.name)}")
            self._left -= BLOCK
            *lines, text = (text + block).split(b"\n")
            numbers += [_decimal(line, entry.name) for line in lines if line.strip(b"\0")]
        return numbers[1 : 1 + 2 * numbers[0]]


def _parse_header(block: bytes) -> Entry:
    fields = _HEADER.unpack(block)
    # Written as spaces in the sum; some writers sum signed bytes, which layers never contain
    unsigned = sum(block) - sum(fields[6]) + 8 * 32
    announced = _number(fields[6])
    if announced != unsigned and announced != _signed_sum(block):
        raise BadArchive("not a tar archive: a header's checksum is wrong")
    name, kind = _text(fields[0]), fields[7].decode("latin-1")
    if fields[9][:6] == b"ustar\0" and (prefix := _text(fields[14])):
        name = prefix + b"/" + name
    kind = _SAME_AS_REGULAR.get(kind, kind)
    is_device = kind in (CHARACTER, BLOCK_DEVICE)
    stored = _number(fields[4])
    # By position: thousands of times, names cost as much as the numbers
    return Entry(
        name,
        kind,
        _number(fields[1]) & 0o7777,
        _number(fields[2]),
        _number(fields[3]),
        stored,
        _number(fields[5]) * 1_000_000_000,
        _text(fields[8]) if fields[8][0] else b"",
        _number(fields[12]) if is_device else 0,
        _number(fields[13]) if is_device else 0,
        (),
        stored,
    )


def _signed_sum(block: bytes) -> int:
    signed = struct.unpack("512b", block)
    return int(sum(signed) - sum(signed[148:156]) + 8 * 32)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Octal, or base-256 when the first bit is set; the second bit is then the sign."""
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    text = field.strip(b" \0")
    try:
        return int(text or b"0", 8)
    except ValueError:
        raise BadArchive(f"not a tar archive: {field!r} is no number") from None


def _decimal(text: bytes, name: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise BadArchive(f"a wrong number in the header of {show_name(name)}: {text[:40]!r}")
    return int(text)


def _parse_pax(data: bytes) -> list[tuple[bytes, bytes]]:
    """`LENGTH KEY=VALUE\\n`, again and again; the length counts all of the record."""
    pairs = []
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 12)
        length = int(data[position:space]) if data[position:space].isdigit() else 0
        record = data[space + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if space < 0 or position + length > len(data) or not equals or value[-1:] != b"\n":
            raise BadArchive("a damaged PAX header")
        pairs.append((key, value[:-1]))
        position += length
    return pairs


def _apply_pax(entry: Entry, records: dict[bytes, bytes]) -> Entry:
    """The header with what the records say instead. An empty value takes a record back."""
    changes: dict[str, object] = {}
    for key, field in ((b"path", "name"), (b"linkpath", "link")):
        if value := records.get(key):
            changes[field] = value
    for key, field in ((b"size", "stored"), (b"uid", "uid"), (b"gid", "gid")):
        if value := records.get(key):
            changes[field] = _decimal(value, entry.name)
    if value := records.get(b"mtime"):
        changes["mtime_ns"] = _nanoseconds(value, entry.name)
    xattrs = tuple(
        (key[len(_XATTR_PREFIX) :], value)
        for key, value in records.items()
        if key.startswith(_XATTR_PREFIX)
    )
    if xattrs:
        changes["xattrs"] = xattrs
    return entry._replace(**changes)  # type: ignore[arg-type]


def _nanoseconds(text: bytes, name: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    digits = whole.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 18 or (fraction and not fraction.isdigit()):
        raise BadArchive(f"a wrong time in the header of {show_name(name)}: {text[:40]!r}")
    value = int(digits) * 1_000_000_000 + int(fraction[:9].ljust(9, b"0") or 0)
    return -value if whole.startswith(b"-") else value


def _gnu_pieces(block: bytes, start: int, count: int) -> Iterator[tuple[int, int]]:
    for position in range(start, start + 24 * count, 24):
        if block[position] == 0:
            return
        middle = position + 12
        yield _number(block[position:middle]), _number(block[middle : middle + 12])


def _checked_pieces(
    entry: Entry, pieces: Sequence[tuple[int, int]], size: int
) -> tuple[tuple[int, int], ...]:
    """V60, V61: in order, inside the file, and as long together as what is stored."""
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0 or offset + length > size:
            raise BadArchive(f"a wrong sparse map in {show_name(entry.name)}")
        end = offset + length
    if sum(length for _, length in pieces) != entry.stored:
        raise BadArchive(f"a sparse map of {show_name(entry.name)} that does not fit its content")
    return tuple(pieces)


def _checked(entry: Entry) -> Entry:
    if entry.stored < 0 or entry.size < 0 or entry.uid < 0 or entry.gid < 0:
        raise BadArchive(f"a negative number in the header of {show_name(entry.name)}")
    if entry.size > 1 << 62:
        raise BadArchive(f"{show_name(entry.name)} is {entry.size} bytes long, says its header")
    # 4294967295 means "leave it as it is" to chown(2)
    if entry.uid > 0xFFFF_FFFE or entry.gid > 0xFFFF_FFFE:
        raise BadArchive(f"an owner that cannot be, in the header of {show_name(entry.name)}")
    if len(entry.name) > MAX_PATH or len(entry.link) > MAX_PATH:
        raise BadArchive(
            f"a name longer than {MAX_PATH} bytes: {show_name(entry.name)}", code="E521"
        )
    if b"\0" in entry.name or b"\0" in entry.link:
        raise BadArchive(f"a NUL in a name: {show_name(entry.name)}")
    return entry


def show_name(name: bytes) -> str:
    """A name for a message: printable, and not too long (V46)."""
    text = name.decode("utf-8", "backslashreplace")
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return f"`{shown}`" if len(shown) <= 120 else f"`{shown[:100]}...`"
