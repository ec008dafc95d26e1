"""The layers of one image, unpacked in order: read, decompressed, hashed and written at once.

    images/layers/NAME            an unpacked layer; NAME.*.new while it is made, NAME.gone later
    images/layers/NAME-whole      one that those below it are not stacked under: layers.py says why
    images/locks/HEX              one lock a layer, by its diff ID

A layer comes from a blob that is here or still on its way, or from an archive; then it becomes a
blob on the way, and nothing is read twice. Either way what is wrong is found before anything has
its name, and the order is that of R29: blob and files safe, then their names, then the layer's row.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from runtime.images import digests
from runtime.images.blobs import Blobs, Partial
from runtime.images.following import BegunAnew, Following
from runtime.images.layers import Unpacked, unpack_layer
from runtime.images.rows import ImageRows, LayerRow
from runtime.images.streams import Ahead, Measured, opened
from runtime.images.tar_reader import BadArchive
from runtime.linux import faults, files, placing, syncing

OnBytes = Callable[[int], None]
"""Told how many compressed bytes of a layer were read just now."""


_WHOLE = "-whole"


class Stack:
    """Give it a layer after the other, from the lowest; `rows` are then those of the image.

    All of it within `Store.adding`: what no image names yet would be collected.
    """

    def __init__(
        self, images: Path, rows: ImageRows, diff_ids: Sequence[str], on_bytes: OnBytes | None
    ) -> None:
        self._layers = images / "layers"
        self._locks = images / "locks"
        self._blobs = Blobs(images)
        self._known = rows
        self._on_bytes = on_bytes
        self._waiting = list(diff_ids)[::-1]
        self._chain = ""
        self.rows: list[LayerRow] = []

    def put(self, blob: str) -> None:
        """The next layer, from a blob that is here. Raises DamagedBlob, BadDigest, BadArchive."""
        self._add(_Kept(self._blobs, blob, self._on_bytes))

    def follow(self, blob: str, following: Following) -> bool:
        """The next layer, from a blob that is still coming, whose partial file the caller has the
        lock of: this waits with the layer's lock, and who has both takes them in that order.

        Returns False when the sender began anew, which is no one's fault: try again. Raises as
        `put`, and what ended the download.
        """
        try:
            self._add(_Followed(following, blob, self._on_bytes))
        except BegunAnew:
            return False
        return True

    def take(self, chunks: Iterable[bytes], *, expected: str = "", size: int) -> tuple[str, int]:
        """The next layer, from bytes that become a blob; returns (digest, size) of the blob.

        With `expected`, anything else is refused. Raises BadDigest, BadArchive.
        """
        with self._blobs.writing(expected) as partial:
            if partial is None:  # another process brought it meanwhile
                self.put(expected)
                return expected, size
            partial.restart()
            partial.expected = size
            self._blobs.check_room(size)
            incoming = _Incoming(self._blobs, partial, expected, iter(chunks), self._on_bytes)
            self._add(incoming)
            return incoming.digest, partial.size

    def take_new(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """The only layer of an image that has no config yet, from the bytes of a plain tar; returns
        (diff ID, size), which are those of the blob as well. Raises BadArchive.
        """
        with self._blobs.writing() as partial:
            assert partial is not None
            incoming = _Incoming(self._blobs, partial, "", iter(chunks), self._on_bytes)
            building = self._new_folder(f"new-{os.urandom(8).hex()}")
            with self._filled(building, (), incoming, "sha256") as (unpacked, diff_id):
                if diff_id != incoming.digest:
                    raise BadArchive("the archive is compressed twice")
            job = _Job(diff_id, diff_id, ())
            with locked(self._locks, digests.hex_of(diff_id)):
                if (row := self._find_layer(job)) is not None:
                    discard(building)
                else:
                    row = self._name_layer(building, job, unpacked)
            self.rows.append(row)
            return diff_id, partial.size

    # --- one layer

    def _add(self, source: _Source) -> None:
        diff_id = self._waiting[-1]
        lowers = shown_layers(self._layers, [layer.folder for layer in self.rows])
        job = _Job(diff_id, _chain_id(self._chain, diff_id), lowers)
        row = self._ensure_layer(job, source)
        source.keep()
        self._waiting.pop()
        self._chain = job.chain_id
        self.rows.append(row)

    def _ensure_layer(self, job: _Job, source: _Source) -> LayerRow:
        if (found := self._find_layer(job)) is not None:
            return found
        with locked(self._locks, digests.hex_of(job.diff_id)):
            # Somebody else may have made it while we waited
            return self._find_layer(job) or self._make_layer(job, source)

    def _find_layer(self, job: _Job) -> LayerRow | None:
        found = self._known.find_layer(job.diff_id, job.chain_id)
        return found if found is not None and (self._layers / found.folder).is_dir() else None

    def _make_layer(self, job: _Job, source: _Source) -> LayerRow:
        name = _folder_of(job)
        for left in self._layers.glob(f"{name}.*.new"):
            discard(left)
        building = self._new_folder(name)
        algorithm = job.diff_id.partition(":")[0]
        with self._filled(building, job.lowers, source, algorithm) as (unpacked, found):
            digests.verify(f"the content of {source}", expected=job.diff_id, found=found)
        return self._name_layer(building, job, unpacked)

    def _new_folder(self, name: str) -> Path:
        files.ensure_directory(self._layers)
        return placing.make_apart(
            self._layers, lambda: f"{name}.{os.urandom(4).hex()}.new", mode=0o755
        )

    @contextmanager
    def _filled(
        self, building: Path, lowers: Sequence[Path], source: _Source, algorithm: str
    ) -> Iterator[tuple[Unpacked, str]]:
        """Gives what came out and its diff ID, to be judged in the block; then files and blob are
        safe. Whatever fails, the folder goes."""
        try:
            yield _unpack_into(building, lowers, source, algorithm)
            source.keep()
            with faults.point("sync layer"):
                syncing.sync_names(building)
        except BaseException:
            discard(building)
            raise

    def _name_layer(self, building: Path, job: _Job, unpacked: Unpacked) -> LayerRow:
        name = _folder_of(job) + (_WHOLE if unpacked.is_whole else "")
        row = LayerRow(
            name,
            job.diff_id,
            job.chain_id if unpacked.depends_on_lowers else "",
            unpacked.size,
            unpacked.entries,
        )
        discard(self._layers / name)
        with faults.point("name layer"):
            building.rename(self._layers / name)
            files.sync_directory(self._layers)
        self._known.add_layer(row)
        return row


class _Job(NamedTuple):
    diff_id: str
    chain_id: str
    lowers: tuple[Path, ...]


def _folder_of(job: _Job) -> str:
    return digests.hex_of(job.chain_id)[:24]


def _unpack_into(
    folder: Path, lowers: Sequence[Path], source: _Source, algorithm: str
) -> tuple[Unpacked, str]:
    """Each step in a thread, beside the others; returns the diff ID too. V53: both digests count.

    `algorithm` is that of the diff ID.
    """
    try:
        with ExitStack() as threads:
            try:
                packed = threads.enter_context(Ahead(source.chunks()))
                compression, plain = opened(packed)
                content: Iterable[bytes] = plain
                counted = None
                # The digest of a plain layer is its diff ID, unless another algorithm made it
                if compression != "none" or source.algorithm != algorithm:
                    ahead = threads.enter_context(Ahead(plain))
                    counted = Measured(ahead, digest_like=f"{algorithm}:")
                    content = threads.enter_context(Ahead(counted))
                unpacked = unpack_layer(content, folder, lowers=lowers)
            finally:
                # Before the threads are waited for: one may wait for bytes that do not come
                source.close()
        source.verify()
    except (BadArchive, digests.BadDigest):
        source.doubt()
        raise
    return unpacked, source.digest if counted is None else counted.digest


# --- where a layer comes from


class _Source(Protocol):
    """Its str stands in messages."""

    algorithm: str

    @property
    def digest(self) -> str:
        """Of what was read, once the reading has ended."""

    def chunks(self) -> Iterator[bytes]: ...

    def verify(self) -> None:
        """Once all was read. Raises BadDigest."""

    def doubt(self) -> None:
        """The content was found damaged: raises what is the cause, where that can be told."""

    def keep(self) -> None:
        """Have the blob safe and under its name. A second time does nothing."""

    def close(self) -> None:
        """Nobody wants more of it: a thread that waits in `chunks` is to return."""


class _Kept:
    """A blob that is here."""

    def __init__(self, blobs: Blobs, digest: str, on_bytes: OnBytes | None) -> None:
        self._blobs = blobs
        self._expected = digest
        self._on_bytes = on_bytes
        self.algorithm = digest.partition(":")[0]
        self.digest = ""

    def __str__(self) -> str:
        return f"layer {self._expected[:19]}"

    def chunks(self) -> Iterator[bytes]:
        with closing(self._blobs.chunks(self._expected)) as chunks:
            measured = Measured(chunks, digest_like=self._expected)
            yield from _reported(iter(measured), self._on_bytes)
        self.digest = measured.digest

    def verify(self) -> None:
        digests.verify(str(self), expected=self._expected, found=self.digest)

    def doubt(self) -> None:
        """R29: what was verified when it came may have been changed on the disk since. Then it
        goes, so that the next try gets it anew."""
        try:
            for _ in self._blobs.verified_chunks(self._expected):
                pass
        except digests.BadDigest as error:
            self._blobs.remove(self._expected)
            raise digests.DamagedBlob(
                f"{self} was damaged on the disk, and is removed",
                code="E511",
                tried=error.tried,
                answered=error.answered,
                hint="get the image again",
            ) from error

    def keep(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Followed:
    """A blob that another thread fetches and verifies."""

    def __init__(self, following: Following, digest: str, on_bytes: OnBytes | None) -> None:
        self._following = following
        self._on_bytes = on_bytes
        self.algorithm = digest.partition(":")[0]
        self.digest = digest

    def __str__(self) -> str:
        return f"layer {self.digest[:19]}"

    def chunks(self) -> Iterator[bytes]:
        return _reported(self._following.chunks(), self._on_bytes)

    def verify(self) -> None:
        self._following.wait()

    def doubt(self) -> None:
        """Of two wrongs the digest is the one to tell: the other may follow from it."""
        self.verify()

    def keep(self) -> None:
        """Its layer may have been here, so that nothing was read."""
        self.verify()

    def close(self) -> None:
        self._following.close()


class _Incoming:
    """Bytes that become a blob as they are read."""

    def __init__(
        self,
        blobs: Blobs,
        partial: Partial,
        expected: str,
        chunks: Iterator[bytes],
        on_bytes: OnBytes | None,
    ) -> None:
        self._blobs = blobs
        self._partial = partial
        self._expected = expected
        self._chunks = chunks
        self._on_bytes = on_bytes
        self._is_kept = False
        self.algorithm = expected.partition(":")[0] or "sha256"

    def __str__(self) -> str:
        return f"layer {self.digest[:19]}"

    @property
    def digest(self) -> str:
        return self._partial.digest

    def chunks(self) -> Iterator[bytes]:
        return _reported(self._written(), self._on_bytes)

    def _written(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._partial.append(chunk)
            yield chunk

    def verify(self) -> None:
        for chunk in self._chunks:
            self._partial.append(chunk)
        if self._expected and self.digest != self._expected:
            found = self.digest
            # Whoever goes on with this file must not meet a wrong byte
            self._partial.restart()
            digests.verify(f"blob {self._expected[:19]}", expected=self._expected, found=found)

    def doubt(self) -> None:
        """Of two wrongs the digest is the one to tell: the other may follow from it."""
        self.verify()

    def keep(self) -> None:
        if not self._is_kept:
            self.verify()
            self._blobs.finish(self._partial)
            self._is_kept = True

    def close(self) -> None:
        pass


def _reported(chunks: Iterator[bytes], on_bytes: OnBytes | None) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        if on_bytes is not None:
            on_bytes(len(chunk))


def _chain_id(below: str, diff_id: str) -> str:
    """The identity of a layer with everything below it, as the OCI image specification says."""
    if not below:
        return diff_id
    return f"sha256:{hashlib.sha256(f'{below} {diff_id}'.encode()).hexdigest()}"


# --- folders and locks


def shown_layers(layers: Path, folders: Sequence[str]) -> tuple[Path, ...]:
    """Of an image's folders, which are named lowest first, those to be stacked; topmost first.

    Of the same layer in two places the upper one shows all that the lower one has or hides, and
    overlayfs refuses a folder that it has already.
    """
    found: dict[str, Path] = {}
    for folder in reversed(folders):
        found.setdefault(folder, layers / folder)
        if folder.endswith(_WHOLE):
            break
    return tuple(found.values())


def discard(folder: Path) -> None:
    """Out of the way first: removing a large tree takes its time, and may be interrupted."""
    if not folder.is_dir():
        return
    gone = folder.with_name(f"{folder.name.partition('.')[0]}.gone")
    if folder != gone:
        if gone.is_dir():
            files.remove_tree(gone)
        with faults.point("discard layer"):
            folder.rename(gone)
    files.remove_tree(gone)


@contextmanager
def locked(folder: Path, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """A lock that dies with its process (R06). Raises BlockingIOError without `wait`."""
    files.ensure_directory(folder)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, mode if wait else mode | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
