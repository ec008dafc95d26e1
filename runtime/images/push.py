"""An image to its registry: blobs that are not there yet, then the manifest that names them.

Nothing is sent twice: a blob that the registry has is left out, one that it has under another name
is mounted from there. The manifest goes as it came, byte for byte, so its digest stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runtime.errors import NotFound, RuntimeFault
from runtime.images import manifest
from runtime.images.access import Access
from runtime.images.downloads import AT_ONCE, Steps
from runtime.images.http_client import Cancelled, Unreachable
from runtime.images.manifest import Descriptor
from runtime.images.reference import Reference
from runtime.images.registry import Repository
from runtime.images.rows import ImageRow
from runtime.images.store import Store
from runtime.values import Progress

OnProgress = Callable[[Progress], None]

_SESSIONS = 3
"""A registry may lose an upload that it has begun."""


class Pushed(NamedTuple):
    digest: str
    size: int
    """Of the manifest."""


def push(
    store: Store,
    access: Access,
    reference: Reference,
    *,
    report: OnProgress = lambda progress: None,
) -> Pushed:
    """To the registry that the name says. Raises NotFound, RuntimeFault, Cancelled."""
    image = store.find_named(reference)
    if image is None:
        raise NotFound(
            f"no such image: {reference.familiar}",
            code="E500",
            hint="`pycompose image ls` shows what is here; `pycompose image tag` names it",
        )
    repository = access.target(reference)
    with store.adding():  # what is being read is not collected
        return _Push(store, repository, reference, image, Steps(report)).run()


class _Push:
    def __init__(
        self,
        store: Store,
        repository: Repository,
        reference: Reference,
        image: ImageRow,
        steps: Steps,
    ) -> None:
        self._store = store
        self._repository = repository
        self._reference = reference
        self._image = image
        self._steps = steps

    def run(self) -> Pushed:
        digest = self._image.manifest_digest
        data = self._store.blobs.read(digest, limit=manifest.MAX_MANIFEST)
        document = manifest.parse_manifest(data)
        assert isinstance(document, manifest.Manifest)
        parts = (*document.layers, document.config)
        blobs = list({part.digest: part for part in parts}.values())
        self._check_present(blobs)
        self._send_all(blobs, is_quiet={document.config.digest})
        name = self._reference.tag or digest
        self._repository.put_manifest(name, data, document.media_type)
        endpoint = self._repository.endpoint
        self._store.rows.add_places((blob.digest for blob in blobs), endpoint.key, endpoint.path)
        self._store.rows.add_digest(self._image.id, self._reference.repository, digest)
        return Pushed(digest, len(data))

    def _check_present(self, blobs: list[Descriptor]) -> None:
        for blob in blobs:
            if not self._store.blobs.has(blob.digest, size=blob.size):
                raise RuntimeFault(
                    f"a part of {self._reference.familiar} is missing here, so it cannot be pushed",
                    code="E514",
                    tried=f"read {blob.digest}",
                    hint="pull or load the image again",
                )

    def _send_all(self, blobs: list[Descriptor], *, is_quiet: set[str]) -> None:
        """A few at once. The first failure ends the others."""
        endpoint = self._repository.endpoint
        waiting = [
            _Upload(
                self._store,
                self._repository,
                blob,
                self._places(blob, endpoint.key, endpoint.path),
                self._steps if blob.digest not in is_quiet else Steps(lambda progress: None),
            )
            for blob in blobs[::-1]
        ]
        for upload in reversed(waiting):
            upload.tell("Preparing")
        failures: list[BaseException] = []
        lock = threading.Lock()

        def run() -> None:
            while True:
                with lock:
                    if failures or not waiting:
                        return
                    upload = waiting.pop()
                try:
                    upload.run()
                except BaseException as error:
                    with lock:
                        failures.append(error)
                    self._repository.cancellation.cancel()

        threads = [
            threading.Thread(target=run, name="upload", daemon=True)
            for _ in range(min(AT_ONCE, len(waiting)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _places(self, blob: Descriptor, registry: str, path: str) -> tuple[str, ...]:
        found = self._store.rows.places(blob.digest, registry)
        return tuple(place for place in found if place != path)


class _Upload:
    """One blob on its way up."""

    def __init__(
        self,
        store: Store,
        repository: Repository,
        blob: Descriptor,
        places: tuple[str, ...],
        steps: Steps,
    ) -> None:
        self._blobs = store.blobs
        self._repository = repository
        self._blob = blob
        self._places = places
        self._steps = steps
        self._sent = 0

    def tell(self, text: str, *, done: bool = False) -> None:
        current = self._blob.size if done else 0
        self._steps.tell(self._blob.digest, text, current, self._blob.size, done=done)

    def run(self) -> None:
        if self._repository.has_blob(self._blob.digest):
            self.tell("Layer already exists", done=True)
            return
        for number in range(1, _SESSIONS + 1):
            address, source = self._start()
            if not address:
                self.tell(f"Mounted from {source}", done=True)
                return
            try:
                self._send(address)
                break
            except NotFound:  # the upload, not the repository
                if number == _SESSIONS:
                    raise
            except Unreachable:
                if number == _SESSIONS:
                    raise
        self.tell("Pushed", done=True)

    def _start(self) -> tuple[str, str]:
        """The address to upload to; none when it could be mounted from the second."""
        for place in self._places[:1]:
            self._places = ()
            try:
                return self._repository.mount_blob(self._blob.digest, place), place
            except Cancelled:
                raise
            except RuntimeFault:
                break  # we may not read there: send it
        return self._repository.start_upload(), ""

    def _send(self, address: str) -> None:
        self._sent = 0
        self._repository.upload_blob(
            self._blob.digest, self._blob.size, self._read, to=address, on_bytes=self._on_bytes
        )

    def _read(self, offset: int, length: int) -> Iterator[bytes]:
        """Told as it leaves: the answer to a large piece may be long in coming."""
        sent = offset
        for chunk in self._blobs.region(self._blob.digest, offset, length):
            yield chunk
            sent += len(chunk)
            self._steps.tell_amount(self._blob.digest, "Pushing", sent, self._blob.size)

    def _on_bytes(self, count: int) -> None:
        self._sent += count
