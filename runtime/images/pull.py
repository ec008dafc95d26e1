"""An image from its registry: manifest, config, layers, then the rows that name it.

Layers come a few at once, and are unpacked from the lowest while they come. What is here already is
not asked for: a second pull is one request. Nothing is named before everything is verified and
safe; what was verified stays for the next try.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from runtime.errors import NotFound, RuntimeFault
from runtime.images import digests, manifest
from runtime.images.access import Access
from runtime.images.blobs import room_on
from runtime.images.downloads import Downloads, Steps
from runtime.images.following import Following
from runtime.images.http_client import Cancellation, Cancelled
from runtime.images.layers import no_space
from runtime.images.manifest import Descriptor, Index, Manifest, Platform
from runtime.images.reference import Reference
from runtime.images.registry import Repository
from runtime.images.rows import ImageRow, tag_of
from runtime.images.store import Parts, Store
from runtime.values import Progress

T = TypeVar("T")

OnProgress = Callable[[Progress], None]

_MAX_INDEX_DEPTH = 4


class Pulled(NamedTuple):
    image: ImageRow
    is_new: bool
    """False: the name already meant it."""


def pull(
    store: Store,
    access: Access,
    reference: Reference,
    *,
    machine: Platform,
    platform: str = "",
    report: OnProgress = lambda progress: None,
) -> Pulled:
    """From the first place that has it. `platform` empty: the machine's.

    Raises NotFound (no such tag, no such platform), BadDigest, BadImage, RuntimeFault, Cancelled.
    """
    wanted = manifest.parse_platform(platform, machine)
    with store.adding():
        for repository in access.sources(reference):
            try:
                return _pull_from(store, access, repository, reference, wanted, Steps(report))
            except Cancelled:
                raise
            except RuntimeFault as fault:
                if not repository.endpoint.is_mirror or not _is_of_registry(fault):
                    raise
    raise AssertionError("the registry itself is the last of its sources")


def _pull_from(
    store: Store,
    access: Access,
    repository: Repository,
    reference: Reference,
    wanted: Platform,
    steps: Steps,
) -> Pulled:
    work = _Pull(store, repository, reference, wanted, steps, access.cancellation)
    try:
        return work.run()
    except digests.DamagedBlob:
        work.remove_damaged()
    again = access.renewed(repository)
    return _Pull(store, again, reference, wanted, steps, access.cancellation).run()


def _is_of_registry(fault: RuntimeFault) -> bool:
    """Another place may do better: E51x damaged, E53x no image, E54x refused or out of reach."""
    return fault.code[:3] in ("E51", "E53", "E54")


class _Pull:
    """One image from one place."""

    def __init__(
        self,
        store: Store,
        repository: Repository,
        reference: Reference,
        wanted: Platform,
        steps: Steps,
        cancellation: Cancellation,
    ) -> None:
        self._store = store
        self._blobs = store.blobs
        self._repository = repository
        self._reference = reference
        self._wanted = wanted
        self._steps = steps
        self._cancellation = cancellation
        self._indexes: list[bytes] = []
        self._kept_layers: tuple[Descriptor, ...] = ()

    def run(self) -> Pulled:
        name = self._reference.digest or self._reference.tag
        before = self._store.find_named(self._reference)
        digest = self._reference.digest
        if before is not None and not digest:
            # The question costs no share of a rate limit; the answer is mostly what we have
            digest = self._repository.find_digest(name)
        known = self._known(digest) if before is not None and digest else None
        if known is not None:
            if not self._reference.digest:
                self._store.rows.set_tag(tag_of(self._reference), known.id, pulled_at=time.time())
            return Pulled(self._store.get(known.id), before is None or known.id != before.id)
        image = self._fetch(digest or name)
        return Pulled(image, before is None or image.id != before.id)

    def _known(self, digest: str) -> ImageRow | None:
        """The image that the digest means here, if all of it is here."""
        repository = self._reference.repository
        for image in self._store.rows.by_digest(repository, digest):
            if self._chosen_of(digest) in ("", image.manifest_digest) and all(
                self._blobs.has(blob) for blob in image.blobs
            ):
                return image
        return None

    def _chosen_of(self, digest: str) -> str:
        """The manifest for our platform below a kept index; empty when there was no index."""
        try:
            document = manifest.parse_manifest(
                self._blobs.read(digest, limit=manifest.MAX_MANIFEST)
            )
            for _ in range(_MAX_INDEX_DEPTH):
                if isinstance(document, Manifest):
                    return digest
                digest = manifest.choose(document, self._wanted).digest
                document = manifest.parse_manifest(
                    self._blobs.read(digest, limit=manifest.MAX_MANIFEST)
                )
        except (RuntimeFault, FileNotFoundError):
            pass
        return digest

    # --- documents

    def _fetch(self, name: str) -> ImageRow:
        fetched = self._repository.fetch_manifest(name)
        document, data = self._manifest(fetched.data, fetched.media_type)
        config_data = self._small(document.config, manifest.MAX_CONFIG)
        config = manifest.parse_config(config_data, document.config.digest)
        if config.image.architecture:
            manifest.check_platform(config.platform, self._wanted, name=self._reference.familiar)
        self._blobs.put(config_data)
        indexes = tuple(self._blobs.put(index) for index in self._indexes)
        parts = Parts(data, document.media_type, config, document.layers, indexes)
        self._kept_layers = document.layers
        return self._add(parts, fetched.digest)

    def remove_damaged(self) -> None:
        """R29: layers that were changed on the disk, as the one that was found, are to be fetched
        anew."""
        for layer in self._kept_layers:
            if self._is_damaged(layer.digest):
                self._blobs.remove(layer.digest)

    def _is_damaged(self, digest: str) -> bool:
        try:
            for _ in self._blobs.verified_chunks(digest):
                self._cancellation.check()
        except digests.BadDigest:
            return True
        except FileNotFoundError:
            pass
        return False

    def _manifest(self, data: bytes, media_type: str) -> tuple[Manifest, bytes]:
        """Through indexes to the manifest of the wanted platform."""
        document = manifest.parse_manifest(data, media_type)
        while isinstance(document, Index):
            self._indexes.append(data)
            if len(self._indexes) > _MAX_INDEX_DEPTH:
                raise manifest.BadImage("indexes within indexes without end")
            entry = manifest.choose(document, self._wanted, name=self._reference.familiar)
            data, media_type = self._listed_manifest(entry)
            document = manifest.parse_manifest(data, media_type)
        return document, data

    def _listed_manifest(self, entry: Descriptor) -> tuple[bytes, str]:
        if (kept := self._kept(entry, manifest.MAX_MANIFEST)) is not None:
            return kept, entry.media_type
        fetched = self._repository.fetch_manifest(entry.digest)
        _check_size(fetched.data, entry)
        return fetched.data, fetched.media_type or entry.media_type

    def _small(self, entry: Descriptor, limit: int) -> bytes:
        """A config: from here, or fetched and verified."""
        if entry.size > limit:
            raise manifest.BadImage(
                f"a config of {entry.size} bytes; {limit} are allowed", code="E512"
            )
        if (kept := self._kept(entry, limit)) is not None:
            return kept
        data = self._repository.fetch_small_blob(entry.digest, limit)
        _check_size(data, entry)
        return data

    def _kept(self, entry: Descriptor, limit: int) -> bytes | None:
        """What an earlier pull left, unless it was damaged on the disk since (R29)."""
        if not self._blobs.has(entry.digest, size=entry.size):
            return None
        try:
            return self._blobs.read(entry.digest, limit=limit)
        except digests.BadDigest:
            self._blobs.remove(entry.digest)
            return None

    # --- layers

    def _add(self, parts: Parts, digest: str) -> ImageRow:
        missing = []
        for layer in parts.layers:
            if self._blobs.has(layer.digest, size=layer.size):
                self._steps.tell(layer.digest, "Already exists", layer.size, layer.size, done=True)
            else:
                missing.append(layer)
        self._check_space(missing)
        tags = () if self._reference.digest else (self._reference,)
        unpacking = _Unpacking(self._steps, self._cancellation)
        downloads = Downloads(
            self._blobs, self._repository, missing, self._steps, self._repository.cancellation
        )
        with downloads, self._space_told(parts):

            @contextmanager
            def arrival(layer: Descriptor) -> Iterator[Following | None]:
                with downloads.follow(layer.digest) as following:
                    unpacking.begin(layer, lambda: downloads.is_here(layer.digest))
                    yield following

            image = self._store.add(
                parts,
                tags=tags,
                known_as=((self._reference.repository, digest),),
                pulled_at=time.time(),
                on_bytes=unpacking.on_bytes,
                arrival=arrival,
            )
        unpacking.end()
        endpoint = self._repository.endpoint
        self._store.rows.add_places(
            (layer.digest for layer in parts.layers), endpoint.key, endpoint.path
        )
        return image

    @contextmanager
    def _space_told(self, parts: Parts) -> Iterator[None]:
        """R15: a full disk is a full disk, whichever file it was met at, the database too."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise self._no_space(parts, error) from error
        except RuntimeFault as fault:
            if fault.code != "E301" or not fault.answered.startswith("ENOSPC"):
                raise
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise self._no_space(parts, full) from fault

    def _no_space(self, parts: Parts, error: OSError) -> RuntimeFault:
        needed = sum(layer.size for layer in parts.layers)
        return no_space(self._store.paths.images / "layers", needed=needed, error=error)

    def _check_space(self, missing: list[Descriptor]) -> None:
        """R15: said before an hour of downloading. Unpacked, it needs more yet."""
        needed = sum(layer.size - self._blobs.partial_size(layer.digest) for layer in missing)
        free = room_on(self._store.paths.data)
        if needed > free:
            raise RuntimeFault(
                f"no space for {self._reference.familiar} in {self._store.paths.images}:"
                f" {needed} bytes or more are needed",
                code="E524",
                tried=f"pull {len(missing)} layers",
                answered=f"{free} bytes are free",
                hint="`pycompose image prune` or `pycompose system prune` frees what nothing uses",
            )


class _Unpacking:
    """Which layer is being unpacked, and how far: told once all of it is here."""

    def __init__(self, steps: Steps, cancellation: Cancellation) -> None:
        self._steps = steps
        self._cancellation = cancellation
        self._layer: Descriptor | None = None
        self._is_here: Callable[[], bool] = lambda: True
        self._seen = 0

    def begin(self, layer: Descriptor, is_here: Callable[[], bool]) -> None:
        """Also once more, for one whose sender began anew."""
        if self._layer != layer:
            self.end()
        self._layer, self._is_here, self._seen = layer, is_here, 0

    def end(self) -> None:
        if self._layer is not None and self._seen:
            size = self._layer.size
            self._steps.tell(self._layer.digest, "Pull complete", size, size, done=True)

    def on_bytes(self, count: int) -> None:
        self._cancellation.check()
        assert self._layer is not None
        self._seen += count
        if self._is_here():
            size = self._layer.size
            self._steps.tell_amount(self._layer.digest, "Extracting", self._seen, size)


def _check_size(data: bytes, entry: Descriptor) -> None:
    if len(data) != entry.size:
        raise digests.BadDigest(
            f"a document of {len(data)} bytes came where {entry.size} were announced",
            code="E511",
            tried=f"verify {entry.digest}",
        )


def resolve_digest(access: Access, reference: Reference) -> str:
    """What a name means in its registry now, in one request. Raises NotFound, RuntimeFault."""

    def ask(repository: Repository) -> str:
        found = repository.find_digest(reference.tag)
        return found or repository.fetch_manifest(reference.tag).digest

    return _from_the_first(access, reference, ask)


def find_tags(access: Access, reference: Reference) -> tuple[str, ...]:
    """Those that a repository has in its registry now. Raises NotFound, RuntimeFault."""
    return _from_the_first(access, reference, Repository.find_tags)


def _from_the_first(access: Access, reference: Reference, ask: Callable[[Repository], T]) -> T:
    """From the first place that answers."""
    failure: RuntimeFault = NotFound(f"no such image: {reference}", code="E545")
    for repository in access.sources(reference):
        try:
            return ask(repository)
        except Cancelled:
            raise
        except RuntimeFault as fault:
            if not repository.endpoint.is_mirror or not _is_of_registry(fault):
                raise
            failure = fault
    raise failure
