"""The members of an archive of images, wherever it comes from: a directory, a tar, a stream.

A plain tar in a file is indexed, and its members are read where they lie. From a pipe or out of a
compressed file, large members go straight to the blobs, under the digest that they turn out to
have; `store.collect` removes those that no image wanted.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from runtime.errors import NotFound, RuntimeFault
from runtime.images import tar_reader
from runtime.images.blobs import Blobs
from runtime.images.layers import normal_path
from runtime.images.streams import CHUNK, Ahead, compression_of, decompressed
from runtime.images.tar_reader import BadArchive, FileBuffer, TarReader
from runtime.linux import openat

_INLINE = 1 << 20
_MAX_INLINE_TOTAL = 32 << 20
_FILE = os.O_RDONLY | os.O_CLOEXEC


class Stored(NamedTuple):
    """A member that lies among the blobs already."""

    digest: str
    size: int


class Slice(NamedTuple):
    """A member that lies somewhere in an open file."""

    descriptor: int
    offset: int
    size: int


class Source:
    """Members by name. Names are normal paths; links among members are followed."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._members: dict[str, Stored | Slice | bytes] = {}
        self._links: dict[str, str] = {}

    def find(self, name: str) -> Stored | Slice | bytes | None:
        for _ in range(10):
            name = posixpath.normpath(name)
            if (member := self._member(name)) is not None or name not in self._links:
                return member
            name = self._links[name]
        return None

    def has(self, name: str) -> bool:
        return self.find(name) is not None

    def read(self, name: str, limit: int) -> bytes:
        """A small member. Raises NotFound, BadArchive when it has more than `limit` bytes."""
        member = self._get(name)
        size = len(member) if isinstance(member, bytes) else member.size
        if size > limit:
            raise BadArchive(f"{name} in the archive has {size} bytes; {limit} are allowed")
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member in pieces. Raises NotFound."""
        match self._get(name):
            case Stored(digest, _):
                return self._blobs.chunks(digest)
            case Slice() as place:
                return _slice(place)
            case bytes() as data:
                return iter((data,))

    def size(self, name: str) -> int:
        member = self._get(name)
        return len(member) if isinstance(member, bytes) else member.size

    def _get(self, name: str) -> Stored | Slice | bytes:
        if (member := self.find(name)) is None:
            raise NotFound(f"there is no `{name}` in the archive", code="E526")
        return member

    def _member(self, name: str) -> Stored | Slice | bytes | None:
        return self._members.get(name)

    # --- tar

    def index(self, descriptor: int) -> None:
        """The members of a plain tar in a file."""
        reader = TarReader(FileBuffer(descriptor))
        for entry in reader:
            if name := self._name_of(entry):
                self._members[name] = Slice(descriptor, reader.position, entry.size)

    def take(self, chunks: Iterator[bytes]) -> None:
        """The members of a tar stream, compressed or not."""
        room = _MAX_INLINE_TOTAL
        with Ahead(decompressed(chunks)) as plain:
            reader = TarReader(plain)
            for entry in reader:
                if not (name := self._name_of(entry)):
                    continue
                if entry.size <= min(_INLINE, room):
                    room -= entry.size
                    self._members[name] = b"".join(reader.content())
                else:
                    pieces = (bytes(piece) for piece in reader.content())
                    self._members[name] = Stored(*self._blobs.add(pieces, size=entry.size))

    def _name_of(self, entry: tar_reader.Entry) -> str:
        """Of a regular file; a link is written down, and anything else left out."""
        path = normal_path(entry.name)
        name = os.fsdecode(path) if path else ""
        if entry.type == tar_reader.SYMLINK:
            self._links[name] = posixpath.join(posixpath.dirname(name), os.fsdecode(entry.link))
        elif entry.type == tar_reader.HARD_LINK:
            self._links[name] = os.fsdecode(entry.link)
        return name if entry.type == tar_reader.REGULAR and entry.pieces is None else ""


class _Folder(Source):
    """An unpacked archive: nothing is read before it is asked for."""

    def __init__(self, blobs: Blobs, folder: int) -> None:
        super().__init__(blobs)
        self._folder = folder
        self.opened: list[int] = []

    def _member(self, name: str) -> Stored | Slice | bytes | None:
        if name not in self._members and not name.startswith("../"):
            try:
                descriptor = openat.open_in_root(self._folder, name, os.O_RDONLY | os.O_NONBLOCK)
            except OSError:
                return None
            self.opened.append(descriptor)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            self._members[name] = Slice(descriptor, 0, status.st_size)
        return self._members.get(name)


@contextmanager
def open_source(blobs: Blobs, path: Path) -> Iterator[Source]:
    """An archive or a layout by its path. Raises NotFound, BadArchive."""
    try:
        descriptor = os.open(path, _FILE)
    except OSError as error:
        raise NotFound(
            f"cannot read {path}", code="E526", tried=f"open {path}", answered=str(error.strerror)
        ) from error
    opened = [descriptor]
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            source = _Folder(blobs, descriptor)
            opened = source.opened
            opened.append(descriptor)
            yield source
        else:
            with open_stream(blobs, descriptor) as read:
                yield read
    finally:
        for one in opened:
            os.close(one)


@contextmanager
def open_stream(blobs: Blobs, descriptor: int) -> Iterator[Source]:
    """An archive from a descriptor: a file, or a pipe such as stdin. Raises BadArchive."""
    source = Source(blobs)
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if is_file and compression_of(os.pread(descriptor, 8, 0)) == "none":
        source.index(descriptor)
    else:
        source.take(read_chunks(descriptor))
    yield source


def read_chunks(descriptor: int) -> Iterator[bytes]:
    """All that a descriptor gives. Raises RuntimeFault when it cannot be read."""
    while True:
        try:
            data = os.read(descriptor, CHUNK)
        except OSError as error:
            raise RuntimeFault(
                "cannot read the archive", code="E526", answered=str(error.strerror)
            ) from error
        if not data:
            return
        yield data


def _slice(place: Slice) -> Iterator[bytes]:
    offset, left = place.offset, place.size
    while left > 0:
        data = os.pread(place.descriptor, min(left, CHUNK), offset)
        if not data:
            raise BadArchive("the archive became shorter while it was read")
        offset += len(data)
        left -= len(data)
        yield data
