"""Images as OCI layouts on the disk, made layer by layer, for skopeo to bring where they are needed.

layout(folder, image(Tar().file("bin/sh", ...), command=("sh",)))     oci:FOLDER:latest
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

from tests.runtime.images.tars import Tar

OCI = "application/vnd.oci.image"
BUSYBOX = Path("/bin/busybox")


class Blob(NamedTuple):
    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


class Image(NamedTuple):
    """Everything of one image; `manifest` is last, and names the others."""

    config: Blob
    layers: tuple[Blob, ...]
    manifest: Blob
    platform: dict[str, str]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (*self.layers, self.config, self.manifest)


def image(
    *tars: bytes,
    compression: str = "gzip",
    architecture: str = "amd64",
    variant: str = "",
    annotations: dict[str, str] | None = None,
    **options: Any,
) -> Image:
    """`options` are fields of the config's `config`: `Cmd=["sh"]`."""
    layers = tuple(_layer(tar, compression) for tar in tars)
    platform = {"os": "linux", "architecture": architecture}
    if variant:
        platform["variant"] = variant
    config = Blob(
        dump(
            {
                **platform,
                "created": "2024-05-06T07:08:09Z",
                "config": options,
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars],
                },
                "history": [{"created_by": f"layer {number}"} for number in range(len(tars))],
            }
        ),
        f"{OCI}.config.v1+json",
    )
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": config.descriptor,
        "layers": [layer.descriptor for layer in layers],
    }
    if annotations:
        document["annotations"] = annotations
    return Image(config, layers, Blob(dump(document), f"{OCI}.manifest.v1+json"), platform)


def _layer(tar: bytes, compression: str) -> Blob:
    if compression == "gzip":
        return Blob(gzip.compress(tar, 1, mtime=0), f"{OCI}.layer.v1.tar+gzip")
    if compression == "zstd":
        return Blob(zstandard.compress(tar), f"{OCI}.layer.v1.tar+zstd")
    return Blob(tar, f"{OCI}.layer.v1.tar")


def index(*images: Image) -> Blob:
    return Blob(
        dump(
            {
                "schemaVersion": 2,
                "mediaType": f"{OCI}.index.v1+json",
                "manifests": [
                    {**one.manifest.descriptor, "platform": one.platform} for one in images
                ],
            }
        ),
        f"{OCI}.index.v1+json",
    )


def layout(folder: Path, *images: Image) -> Path:
    """One image as `oci:FOLDER:latest`; several as one index of that name."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    top = index(*images) if len(images) > 1 else images[0].manifest
    for blob in (*(blob for one in images for blob in one.blobs), top):
        (blobs / blob.digest.removeprefix("sha256:")).write_bytes(blob.data)
    entry = {
        **top.descriptor,
        "annotations": {"org.opencontainers.image.ref.name": "latest"},
    }
    (folder / "index.json").write_bytes(dump({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def busybox_tar(**files: bytes) -> bytes:
    """A root that runs: /bin/sh and its like, and further files by name at the top."""
    tar = Tar().folder("bin").file("bin/busybox", BUSYBOX.read_bytes(), mode=0o755)
    for name in ("sh", "cat", "echo", "ls", "sleep", "true"):
        tar.symlink(f"bin/{name}", "busybox")
    for name, content in files.items():
        tar.file(name, content)
    return tar.bytes


def dump(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
