"""The images of one root: blobs, unpacked layers, and the rows that say what is complete.

    images/blobs, images/ingest   blobs.py
    images/layers                 unpacking.py
    images/locks/                 one lock a layer; `users` is held shared by whoever adds images

Order is everything (R29): files complete and synced, then their name, then their row; and the
other way round when they go. A killed process leaves at most files without a row, which `collect`
removes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from runtime.errors import InUse, NotFound
from runtime.images import manifest
from runtime.images.blobs import Blobs
from runtime.images.following import Following
from runtime.images.reference import Reference, parse_reference
from runtime.images.rows import ImageRow, ImageRows, tag_of
from runtime.images.unpacking import OnBytes, Stack, discard, locked, shown_layers
from runtime.paths import Paths
from runtime.state.database import Database

Arrival = Callable[[manifest.Descriptor], AbstractContextManager[Following | None]]
"""Waits for a layer's blob until it is here (None), or until it comes and can be followed."""


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
        return shown_layers(self._layers, image.layers)

    # --- adding

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Nothing that is not referenced yet is collected while somebody is in this block."""
        with locked(self._locks, "users", shared=True):
            yield

    def add(
        self,
        parts: Parts,
        *,
        tags: Sequence[Reference] = (),
        known_as: Sequence[tuple[str, str]] = (),
        pulled_at: float | None = None,
        on_bytes: OnBytes | None = None,
        arrival: Arrival | None = None,
        stack: Stack | None = None,
    ) -> ImageRow:
        """Unpack what is not unpacked yet, then write the rows. Call within `adding`.

        With `arrival` the layers' blobs may still be coming: it is asked for each in turn. A
        `stack` is given by who unpacked them all already.
        """
        layers = (stack or self._stacked(parts, on_bytes, arrival)).rows
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
        # with the names that it had before; or another command has removed it already
        return self.rows.by_id(image.id) or image

    def stack(self, config: manifest.Config, count: int, on_bytes: OnBytes | None = None) -> Stack:
        """For the `count` layers of an image with this config. Raises BadImage."""
        if len(config.diff_ids) != count:
            raise manifest.BadImage(
                f"the image has {count} layers, and its config speaks of {len(config.diff_ids)}"
            )
        return Stack(self.paths.images, self.rows, config.diff_ids, on_bytes)

    def new_stack(self) -> Stack:
        """For an image whose config is still to be written."""
        return Stack(self.paths.images, self.rows, (), None)

    def _stacked(
        self, parts: Parts, on_bytes: OnBytes | None = None, arrival: Arrival | None = None
    ) -> Stack:
        stack = self.stack(parts.config, len(parts.layers), on_bytes)
        for blob in parts.layers:
            while arrival is not None:
                with arrival(blob) as following:
                    if following is None:
                        stack.put(blob.digest)
                        break
                    if stack.follow(blob.digest, following):
                        break
            else:
                stack.put(blob.digest)
        return stack

    def ensure_layers(self, image: ImageRow) -> None:
        """Unpack again what somebody removed from under us. Raises NotFound without its blobs."""
        if all((self._layers / folder).is_dir() for folder in image.layers):
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
            self._stacked(parts)

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
        with contextlib.suppress(BlockingIOError), locked(self._locks, "users", wait=False):
            return self._collect_layers() + self._collect_blobs()
        return 0

    def _collect_layers(self) -> int:
        needed = {folder for image in self.rows.all() for folder in image.layers}
        unneeded = [layer for layer in self.rows.layers() if layer.folder not in needed]
        self.rows.remove_layers(layer.folder for layer in unneeded)
        with contextlib.suppress(FileNotFoundError):
            for item in os.scandir(self._layers):
                if item.name not in needed:
                    discard(Path(item.path))
        return sum(layer.size for layer in unneeded)

    def _collect_blobs(self) -> int:
        needed = {digest for image in self.rows.all() for digest in image.blobs}
        unneeded = [(digest, size) for digest, size in self.blobs.all() if digest not in needed]
        for digest, _size in unneeded:
            self.blobs.remove(digest)
        self.rows.forget_places(digest for digest, _size in unneeded)
        return sum(size for _digest, size in unneeded) + self.blobs.remove_partials()


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


def _is_hex(text: str, at_least: int) -> bool:
    return at_least <= len(text) <= 64 and all(letter in "0123456789abcdef" for letter in text)


def _is_id_of(text: str, image: ImageRow) -> bool:
    """Whether the image was named by its id: a tag that looks like one comes first."""
    if text.startswith("sha256:") or _is_hex(text, 64):
        return True
    return _is_hex(text, 4) and tag_of(parse_reference(text)) not in image.tags
