"""Makes an image of one layer from a tar of a root file system: `image import`."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from typing import Any

from runtime.images import digests, manifest
from runtime.images.changes import apply_changes
from runtime.images.reference import Reference
from runtime.images.rows import ImageRow
from runtime.images.store import Parts, Store
from runtime.images.streams import Ahead, decompressed


def import_tar(
    store: Store,
    chunks: Iterable[bytes],
    *,
    platform: manifest.Platform,
    tags: Sequence[Reference] = (),
    changes: Sequence[str] = (),
    message: str = "",
    source: str = "-",
) -> ImageRow:
    """`chunks` is the tar, compressed or not. Raises BadArchive, BadChange, RuntimeFault."""
    options = apply_changes(changes)
    with store.adding():
        stack = store.new_stack()
        with Ahead(decompressed(chunks)) as plain:
            digest, size = stack.take_new(plain)
        config = _config_document(options, digest, platform, message or f"Imported from {source}")
        config_digest = store.blobs.put(config)
        layer = manifest.Descriptor(manifest.OCI_LAYER, digest, size)
        parts = Parts(
            manifest_document(config_digest, len(config), [layer]),
            manifest.OCI_MANIFEST,
            manifest.parse_config(config, config_digest),
            (layer,),
        )
        return store.add(parts, tags=tags, stack=stack)


def _config_document(
    options: dict[str, Any], diff_id: str, platform: manifest.Platform, comment: str
) -> bytes:
    now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "config": options,
        "created": now,
        "history": [{"created": now, "comment": comment}],
        "os": platform.os,
        "rootfs": {"type": "layers", "diff_ids": [digests.check_digest(diff_id)]},
    }
    if platform.variant:
        document["variant"] = platform.variant
    return json.dumps(document, separators=(",", ":")).encode()


def manifest_document(
    config_digest: str, config_size: int, layers: Sequence[manifest.Descriptor]
) -> bytes:
    """An OCI manifest for blobs that came without one. The same parts give the same bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": manifest.OCI_MANIFEST,
        "config": {
            "mediaType": manifest.OCI_CONFIG,
            "digest": config_digest,
            "size": config_size,
        },
        "layers": [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
            for layer in layers
        ],
    }
    return json.dumps(document, separators=(",", ":")).encode()
