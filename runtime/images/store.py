"""The images of one root: blobs, unpacked layers, and the rows that say what is complete.

    images/blobs, images/ingest   blobs.py
    images/layers/NAME            an unpacked layer; NAME.*.new while it is made, NAME.gone later
    images/locks/                 one lock a layer; `users` is held shared by whoever adds images

Order is everything (R29): files complete and synced, then their name, then their row; and the
other way round when they go. A killed process leaves at most files without a row, which `collect`
removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from runtime.errors import InUse, NotFound
from runtime.images import digests, manifest
from runtime.images.blobs import Blobs
from runtime.images.layers import Unpacked, unpack_layer
from runtime.images.reference import Reference, parse_reference
from runtime.images.rows import ImageRow, ImageRows, LayerRow, tag_of
from runtime.images.streams import Ahead, Measured, decompressed
from runtime.images.tar_reader import BadArchive
from runtime.linux import faults, files, placing, syncing
from runtime.paths import Paths
from runtime.state.database import Database

OnBytes = Callable[[int], None]
"""Told how many compressed bytes of a layer were unpacked just now."""

AwaitBlob = Callable[[manifest.Descriptor], None]
"""Returns when the layer's blob is here."""


class Parts(NamedTuple):
    """An image whose blobs are all here, to be unpacked and named."""

    manifest: bytes
    media_type: str
    config: manifest.Config
    layers: tuple[manifest.Descriptor, ...]
    """Their blobs, lowest first, as many as the config has diff IDs."""
    further_blobs: tuple[str, ...] = ()
    """Kept as long as the image: the index that it was chosen from."""


class Store:
    """Cheap to make. One per thread, as the database behind it."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self.paths = paths
        self.rows = ImageRows(database)
        self.blobs = Blobs(paths.images)
        self._layers = paths.images / "layers"
        self._locks = paths.images / "locks"

    # --- finding

    def find(self, text: str) -> ImageRow | None:
        """By name, digest, id or the beginning of an id, as Docker reads it."""
        if (image_id := text.removeprefix("sha256:")) != text or _is_hex(text, 64):
            return self.rows.by_id(image_id)
        found = self.find_named(parse_reference(text))
        if found is None and _is_hex(text, 4):
            found = self.rows.by_id(text)
        return found

    def find_named(self, reference: Reference) -> ImageRow | None:
        if reference.digest:
            return next(iter(self.rows.by_digest(reference.repository, reference.digest)), None)
        return self.rows.by_tag(tag_of(reference))

    def get(self, text: str) -> ImageRow:
        """Raises NotFound."""
        if (found := self.find(text)) is None:
            raise NotFound(
                f"no such image: {text}",
                code="E500",
                hint="`pycompose image ls` shows what is here",
            )
        return found

    def layer_paths(self, image: ImageRow) -> tuple[Path, ...]:
        """Topmost first, as overlay wants them."""
        return tuple(self._layers / folder for folder in reversed(image.layers))

    # --- adding

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Nothing that is not referenced yet is collected while somebody is in this block."""
        with self._locked("users", shared=True):
            yield

    def add(
        self,
        parts: Parts,
        *,
        tags: Sequence[Reference] = (),
        known_as: Sequence[tuple[str, str]] = (),
        pulled_at: float | None = None,
        on_bytes: OnBytes | None = None,
        await_blob: AwaitBlob | None = None,
    ) -> ImageRow:
        """Unpack what is not unpacked yet, then write the rows. Call within `adding`.

        With `await_blob` the layers' blobs may still be coming: it is asked for each in turn.
        """
        layers = self._unpack(parts, on_bytes, await_blob)
        manifest_digest = self.blobs.put(parts.manifest)
        config = parts.config.image
        image = ImageRow(
            config.id,
            manifest_digest,
            config,
            tuple(layer.folder for layer in layers),
            tuple(
                dict.fromkeys(
                    (
                        manifest_digest,
                        config.id,
                        *(layer.digest for layer in parts.layers),
                        *parts.further_blobs,
                    )
                )
            ),
            sum(layer.size for layer in layers),
            manifest.seconds_of(config.created),
            tags={tag_of(tag): pulled_at for tag in tags},
            digests=tuple(known_as),
        )
        self.rows.add(image)
        return self.get(image.id)

    def _unpack(
        self, parts: Parts, on_bytes: OnBytes | None, await_blob: AwaitBlob | None
    ) -> list[LayerRow]:
        diff_ids = parts.config.diff_ids
        if len(diff_ids) != len(parts.layers):
            raise manifest.BadImage(
                f"the image has {len(parts.layers)} layers, and its config speaks of"
                f" {len(diff_ids)}"
            )
        done: list[LayerRow] = []
        chain = ""
        for diff_id, blob in zip(diff_ids, parts.layers, strict=True):
            chain = _chain_id(chain, diff_id)
            lowers = tuple(self._layers / layer.folder for layer in reversed(done))
            job = _Job(blob.digest, diff_id, chain, lowers)
            if await_blob is not None:
                await_blob(blob)
            done.append(self._ensure_layer(job, on_bytes))
        return done

    def _ensure_layer(self, job: _Job, on_bytes: OnBytes | None) -> LayerRow:
        if (found := self._find_layer(job)) is not None:
            return found
        with self._locked(digests.hex_of(job.diff_id)):
            # Somebody else may have made it while we waited
            return self._find_layer(job) or self._make_layer(job, on_bytes)

    def _find_layer(self, job: _Job) -> LayerRow | None:
        found = self.rows.find_layer(job.diff_id, job.chain_id)
        return found if found is not None and (self._layers / found.folder).is_dir() else None

    def _make_layer(self, job: _Job, on_bytes: OnBytes | None) -> LayerRow:
        name = digests.hex_of(job.chain_id)[:24]
        files.ensure_directory(self._layers)
        placing.spread_children(self._layers)
        for left in self._layers.glob(f"{name}.*.new"):
            _discard(left)
        # Never the same name again: where it lies on the disk is found from it
        building = self._layers / f"{name}.{os.urandom(4).hex()}.new"
        files.ensure_directory(building, mode=0o755)
        try:
            unpacked = self._unpack_into(building, job, on_bytes)
            with faults.point("sync layer"):
                _sync(building)
        except BaseException:
            _discard(building)
            raise
        row = LayerRow(
            name,
            job.diff_id,
            job.chain_id if unpacked.depends_on_lowers and job.lowers else "",
            unpacked.size,
            unpacked.entries,
        )
        _discard(self._layers / name)
        with faults.point("name layer"):
            building.rename(self._layers / name)
            files.sync_directory(self._layers)
        self.rows.add_layer(row)
        return row

    def _unpack_into(self, folder: Path, job: _Job, on_bytes: OnBytes | None) -> Unpacked:
        """Read, decompress, hash and write, each beside the others (V53: both digests count)."""
        packed = Measured(_reported(self.blobs.chunks(job.blob), on_bytes), digest_like=job.blob)
        try:
            with Ahead(decompressed(packed)) as plain:
                counted = Measured(plain, digest_like=job.diff_id)
                with Ahead(counted) as content:
                    unpacked = unpack_layer(content, folder, lowers=job.lowers)
            digests.verify(f"layer {job.blob[:19]}", expected=job.blob, found=packed.digest)
        except (BadArchive, digests.BadDigest):
            # What was verified when it came may have been changed on the disk since (R29)
            self._check_blob(job.blob)
            raise
        digests.verify(
            f"the content of layer {job.blob[:19]}", expected=job.diff_id, found=counted.digest
        )
        return unpacked

    def _check_blob(self, digest: str) -> None:
        """Raises DamagedBlob for one that is not what it was; it goes, so that the next try gets it
        anew."""
        try:
            for _ in self.blobs.verified_chunks(digest):
                pass
        except digests.BadDigest as error:
            self.blobs.remove(digest)
            raise digests.DamagedBlob(
                f"layer {digest[:19]} was damaged on the disk, and is removed",
                code="E511",
                tried=error.tried,
                answered=error.answered,
                hint="get the image again",
            ) from error

    def ensure_layers(self, image: ImageRow) -> None:
        """Unpack again what somebody removed from under us. Raises NotFound without its blobs."""
        if all(path.is_dir() for path in self.layer_paths(image)):
            return
        with self.adding():
            document = manifest.parse_manifest(
                self._read(image, image.manifest_digest, manifest.MAX_MANIFEST)
            )
            assert isinstance(document, manifest.Manifest)
            config = manifest.parse_config(
                self._read(image, image.id, manifest.MAX_CONFIG), image.id
            )
            for layer in document.layers:
                if not self.blobs.has(layer.digest, size=layer.size):
                    raise _incomplete(image)
            parts = Parts(b"", document.media_type, config, document.layers)
            self._unpack(parts, None, None)

    def _read(self, image: ImageRow, digest: str, limit: int) -> bytes:
        try:
            return self.blobs.read(digest, limit=limit)
        except FileNotFoundError:
            raise _incomplete(image) from None

    # --- names

    def tag(self, source: str, target: Reference) -> ImageRow:
        """A further name for an image. Raises NotFound."""
        image = self.get(source)
        self.rows.set_tag(tag_of(target), image.id)
        return image

    def remove(self, text: str, *, force: bool = False, prune: bool = True) -> list[str]:
        """Remove a name, and the image with its last one; an id means all of its names. Returns
        lines as `docker rmi` prints them.

        Raises NotFound; InUse while a container needs it, or when an id has names in several
        repositories. `force` takes names away all the same; an image that is needed stays, without.
        """
        image = self.get(text)
        is_id = _is_id_of(text, image)
        names = [parse_reference(name) for name in image.tags]
        removed = names if is_id else [parse_reference(text).with_tag]
        repositories = {name.repository for name in names}
        if is_id and len(repositories) > 1 and not force:
            raise InUse(
                f"image {text} has several names: {', '.join(n.familiar for n in names)}",
                code="E506",
                hint="remove them by name, or use --force",
            )
        remains = not is_id and any(name not in removed for name in names)
        users = () if remains else self.users(image)
        if users and (is_id or not force):
            raise _used(text, users)
        return self._remove(image, removed, keep=bool(remains or users), prune=prune)

    def users(self, image: ImageRow) -> tuple[str, ...]:
        """Names of the containers that are made from it or mount it."""
        mounted = (name for name, image_id in self.rows.mounts() if image_id == image.id)
        return tuple(sorted({*self.rows.users(image.id), *mounted}))

    def used_ids(self) -> frozenset[str]:
        """Of all images that containers are made from or mount."""
        return self.rows.used_ids() | {image_id for _name, image_id in self.rows.mounts()}

    def _remove(
        self, image: ImageRow, names: Sequence[Reference], *, keep: bool, prune: bool
    ) -> list[str]:
        lines = []
        # When nothing was removed, somebody else was faster: with a container, or with a removal
        if not keep and not self.rows.remove(image.id) and (users := self.users(image)):
            raise _used(image.id, users)
        for name in names:
            if keep and name.digest:
                self.rows.remove_digests(image.id, name.repository)
            elif keep:
                self.rows.remove_tag(tag_of(name))
            lines.append(f"Untagged: {name.familiar}")
        if keep:
            return lines
        lines += [
            f"Untagged: {parse_reference(name).familiar_repository}@{digest}"
            for name, digest in image.digests
        ]
        lines.append(f"Deleted: {image.id}")
        if prune:
            self.collect()
        return list(dict.fromkeys(lines))

    # --- collecting

    def collect(self) -> int:
        """Remove layers and blobs that no image needs; returns the bytes freed.

        Does nothing while an image is being added: the next one to collect finds the rest.
        """
        with contextlib.suppress(BlockingIOError), self._locked("users", wait=False):
            return self._collect_layers() + self._collect_blobs()
        return 0

    def _collect_layers(self) -> int:
        needed = {folder for image in self.rows.all() for folder in image.layers}
        unneeded = [layer for layer in self.rows.layers() if layer.folder not in needed]
        self.rows.remove_layers(layer.folder for layer in unneeded)
        with contextlib.suppress(FileNotFoundError):
            for item in os.scandir(self._layers):
                if item.name not in needed:
                    _discard(Path(item.path))
        return sum(layer.size for layer in unneeded)

    def _collect_blobs(self) -> int:
        needed = {digest for image in self.rows.all() for digest in image.blobs}
        unneeded = [(digest, size) for digest, size in self.blobs.all() if digest not in needed]
        for digest, _size in unneeded:
            self.blobs.remove(digest)
        self.rows.forget_places(digest for digest, _size in unneeded)
        return sum(size for _digest, size in unneeded) + self.blobs.remove_partials()

    # --- locks

    @contextmanager
    def _locked(self, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
        """A lock that dies with its process (R06). Raises BlockingIOError without `wait`."""
        files.ensure_directory(self._locks)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._locks / name, flags, 0o600)
        try:
            mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, mode if wait else mode | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)


class _Job(NamedTuple):
    """One layer to unpack."""

    blob: str
    diff_id: str
    chain_id: str
    lowers: tuple[Path, ...]


def _used(text: str, users: Sequence[str]) -> InUse:
    return InUse(
        f"image {text} is used by {', '.join(users)}",
        code="E316",
        hint="remove these containers first",
    )


def _incomplete(image: ImageRow) -> NotFound:
    name = next((parse_reference(name).familiar for name in image.tags), image.id)
    return NotFound(
        f"image {name} is incomplete: its files were removed",
        code="E513",
        hint=f"remove it with `pycompose image rm {name}` and get it again",
    )


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


def _is_hex(text: str, at_least: int) -> bool:
    return at_least <= len(text) <= 64 and all(letter in "0123456789abcdef" for letter in text)


def _is_id_of(text: str, image: ImageRow) -> bool:
    """Whether the image was named by its id: a tag that looks like one comes first."""
    if text.startswith("sha256:") or _is_hex(text, 64):
        return True
    return _is_hex(text, 4) and tag_of(parse_reference(text)) not in image.tags


def _discard(folder: Path) -> None:
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


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        syncing.sync_folder(descriptor)
    finally:
        os.close(descriptor)
