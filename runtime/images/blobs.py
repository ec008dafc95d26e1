"""Blobs on the disk, by digest: complete and verified under their name, or not there.

    images/blobs/sha256/HEX      a manifest, a config, a layer as it came
    images/ingest/HEX            one that is still coming; a killed pull goes on with it

Whoever writes holds the partial file's lock (flock), so two processes never write the same one;
both locks and half-written bytes of a dead process are taken over by the next.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import RuntimeFault
from runtime.images import digests
from runtime.images.layers import no_space
from runtime.images.streams import OUTPUT, Measured
from runtime.linux import faults, files, syncing

_LOCK_PAUSE = 0.1
# So that little is left to wait for at the end
_WRITE_EVERY = 8 << 20


class Partial:
    """A blob that is being written. `size` bytes are there already; append, then `finish`."""

    def __init__(self, file: int, path: Path, digest: str) -> None:
        self._file = file
        self._path = path
        self._digest = digest
        self._hash = digests.new_hash(digest or "sha256:")
        self.size = 0
        self.expected = 0
        """Bytes that it will have, where that is known."""
        self.restarts = 0
        self._on_its_way = 0

    def resume(self) -> None:
        """Hash what an earlier attempt left."""
        os.lseek(self._file, 0, os.SEEK_SET)
        while data := os.read(self._file, OUTPUT):
            self._hash.update(data)
            self.size += len(data)

    def restart(self) -> None:
        """Forget everything: the sender begins anew."""
        self.restarts += 1
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._hash = digests.new_hash(self._digest or "sha256:")
        self.size = self._on_its_way = 0

    def append(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        rest = memoryview(data)
        try:
            with faults.point("write blob"):
                while rest:
                    rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            # What was written is not known now: `resume` looks
            raise _refused(self._path, max(self.expected, self.size + len(data)), error) from error
        self.size += len(data)
        if self.size - self._on_its_way >= _WRITE_EVERY:
            self._on_its_way = self.size
            syncing.start_writing(self._file)

    @property
    def digest(self) -> str:
        algorithm = self._digest.partition(":")[0] or "sha256"
        return f"{algorithm}:{self._hash.hexdigest()}"

    def reopen(self) -> int:
        """A descriptor for who reads along. Opened anew, whatever the file's name is by now: a
        duplicate would keep the lock."""
        return os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)

    def synced(self) -> None:
        os.fdatasync(self._file)


class Blobs:
    """The blobs of one root."""

    def __init__(self, images: Path) -> None:
        self._top = images / "blobs"
        self._ingest = images / "ingest"

    def path(self, digest: str) -> Path:
        """Where the blob lies or would lie. Raises BadDigest: nothing else becomes a path (V52)."""
        algorithm, _, value = digests.check_digest(digest).partition(":")
        return self._top / algorithm / value

    def has(self, digest: str, *, size: int | None = None) -> bool:
        """Whether it is here. R29: one of a wrong size does not count."""
        try:
            found = self.path(digest).stat().st_size
        except FileNotFoundError:
            return False
        return size is None or found == size

    def read(self, digest: str, *, limit: int) -> bytes:
        """A small blob, verified. Raises BadDigest when it was changed on the disk (R29)."""
        path = self.path(digest)
        if path.stat().st_size > limit:
            raise RuntimeFault(f"{digest} has more than {limit} bytes", code="E512")
        data = path.read_bytes()
        found = digests.new_hash(digest)
        found.update(data)
        algorithm = digest.partition(":")[0]
        digests.verify(str(path), expected=digest, found=f"{algorithm}:{found.hexdigest()}")
        return data

    def chunks(self, digest: str, *, size: int = 1 << 18) -> Generator[bytes, None, None]:
        """The content in pieces, unverified: a layer's reader verifies as it goes."""
        with open(self.path(digest), "rb", buffering=0) as file:
            while data := file.read(size):
                yield data

    def region(self, digest: str, offset: int, length: int) -> Iterator[bytes]:
        """A part of the content, unverified: who receives all of it verifies it."""
        with open(self.path(digest), "rb", buffering=0) as file:
            file.seek(offset)
            while length > 0 and (data := file.read(min(length, 1 << 18))):
                length -= len(data)
                yield data

    def verified_chunks(self, digest: str) -> Iterator[bytes]:
        """The same for content that leaves this machine. Raises BadDigest after the last piece."""
        measured = Measured(self.chunks(digest), digest_like=digest)
        yield from measured
        digests.verify(str(self.path(digest)), expected=digest, found=measured.digest)

    def put(self, data: bytes) -> str:
        """Keep a small blob; returns its digest."""
        digest = digests.digest_of(data)
        if not self.has(digest, size=len(data)):
            path = self.path(digest)
            files.ensure_directory(path.parent)
            files.write_atomically(path, data, durable=True)
        return digest

    def add(self, chunks: Iterable[bytes], *, expected: str = "", size: int = 0) -> tuple[str, int]:
        """Keep a large one; returns (digest, size). With `expected`, anything else is refused.

        `size` is told when there is no room.
        """
        with self.writing(expected) as partial:
            if partial is None:
                return expected, self.path(expected).stat().st_size
            partial.restart()
            partial.expected = size
            for chunk in chunks:
                partial.append(chunk)
            return self.finish(partial), partial.size

    def check_room(self, needed: int) -> None:
        """R15: said before the work, where it is known so early."""
        if needed > room_on(self._ingest):
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise no_space(self._ingest, needed=needed, error=error)

    def partial_size(self, digest: str) -> int:
        """How much of a blob an earlier attempt left."""
        try:
            return (self._ingest / digests.hex_of(digests.check_digest(digest))).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def writing(
        self, digest: str = "", *, pause: Callable[[float], None] | None = None
    ) -> Iterator[Partial | None]:
        """The partial file of a blob, locked; None when the blob is there by the time of the lock.

        Without a digest the file is nameless until `finish`, and goes when the block ends early.
        `pause` is how to wait for who has the lock, for callers that can be interrupted.
        """
        files.ensure_directory(self._ingest)
        name = digests.hex_of(digests.check_digest(digest)) if digest else f"new.{os.getpid()}"
        path = self._ingest / name if digest else _free_name(self._ingest, name)
        descriptor = _open_locked(path, pause)
        try:
            if digest and self.has(digest):
                path.unlink(missing_ok=True)
                yield None
            else:
                yield Partial(descriptor, path, digest)
        finally:
            if not digest:
                path.unlink(missing_ok=True)
            os.close(descriptor)

    def finish(self, partial: Partial, *, size: int | None = None) -> str:
        """Verify, make it safe, give it its name; returns the digest. Raises BadDigest."""
        path, digest = partial._path, partial.digest
        try:
            if size is not None:
                _verify_size(partial, size)
            if partial._digest:
                digests.verify(
                    f"blob {partial._digest[:19]}", expected=partial._digest, found=digest
                )
        except RuntimeFault:
            # A wrong byte in it would spoil every further attempt
            partial.restart()
            raise
        target = self.path(digest)
        files.ensure_directory(target.parent)
        try:
            with faults.point("sync blob"):
                partial.synced()
            with faults.point("name blob"):
                path.rename(target)
                files.sync_directory(target.parent)
        except OSError as error:
            raise _refused(path, partial.size, error) from error
        return digest

    def remove(self, digest: str) -> None:
        files.remove_file(self.path(digest))

    def all(self) -> Iterator[tuple[str, int]]:
        """(digest, size) of every blob on the disk, with or without a row."""
        for algorithm in ("sha256", "sha512"):
            with contextlib.suppress(FileNotFoundError):
                for item in os.scandir(self._top / algorithm):
                    if digests.is_digest(digest := f"{algorithm}:{item.name}"):
                        yield digest, item.stat().st_size

    def remove_partials(self) -> int:
        """What killed pulls left; those of living ones stay. Returns the bytes freed."""
        freed = 0
        with contextlib.suppress(FileNotFoundError):
            for item in os.scandir(self._ingest):
                freed += _remove_unlocked(Path(item.path))
        return freed


def room_on(folder: Path) -> int:
    """Bytes; a file system that does not count them (ramfs, some of FUSE) has room for all."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize if status.f_blocks else sys.maxsize


def _free_name(folder: Path, stem: str) -> Path:
    number = 0
    while (path := folder / f"{stem}.{number}").exists():
        number += 1
    return path


def _open_locked(path: Path, pause: Callable[[float], None] | None = None) -> int:
    """Open and lock; again when another process finished or removed it while we waited."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with faults.point("open partial blob"):
            descriptor = os.open(path, flags, 0o600)
        try:
            _lock(descriptor, pause)
        except BaseException:
            os.close(descriptor)
            raise
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _lock(descriptor: int, pause: Callable[[float], None] | None) -> None:
    while pause is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pause(_LOCK_PAUSE)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _remove_unlocked(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(descriptor).st_size
        files.remove_file(path)
        return size
    except BlockingIOError:
        return 0
    finally:
        os.close(descriptor)


def _verify_size(partial: Partial, size: int) -> None:
    if partial.size != size:
        raise digests.BadDigest(
            f"a blob of {partial.size} bytes came where {size} were announced",
            code="E511",
            tried=f"verify {partial._digest}",
            hint="it was damaged or cut short on the way; try again",
        )


def _refused(path: Path, needed: int, error: OSError) -> RuntimeFault:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space(path.parent, needed=needed, error=error)
    return RuntimeFault(f"cannot write {path}", code="E525", answered=str(error))
