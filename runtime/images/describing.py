"""What `image inspect`, `image history` and `system df` tell: rows and blobs -> values. Reads only.

Removing is managing.py's; how it is printed, compose/output/'s.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from runtime.images import manifest, uppers
from runtime.images.front import image_record
from runtime.images.reference import parse_reference
from runtime.images.rows import ImageRow
from runtime.images.store import Store
from runtime.paths import Paths
from runtime.values import DiskUsage, HistoryLine, ImageDetails, ImageUsage


def describe_image(store: Store, text: str) -> ImageDetails:
    """Raises NotFound; BadDigest when its blobs were changed on the disk."""
    image = store.get(text)
    config_data = store.blobs.read(image.id, limit=manifest.MAX_CONFIG)
    config = manifest.parse_config(config_data, image.id)
    manifest_data = store.blobs.read(image.manifest_digest, limit=manifest.MAX_MANIFEST)
    document = manifest.parse_manifest(manifest_data)
    assert isinstance(document, manifest.Manifest)
    return ImageDetails(
        record=image_record(image, text),
        names=tuple(parse_reference(name).familiar for name in image.tags),
        digests=known_digests(image),
        media_type=document.media_type,
        manifest_digest=image.manifest_digest,
        manifest_size=len(manifest_data),
        layers=config.diff_ids,
        folders=tuple(str(path) for path in reversed(store.layer_paths(image))),
        annotations=document.annotations,
        history=_history(store, image, config),
        document=config_data.decode(),
        tagged_at=max((moment or image.added_at for moment in image.tags.values()), default=0.0),
    )


def known_digests(image: ImageRow) -> tuple[str, ...]:
    """`nginx@sha256:...` for each repository that knows it."""
    return tuple(
        f"{parse_reference(repository).familiar_repository}@{digest}"
        for repository, digest in image.digests
    )


def _history(store: Store, image: ImageRow, config: manifest.Config) -> tuple[HistoryLine, ...]:
    """Each step with the size of its layer; layers that no step speaks of get one of their own."""
    sizes = {layer.folder: layer.size for layer in store.rows.layers()}
    layers = [sizes.get(folder, 0) for folder in image.layers]
    steps = list(config.history)
    missing = len(layers) - sum(not step.is_empty for step in steps)
    steps += [manifest.History(created=config.image.created)] * max(missing, 0)
    waiting = iter(layers)
    return tuple(
        HistoryLine(
            created_at=manifest.seconds_of(step.created),
            created_by=step.created_by,
            comment=step.comment,
            size=0 if step.is_empty else next(waiting, 0),
        )
        for step in steps
    )


def measure(store: Store, paths: Paths) -> DiskUsage:
    """What everything takes. Images by their rows; containers and volumes by looking."""
    images = store.rows.all()
    sizes = {layer.folder: layer.size for layer in store.rows.layers()}
    users = Counter(folder for image in images for folder in set(image.layers))
    blobs = dict(store.blobs.all())
    wanted = {digest for image in images for digest in image.blobs}
    containers, volumes = store.rows.neighbours()
    made = Counter(record.image_id for record in containers)
    return DiskUsage(
        images=tuple(_image_usage(image, sizes, users, made[image.id]) for image in images),
        layers=sum(sizes.values()),
        blobs=sum(blobs.values()),
        leftovers=sum(size for digest, size in blobs.items() if digest not in wanted)
        + sum(size for folder, size in sizes.items() if folder not in users),
        containers={
            record.id: tree_size(uppers.find(paths.container(record.id))) for record in containers
        },
        volumes={volume.name: tree_size(Path(volume.path)) for volume in volumes},
    )


def _image_usage(
    image: ImageRow, sizes: Mapping[str, int], users: Mapping[str, int], containers: int
) -> ImageUsage:
    folders = set(image.layers)
    shared = sum(sizes.get(folder, 0) for folder in folders if users[folder] > 1)
    unique = sum(sizes.get(folder, 0) for folder in folders if users[folder] == 1)
    return ImageUsage(
        record=image_record(image, next(iter(image.tags), "")),
        shared=shared,
        unique=unique,
        containers=containers,
    )


def tree_size(folder: Path) -> int:
    """Bytes of the files below, a file with several names once; what goes away meanwhile is left
    out."""
    seen: set[tuple[int, int]] = set()
    return sum(_sizes(os.fspath(folder), seen))


def _sizes(folder: str, seen: set[tuple[int, int]]) -> Iterator[int]:
    try:
        items = list(os.scandir(folder))
    except OSError:
        return
    for item in items:
        try:
            status = item.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _sizes(item.path, seen)
        elif stat.S_ISREG(status.st_mode):
            key = (status.st_dev, status.st_ino)
            if status.st_nlink == 1 or key not in seen:
                seen.add(key)
                yield status.st_size
