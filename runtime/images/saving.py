"""Writes images as an archive that both Docker and OCI tools read: `image save`.

    blobs/sha256/...   manifests, configs and layers, byte for byte as they came
    index.json, oci-layout    the OCI image layout
    manifest.json      the same for `docker load`

The same images give the same bytes: no times, no owner, a fixed order.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from runtime.errors import RuntimeFault
from runtime.images import digests, manifest
from runtime.images.archive import IMAGE_NAME, REF_NAME
from runtime.images.reference import Reference, parse_reference
from runtime.images.rows import ImageRow
from runtime.images.store import Store
from runtime.linux import faults, files


class Chosen(NamedTuple):
    """An image to save, and the names that go with it."""

    image: ImageRow
    names: tuple[Reference, ...]


class Sink(Protocol):
    """Where members go."""

    def add(self, name: str, size: int, chunks: Iterator[bytes]) -> None: ...


def choose(store: Store, texts: Sequence[str]) -> tuple[Chosen, ...]:
    """What `save` was asked for. A name without a tag means all of its tags; an id comes without a
    name. Raises NotFound."""
    chosen: dict[str, list[Reference]] = {}
    images: dict[str, ImageRow] = {}
    for text in texts:
        for image, name in _matches(store, text):
            images[image.id] = image
            chosen.setdefault(image.id, []).extend([name] if name else [])
    return tuple(Chosen(images[key], tuple(dict.fromkeys(names))) for key, names in chosen.items())


def _matches(store: Store, text: str) -> list[tuple[ImageRow, Reference | None]]:
    every = [(image, parse_reference(name)) for image in store.rows.all() for name in image.tags]
    found: list[tuple[ImageRow, Reference | None]] = [
        (image, name)
        for image, name in every
        if text in (name.familiar, str(name), name.familiar_repository, name.repository)
    ]
    return found or [(store.get(text), None)]


def save(store: Store, chosen: Sequence[Chosen], sink: Sink) -> None:
    """Write everything into the sink, the small documents last: they say that all is there."""
    with store.adding():  # what is being read is not collected
        written: set[str] = set()
        for item in chosen:
            for digest in item.image.blobs:
                if digest not in written:
                    written.add(digest)
                    _add_blob(store, digest, sink)
        _add_document(sink, "index.json", _index(store, chosen))
        _add_document(sink, "manifest.json", [_docker_item(store, item) for item in chosen])
        _add_document(sink, "oci-layout", {"imageLayoutVersion": "1.0.0"})


def _add_blob(store: Store, digest: str, sink: Sink) -> None:
    size = store.blobs.path(digest).stat().st_size
    sink.add(_blob_path(digest), size, store.blobs.verified_chunks(digest))


def _add_document(sink: Sink, name: str, document: Any) -> None:
    data = json.dumps(document, separators=(",", ":")).encode()
    sink.add(name, len(data), iter((data,)))


def _index(store: Store, chosen: Sequence[Chosen]) -> dict[str, Any]:
    entries = []
    for item in chosen:
        entry = _entry(store, item.image)
        if not item.names:
            entries.append(entry)
        for name in item.names:
            annotations = {IMAGE_NAME: str(name), REF_NAME: name.tag}
            entries.append({**entry, "annotations": annotations})
    return {"schemaVersion": 2, "mediaType": manifest.OCI_INDEX, "manifests": entries}


def _entry(store: Store, image: ImageRow) -> dict[str, Any]:
    data = store.blobs.read(image.manifest_digest, limit=manifest.MAX_MANIFEST)
    document = manifest.parse_manifest(data)
    assert isinstance(document, manifest.Manifest)
    platform = {"architecture": image.config.architecture, "os": image.config.os}
    if image.config.variant:
        platform["variant"] = image.config.variant
    return {
        "mediaType": document.media_type,
        "digest": image.manifest_digest,
        "size": len(data),
        "platform": platform,
    }


def _docker_item(store: Store, item: Chosen) -> dict[str, Any]:
    data = store.blobs.read(item.image.manifest_digest, limit=manifest.MAX_MANIFEST)
    document = manifest.parse_manifest(data)
    assert isinstance(document, manifest.Manifest)
    return {
        "Config": _blob_path(item.image.id),
        "RepoTags": [name.familiar for name in item.names] or None,
        "Layers": [_blob_path(layer.digest) for layer in document.layers],
    }


def _blob_path(digest: str) -> str:
    return f"blobs/{digests.check_digest(digest).replace(':', '/', 1)}"


class TarSink:
    """A tar stream; `write` takes the bytes."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        self._write(_header(name, size))
        for chunk in chunks:
            self._write(chunk)
        self._write(b"\0" * (-size % 512))

    def finish(self) -> None:
        self._write(b"\0" * 1024)


def _header(name: str, size: int) -> bytes:
    import tarfile

    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


class FolderSink:
    """An unpacked layout in an empty or new folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with faults.point("save blob"), open(path, "xb") as file:
            for chunk in chunks:
                file.write(chunk)


def save_to_path(store: Store, chosen: Sequence[Chosen], path: Path) -> None:
    """A directory where one stands, or where the path ends with a slash; else an archive,
    compressed when its name says so (.gz, .tgz, .zst). Nothing half-written keeps the name.
    """
    if path.is_dir():
        if any(path.iterdir()):
            raise RuntimeFault(
                f"{path} is not empty", code="E528", hint="save into a new or an empty directory"
            )
        save(store, chosen, FolderSink(path))
        return
    temporary = files.own_name_beside(path)
    try:
        with faults.point("save archive"), open(temporary, "wb") as file:
            save_to_stream(store, chosen, file, compression=_by_suffix(path))
        with faults.point("name archive"):
            temporary.rename(path)
    except OSError as error:
        raise RuntimeFault(
            f"cannot write {path}", code="E528", answered=str(error.strerror)
        ) from error
    finally:
        files.remove_file(temporary)


def save_to_stream(
    store: Store, chosen: Sequence[Chosen], stream: IO[bytes], *, compression: str = ""
) -> None:
    """A tar, for a pipe such as stdout."""
    with _compressed(stream, compression) as target:
        sink = TarSink(target.write)
        save(store, chosen, sink)
        sink.finish()


def _by_suffix(path: Path) -> str:
    return {".gz": "gzip", ".tgz": "gzip", ".zst": "zstd"}.get(path.suffix, "")


def _compressed(stream: IO[bytes], compression: str) -> Any:
    if compression == "gzip":
        import gzip

        return gzip.GzipFile("", "wb", fileobj=stream, mtime=0, compresslevel=6)
    if compression == "zstd":
        import zstandard

        return zstandard.ZstdCompressor().stream_writer(stream, closefd=False)
    return io.BufferedWriter(_Kept(stream), 1 << 20)


class _Kept(io.RawIOBase):
    """The stream without its end: closing this one leaves it open."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._stream.write(data)
