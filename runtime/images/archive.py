"""Loads images from what `docker save` writes and from OCI layouts, as archive or directory.

Either says where each part lies (manifest.json, or index.json and the blobs below it); where both
are there the OCI part wins, since it has the manifests themselves, and the other gives the names.
Sources: the image layout chapter of the OCI image specification; Docker's image tarball page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runtime.errors import NotFound, RuntimeFault
from runtime.images import digests, manifest
from runtime.images.archive_source import Source, Stored, open_source, open_stream
from runtime.images.importing import manifest_document
from runtime.images.manifest import Descriptor, Index, Manifest, Platform
from runtime.images.reference import BadReference, Reference, parse_reference
from runtime.images.rows import ImageRow
from runtime.images.store import Parts, Store
from runtime.images.streams import compression_of
from runtime.images.tar_reader import BadArchive
from runtime.images.unpacking import Stack
from runtime.values import Progress

OnProgress = Callable[[Progress], None]

IMAGE_NAME = "io.containerd.image.name"
REF_NAME = "org.opencontainers.image.ref.name"
_MAX_INDEX_DEPTH = 4
_MEDIA_TYPES = {
    "none": manifest.OCI_LAYER,
    "gzip": f"{manifest.OCI_LAYER}+gzip",
    "zstd": f"{manifest.OCI_LAYER}+zstd",
}


class Loaded(NamedTuple):
    """One image of an archive, and the names that it came with."""

    image: ImageRow
    names: tuple[Reference, ...]


def load(
    store: Store,
    source: Path | int,
    *,
    wanted: Platform,
    is_given: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[Loaded, ...]:
    """Everything in the archive at a path or behind a descriptor, for the wanted platform where
    there is a choice; without a choice only when it `is_given` must it fit.

    Raises BadArchive, BadImage, NotFound.
    """
    with store.adding():
        opened = (
            open_stream(store.blobs, source)
            if isinstance(source, int)
            else open_source(store.blobs, source)
        )
        with opened as members:
            loader = _Loader(store, members, wanted, is_given, on_progress)
            return tuple(loader.load_all())


def load_layout(
    store: Store,
    path: Path,
    *,
    tag: str = "",
    wanted: Platform,
    is_given: bool = False,
    on_progress: OnProgress | None = None,
) -> ImageRow:
    """The one image that `oci:PATH[:TAG]` means, without a name. Raises NotFound, BadImage."""
    with store.adding(), open_source(store.blobs, path) as members:
        loader = _Loader(store, members, wanted, is_given, on_progress)
        return loader.load_one(_chosen(members, path, tag))


def find_layout(store: Store, path: Path, *, tag: str, wanted: Platform) -> ImageRow | None:
    """The same, when it is in the store already; reads the layout's small documents alone."""
    with open_source(store.blobs, path) as members:
        loader = _Loader(store, members, wanted, False, None)
        return store.rows.by_id(digests.hex_of(loader.manifest_of(_chosen(members, path, tag)).id))


def _chosen(members: Source, path: Path, tag: str) -> Descriptor:
    if not members.has("index.json"):
        raise NotFound(
            f"{path} is no OCI image layout: it has no index.json",
            code="E526",
            hint="an image layout is what `skopeo copy ... oci:PATH` writes",
        )
    entries = _top_entries(members)
    named = (
        [entry for entry in entries if entry.annotations.get(REF_NAME) == tag] if tag else entries
    )
    if not named:
        known = ", ".join(entry.annotations.get(REF_NAME, "") for entry in entries)
        raise NotFound(
            f"no image `{tag}` in {path}", code="E526", answered=f"there are: {known or 'none'}"
        )
    if len(named) > 1 and not tag:
        known = ", ".join(sorted(entry.annotations.get(REF_NAME, "") for entry in named))
        raise RuntimeFault(
            f"{path} holds several images", code="E527", hint=f"write oci:PATH:TAG, of {known}"
        )
    return named[0]


def _top_entries(members: Source) -> tuple[Descriptor, ...]:
    index = manifest.parse_manifest(
        members.read("index.json", manifest.MAX_MANIFEST), manifest.OCI_INDEX
    )
    assert isinstance(index, Index)
    return index.manifests


class _Found(NamedTuple):
    """A manifest for the wanted platform, with its bytes and what led to it."""

    id: str
    """The digest of the config."""
    data: bytes
    document: Manifest
    indexes: tuple[bytes, ...] = ()


class _Loader:
    def __init__(
        self,
        store: Store,
        members: Source,
        wanted: Platform,
        is_given: bool,
        on_progress: OnProgress | None,
    ) -> None:
        self._store = store
        self._members = members
        self._wanted = wanted
        self._is_platform_given = is_given
        self._on_progress = on_progress

    def load_all(self) -> Iterator[Loaded]:
        names = self._docker_names()
        if self._members.has("index.json") and self._members.has("oci-layout"):
            done: dict[str, list[Reference]] = {}
            for entry in _top_entries(self._members):
                if entry.is_attestation:
                    continue
                found = self.manifest_of(entry)
                done.setdefault(found.id, []).extend(
                    [*_annotated_names(entry), *names.get(found.id, ())]
                )
                yield self._add_found(found, tuple(dict.fromkeys(done[found.id])))
        elif self._members.has("manifest.json"):
            for item in self._docker_manifest():
                yield self._add_docker(item)
        else:
            raise BadArchive(
                "the archive holds no image: neither manifest.json nor index.json is there"
            )

    def load_one(self, entry: Descriptor) -> ImageRow:
        return self._add_found(self.manifest_of(entry), ()).image

    # --- OCI layouts

    def manifest_of(self, entry: Descriptor, depth: int = 0) -> _Found:
        """Through indexes to the manifest of the wanted platform."""
        data = self._blob(entry.digest, manifest.MAX_MANIFEST)
        document = manifest.parse_manifest(data, entry.media_type)
        if isinstance(document, Manifest):
            return _Found(document.config.digest, data, document)
        if depth == _MAX_INDEX_DEPTH:
            raise manifest.BadImage("indexes within indexes without end")
        # A saved index names platforms that were not saved with it
        here = Index(
            tuple(one for one in document.manifests if self._members.has(_blob_path(one.digest)))
        )
        found = self.manifest_of(manifest.choose(here, self._wanted), depth + 1)
        return found._replace(indexes=(data, *found.indexes))

    def _add_found(self, found: _Found, names: tuple[Reference, ...]) -> Loaded:
        document = found.document
        config_data = self._blob(document.config.digest, manifest.MAX_CONFIG)
        config = manifest.parse_config(config_data, document.config.digest)
        if self._is_platform_given:
            manifest.check_platform(config.platform, self._wanted, name="the image")
        self._store.blobs.put(config_data)
        indexes = tuple(self._store.blobs.put(data) for data in found.indexes)
        total = sum(layer.size for layer in document.layers)
        stack = self._stack(config, len(document.layers), total)
        for layer in document.layers:
            self._stack_layer(stack, _blob_path(layer.digest), layer.digest, layer.size)
        parts = Parts(found.data, document.media_type, config, document.layers, indexes)
        return Loaded(self._store.add(parts, tags=names, stack=stack), names)

    def _blob(self, digest: str, limit: int) -> bytes:
        data = self._members.read(_blob_path(digest), limit)
        measured = digests.new_hash(digest)
        measured.update(data)
        found = f"{digest.partition(':')[0]}:{measured.hexdigest()}"
        digests.verify(f"blob {digest[:19]} of the archive", expected=digest, found=found)
        return data

    # --- docker save

    def _docker_manifest(self) -> list[dict[str, Any]]:
        data = self._members.read("manifest.json", manifest.MAX_MANIFEST)
        try:
            items = json.loads(data)
        except ValueError as error:
            raise BadArchive(f"manifest.json is no JSON document: {error}") from error
        if not isinstance(items, list) or not all(_is_item(item) for item in items):
            raise BadArchive("manifest.json is not what `docker save` writes")
        return items

    def _docker_names(self) -> dict[str, list[Reference]]:
        """By the digest of the config."""
        if not self._members.has("manifest.json"):
            return {}
        return {
            digests.digest_of(self._members.read(item["Config"], manifest.MAX_CONFIG)): _names(
                item.get("RepoTags") or ()
            )
            for item in self._docker_manifest()
        }

    def _add_docker(self, item: dict[str, Any]) -> Loaded:
        config_data = self._members.read(item["Config"], manifest.MAX_CONFIG)
        config_digest = self._store.blobs.put(config_data)
        config = manifest.parse_config(config_data, config_digest)
        paths = item["Layers"]
        stack = self._stack(config, len(paths), sum(self._members.size(path) for path in paths))
        layers = tuple(self._docker_layer(stack, path) for path in paths)
        document = manifest_document(config_digest, len(config_data), layers)
        names = tuple(_names(item.get("RepoTags") or ()))
        parts = Parts(document, manifest.OCI_MANIFEST, config, layers)
        return Loaded(self._store.add(parts, tags=names, stack=stack), names)

    def _docker_layer(self, stack: Stack, path: str) -> Descriptor:
        beginning = next(self._members.chunks(path), b"")
        compression = compression_of(beginning)
        if compression not in _MEDIA_TYPES:
            raise BadArchive(f"layer {path} is compressed with {compression}")
        digest, size = self._stack_layer(stack, path)
        return Descriptor(_MEDIA_TYPES[compression], digest, size)

    # --- both

    def _stack(self, config: manifest.Config, count: int, total: int) -> Stack:
        seen = 0

        def on_bytes(size: int) -> None:
            nonlocal seen
            seen += size
            if self._on_progress is not None:
                short = digests.hex_of(config.image.id)[:12]
                self._on_progress(
                    Progress(id=short, text="Loading", current=seen, total=max(total, seen))
                )

        return self._store.stack(config, count, on_bytes)

    def _stack_layer(
        self, stack: Stack, path: str, expected: str = "", size: int | None = None
    ) -> tuple[str, int]:
        """Unpack a member; returns (digest, size) of its blob."""
        if expected and self._store.blobs.has(expected, size=size):
            stack.put(expected)
            return expected, self._members.size(path) if size is None else size
        found = self._members.size(path)
        if size is not None and found != size:
            raise BadArchive(f"{path} has {found} bytes instead of {size}")
        member = self._members.find(path)
        if isinstance(member, Stored) and expected in ("", member.digest):
            stack.put(member.digest)
            return member.digest, member.size
        return stack.take(self._members.chunks(path), expected=expected, size=found)


def _blob_path(digest: str) -> str:
    return f"blobs/{digests.check_digest(digest).replace(':', '/', 1)}"


def _is_item(item: object) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("Config"), str)
        and isinstance(item.get("Layers"), list)
        and all(isinstance(path, str) for path in item["Layers"])
    )


def _names(texts: Sequence[object]) -> list[Reference]:
    """Raises BadReference: a name that cannot be written cannot be used either."""
    return [parse_reference(str(text)).with_tag for text in texts]


def _annotated_names(entry: Descriptor) -> list[Reference]:
    """containerd's annotation is a whole name; OCI's often the tag alone, which names nothing."""
    whole = entry.annotations.get(IMAGE_NAME, "")
    if not whole and ("/" in (ref := entry.annotations.get(REF_NAME, "")) or ":" in ref):
        whole = ref
    try:
        return [parse_reference(whole).with_tag] if whole else []
    except BadReference:
        return []
