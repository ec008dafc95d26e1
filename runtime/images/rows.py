"""What the database knows of images. Rows only: files are store.py's, and come first (R29)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runtime import codec
from runtime.images.reference import Reference
from runtime.state.database import Database
from runtime.values import ContainerRecord, ImageConfig, VolumeRecord


class ImageRow(NamedTuple):
    """An image as it is kept."""

    id: str
    manifest_digest: str
    config: ImageConfig
    layers: tuple[str, ...]
    """Folders, lowest first."""
    blobs: tuple[str, ...]
    size: int
    created_at: float
    added_at: float = 0.0
    tags: Mapping[str, float | None] = {}
    """Canonical name -> when it was pulled; None: made or loaded here."""
    digests: tuple[tuple[str, str], ...] = ()
    """(repository, digest)."""


class LayerRow(NamedTuple):
    folder: str
    diff_id: str
    chain_id: str
    size: int
    entries: int


_IMAGE = "SELECT id, manifest_digest, config, layers, blobs, size, created_at, added_at FROM image"


class ImageRows:
    """The image tables of one root."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- images

    def all(self) -> tuple[ImageRow, ...]:
        """Newest first, as Docker lists them."""
        return self._images(f"{_IMAGE} ORDER BY created_at DESC, id")

    def by_id(self, beginning: str) -> ImageRow | None:
        """By the digest or the beginning of its hex, when that is of one image alone."""
        found = self._images(f"{_IMAGE} WHERE substr(id, 8, length(?1))=?1 LIMIT 2", beginning)
        return found[0] if len(found) == 1 else None

    def by_tag(self, name: str) -> ImageRow | None:
        query = f"{_IMAGE} WHERE id=(SELECT image_id FROM image_tag WHERE name=?)"
        return next(iter(self._images(query, name)), None)

    def by_digest(self, repository: str, digest: str) -> tuple[ImageRow, ...]:
        """More than one when an index was pulled for several platforms."""
        chosen = "SELECT image_id FROM image_digest WHERE repository=? AND digest=?"
        return self._images(f"{_IMAGE} WHERE id IN ({chosen})", repository, digest)

    def _images(self, query: str, *values: Any) -> tuple[ImageRow, ...]:
        return self._database.records(self._image, query, *values)

    def _image(self, row: Any) -> ImageRow:
        image_id, manifest_digest, config, layers, blobs, size, created_at, added_at = row
        tags = self._database.rows(
            "SELECT name, pulled_at FROM image_tag WHERE image_id=? ORDER BY name", image_id
        )
        known = self._database.rows(
            "SELECT repository, digest FROM image_digest WHERE image_id=? ORDER BY 1, 2", image_id
        )
        return ImageRow(
            image_id,
            manifest_digest,
            codec.loads(ImageConfig, config),
            tuple(json.loads(layers)),
            tuple(json.loads(blobs)),
            size,
            created_at,
            added_at,
            dict(tags),
            tuple((repository, digest) for repository, digest in known),
        )

    def add(self, image: ImageRow) -> None:
        """The image with its tags and digests, in one step. A tag is taken from who had it."""
        with self._database.transaction("add image", durable=True) as connection:
            connection.execute(
                "INSERT INTO image VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET"
                " manifest_digest=excluded.manifest_digest, layers=excluded.layers,"
                " blobs=excluded.blobs, size=excluded.size",
                (
                    image.id,
                    image.manifest_digest,
                    codec.dumps(image.config),
                    json.dumps(image.layers),
                    json.dumps(image.blobs),
                    image.size,
                    image.created_at,
                    time.time(),
                ),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO image_tag VALUES (?,?,?)",
                [(name, image.id, pulled_at) for name, pulled_at in image.tags.items()],
            )
            connection.executemany(
                "INSERT OR IGNORE INTO image_digest VALUES (?,?,?)",
                [(repository, digest, image.id) for repository, digest in image.digests],
            )

    def set_tag(self, name: str, image_id: str, *, pulled_at: float | None = None) -> None:
        with self._database.transaction("tag image", durable=True) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO image_tag VALUES (?,?,?)", (name, image_id, pulled_at)
            )

    def remove_tag(self, name: str) -> None:
        with self._database.transaction("untag image", durable=True) as connection:
            connection.execute("DELETE FROM image_tag WHERE name=?", (name,))

    def add_digest(self, image_id: str, repository: str, digest: str) -> None:
        """What the image is called in a registry."""
        with self._database.transaction("image digest", durable=True) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO image_digest VALUES (?,?,?)", (repository, digest, image_id)
            )

    def remove_digests(self, image_id: str, repository: str) -> None:
        with self._database.transaction("untag image", durable=True) as connection:
            connection.execute(
                "DELETE FROM image_digest WHERE image_id=? AND repository=?", (image_id, repository)
            )

    def remove(self, image_id: str) -> bool:
        """The image with all its names; False when a container was made from it meanwhile."""
        with self._database.transaction("remove image", durable=True) as connection:
            unused = "NOT EXISTS (SELECT 1 FROM container WHERE image_id=?1)"
            done = connection.execute(f"DELETE FROM image WHERE id=?1 AND {unused}", (image_id,))
            return done.rowcount > 0

    def users(self, image_id: str) -> tuple[str, ...]:
        """Names of the containers that are made from it."""
        query = "SELECT name FROM container WHERE image_id=? ORDER BY name"
        return tuple(row[0] for row in self._database.rows(query, image_id))

    def used_ids(self) -> frozenset[str]:
        """Of images that some container is made from."""
        return frozenset(row[0] for row in self._database.rows("SELECT image_id FROM container"))

    def mounts(self) -> tuple[tuple[str, str], ...]:
        """(container, id) for each image that a container mounts."""
        return tuple(
            (record.name, mount.image_id)
            for record in self._database.containers()
            for mount in record.options.mounts
            if mount.type == "image"
        )

    def neighbours(self) -> tuple[tuple[ContainerRecord, ...], tuple[VolumeRecord, ...]]:
        """What else lies in the root."""
        return self._database.containers(), self._database.volumes()

    # --- layers

    def layers(self) -> tuple[LayerRow, ...]:
        return self._layers("", ())

    def find_layer(self, diff_id: str, chain_id: str) -> LayerRow | None:
        """One that may lie on anything, or one that was made for just this chain."""
        found = self._layers("WHERE diff_id=? AND chain_id IN ('', ?)", (diff_id, chain_id))
        return found[0] if found else None

    def _layers(self, where: str, values: Sequence[str]) -> tuple[LayerRow, ...]:
        query = f"SELECT folder, diff_id, chain_id, size, entries FROM image_layer {where}"
        return tuple(LayerRow(*row) for row in self._database.rows(query, *values))

    def add_layer(self, layer: LayerRow) -> None:
        with self._database.transaction("add layer", durable=True) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO image_layer VALUES (?,?,?,?,?,?)", (*layer, time.time())
            )

    def remove_layers(self, folders: Iterable[str]) -> None:
        with self._database.transaction("remove layers", durable=True) as connection:
            connection.executemany(
                "DELETE FROM image_layer WHERE folder=?", [(folder,) for folder in folders]
            )

    # --- where blobs are known to be

    def add_places(self, digests: Iterable[str], registry: str, repository: str) -> None:
        with self._database.transaction("blob places") as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO image_blob_place VALUES (?,?,?)",
                [(digest, registry, repository) for digest in digests],
            )

    def places(self, digest: str, registry: str) -> tuple[str, ...]:
        """Repositories of that registry from which it can be mounted."""
        query = "SELECT repository FROM image_blob_place WHERE digest=? AND registry=?"
        return tuple(row[0] for row in self._database.rows(query, digest, registry))

    def forget_places(self, digests: Iterable[str]) -> None:
        with self._database.transaction("blob places") as connection:
            connection.executemany(
                "DELETE FROM image_blob_place WHERE digest=?", [(digest,) for digest in digests]
            )


def tag_of(reference: Reference) -> str:
    """The key of a tag: without a digest, with `latest` where nothing is said."""
    return str(reference._replace(digest="").with_tag)
