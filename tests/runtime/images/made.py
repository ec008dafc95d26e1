"""Images for tests: a root file system of busybox, and archives of images made part by part."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BUSYBOX = "/bin/busybox"
APPLETS = (
    "sh",
    "sleep",
    "cat",
    "ls",
    "id",
    "env",
    "pwd",
    "true",
    "touch",
    "rm",
    "stat",
    "test",
    "find",
    "kill",
    "chmod",
)
PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
OCI = "application/vnd.oci.image"


def pack(data: bytes) -> bytes:
    """The same bytes at any time."""
    return gzip.compress(data, mtime=0)


def busybox_tar(files: Mapping[str, str] | None = None) -> bytes:
    """A root with busybox, a few users and further files by path; those that end in / are folders."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for folder in ("bin", "etc", "tmp", "root", "home", "home/app"):
            _add(archive, folder, tarfile.DIRTYPE, mode=0o755)
        with open(BUSYBOX, "rb") as file:
            _add(archive, "bin/busybox", tarfile.REGTYPE, file.read(), mode=0o755)
        for applet in APPLETS:
            _add(archive, f"bin/{applet}", tarfile.SYMTYPE, linkname="busybox")
        for path, text in {
            "etc/passwd": PASSWD,
            "etc/group": "app:x:1001:\nmore:x:1002:app\n",
            **(files or {}),
        }.items():
            if path.endswith("/"):
                _add(archive, path, tarfile.DIRTYPE, mode=0o755)
            else:
                _add(archive, path, tarfile.REGTYPE, text.encode(), mode=0o644)
    return data.getvalue()


def layer_of(files: Mapping[str, str]) -> bytes:
    """A layer of a few text files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for path, text in files.items():
            _add(archive, path, tarfile.REGTYPE, text.encode(), mode=0o644)
    return data.getvalue()


def _add(
    archive: tarfile.TarFile, name: str, kind: bytes, content: bytes = b"", **fields: Any
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = kind, len(content), 1_000_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    archive.addfile(info, io.BytesIO(content))


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Layout:
    """An OCI image layout in a folder, blob by blob; `tar` packs it up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str = "", **more: Any) -> dict[str, Any]:
        """Keep it; returns its descriptor."""
        (self.folder / "blobs" / "sha256" / digest(data).removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}

    def image(
        self,
        layers: Sequence[bytes],
        config: Mapping[str, Any] | None = None,
        *,
        tag: str = "",
        compress: Any = pack,
        kind: str = "+gzip",
        annotations: Mapping[str, str] | None = None,
        platform: str = "linux/amd64",
        **more: Any,
    ) -> str:
        """A whole image in the index; returns the digest of its manifest."""
        descriptor = self.manifest(
            layers,
            config,
            compress=compress,
            kind=kind,
            annotations=annotations,
            platform=platform,
            **more,
        )
        marks = {"org.opencontainers.image.ref.name": tag} if tag else {}
        self.add({**descriptor, **({"annotations": marks} if marks else {})})
        return descriptor["digest"]

    def manifest(
        self,
        layers: Sequence[bytes],
        config: Mapping[str, Any] | None = None,
        *,
        compress: Any = pack,
        kind: str = "+gzip",
        annotations: Mapping[str, str] | None = None,
        platform: str = "linux/amd64",
        **more: Any,
    ) -> dict[str, Any]:
        system, architecture, *variant = platform.split("/")
        document = {
            "architecture": architecture,
            "os": system,
            **({"variant": variant[0]} if variant else {}),
            "created": "2020-01-02T03:04:05.123456789Z",
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
            **more,
        }
        parts = [self.blob(compress(layer), f"{OCI}.layer.v1.tar{kind}") for layer in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": self.blob(json.dumps(document).encode(), f"{OCI}.config.v1+json"),
            "layers": parts,
            **({"annotations": dict(annotations)} if annotations else {}),
        }
        return self.blob(json.dumps(manifest).encode(), f"{OCI}.manifest.v1+json")

    def add(self, descriptor: Mapping[str, Any]) -> None:
        self.entries.append(dict(descriptor))
        index = {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": self.entries}
        (self.folder / "index.json").write_text(json.dumps(index))

    def tar(self) -> bytes:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            for path in sorted(self.folder.rglob("*")):
                archive.add(path, os.fspath(path.relative_to(self.folder)), recursive=False)
        return data.getvalue()


def docker_archive(
    layers: Sequence[bytes],
    config: Mapping[str, Any],
    names: Sequence[str] = (),
    *,
    linked: bool = False,
) -> bytes:
    """What `docker save` of 20.10 writes; with `linked` a layer that stands twice is a symlink."""
    document = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        paths, seen = [], {}
        for number, layer in enumerate(layers):
            folder = f"{number:064x}"
            _add(archive, folder, tarfile.DIRTYPE, mode=0o755)
            path = f"{folder}/layer.tar"
            if linked and digest(layer) in seen:
                _add(archive, path, tarfile.SYMTYPE, linkname=f"../{seen[digest(layer)]}")
            else:
                _add(archive, path, tarfile.REGTYPE, layer)
            seen.setdefault(digest(layer), path)
            paths.append(path)
        name = f"{digest(document).removeprefix('sha256:')}.json"
        _add(archive, name, tarfile.REGTYPE, document)
        items = [{"Config": name, "RepoTags": list(names) or None, "Layers": paths}]
        _add(archive, "manifest.json", tarfile.REGTYPE, json.dumps(items).encode())
    return data.getvalue()
