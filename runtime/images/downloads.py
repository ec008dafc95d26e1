"""Blobs of one image on their way: a few at once, in the order in which they are wanted.

Each goes into its partial file and is there when it is whole and verified; what came so far stays
for the next try, whatever ends this one (R15, R30).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from runtime.images import digests
from runtime.images.blobs import Blobs, Partial
from runtime.images.following import BegunAnew, Following
from runtime.images.http_client import Cancellation, Cancelled
from runtime.images.manifest import Descriptor
from runtime.images.registry import Repository
from runtime.values import Progress

OnProgress = Callable[[Progress], None]

AT_ONCE = 4
"""Of one image, and of all that a process pulls together."""
REPORT_SECONDS = 0.1
_SLOTS = threading.BoundedSemaphore(AT_ONCE)
_TRIES_OF_DAMAGED = 2


class Steps:
    """Docker's words for what becomes of a layer, told as they come true and not too often."""

    def __init__(self, report: OnProgress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._last: dict[str, float] = {}

    def tell(
        self, digest: str, text: str, current: int = 0, total: int = 0, *, done: bool = False
    ) -> None:
        name = digests.hex_of(digest)[:12]
        self._report(Progress(id=name, text=text, current=current, total=total, done=done))

    def tell_amount(self, digest: str, text: str, current: int, total: int) -> None:
        now = self._clock()
        if now - self._last.get(digest, 0.0) >= REPORT_SECONDS:
            self._last[digest] = now
            self.tell(digest, text, current, total)


class Downloads:
    """Started on entry; on exit nothing of it runs any more."""

    def __init__(
        self,
        blobs: Blobs,
        repository: Repository,
        wanted: Sequence[Descriptor],
        steps: Steps,
        cancellation: Cancellation,
    ) -> None:
        self._blobs = blobs
        self._repository = repository
        self._wanted = {blob.digest: blob for blob in wanted}
        self._waiting = list(self._wanted.values())[::-1]
        self._steps = steps
        self._cancellation = cancellation
        self._changed = threading.Condition()
        self._coming: dict[str, Partial] = {}
        self._done: dict[str, Partial | None] = {}
        """With the file that it was written to, by us."""
        self._failure: BaseException | None = None
        count = min(AT_ONCE, len(self._waiting))
        self._threads = [
            threading.Thread(target=self._run, name="download", daemon=True) for _ in range(count)
        ]

    def __enter__(self) -> Downloads:
        for blob in self._wanted.values():
            self._steps.tell(blob.digest, "Pulling fs layer", 0, blob.size)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self._cancellation.cancel()
        for thread in self._threads:
            thread.join()

    def wait_for(self, digest: str) -> None:
        """Returns when the blob is here; at once for one that was not to be fetched. Raises what
        ended any of the downloads.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.is_here(digest))

    @contextmanager
    def follow(self, digest: str) -> Iterator[Following | None]:
        """Waits until the blob is being written by us, and its lock therefore ours; None when it is
        here by then. Raises as `wait_for`.
        """
        with self._changed:
            self._changed.wait_for(lambda: digest in self._coming or self.is_here(digest))
            partial = self._coming.get(digest)
            is_whole = self._is_whole_of(digest)
            following = Following(partial, self._changed, is_whole) if partial else None
        try:
            yield following
        finally:
            if following is not None:
                following.release()

    def is_here(self, digest: str) -> bool:
        """Raises what ended the downloads before it came."""
        if digest not in self._wanted or digest in self._done:
            return True
        if self._failure is not None:
            raise self._failure
        return False

    def _is_whole_of(self, digest: str) -> Callable[[Partial], bool]:
        def is_whole(partial: Partial) -> bool:
            is_here = self.is_here(digest)
            if (self._done if is_here else self._coming).get(digest, partial) is not partial:
                raise BegunAnew
            return is_here

        return is_whole

    # --- in the threads

    def _run(self) -> None:
        while (blob := self._next()) is not None:
            try:
                with _SLOTS:
                    partial = self._fetch(blob)
            except BaseException as error:
                self._fail(error)
                return
            with self._changed:
                self._done[blob.digest] = partial
                self._changed.notify_all()

    def _next(self) -> Descriptor | None:
        with self._changed:
            return self._waiting.pop() if self._waiting and self._failure is None else None

    def _fail(self, error: BaseException) -> None:
        """The first failure is the one that is told: it ends the others."""
        with self._changed:
            if self._failure is None or isinstance(self._failure, Cancelled):
                self._failure = error
            self._changed.notify_all()
        self._cancellation.cancel()

    def _fetch(self, blob: Descriptor) -> Partial | None:
        """Returns what it was written to; None when another pull brought it meanwhile."""
        for attempt in range(1, _TRIES_OF_DAMAGED + 1):
            try:
                with self._blobs.writing(blob.digest, pause=self._cancellation.pause) as partial:
                    if partial is not None:
                        self._fetch_into(partial, blob)
                break
            except digests.BadDigest:
                if attempt == _TRIES_OF_DAMAGED:
                    raise
        self._steps.tell(blob.digest, "Download complete", blob.size, blob.size)
        return partial

    def _fetch_into(self, partial: Partial, blob: Descriptor) -> None:
        partial.resume()
        if partial.size > blob.size:
            partial.restart()
        seen = partial.size

        def on_bytes(count: int) -> None:
            nonlocal seen
            seen += count
            with self._changed:
                self._changed.notify_all()
            self._steps.tell_amount(blob.digest, "Downloading", seen, blob.size)

        with self._shown(partial, blob):
            self._repository.fetch_blob(blob.digest, blob.size, partial, on_bytes)
            self._steps.tell(blob.digest, "Verifying Checksum", blob.size, blob.size)
            self._blobs.finish(partial, size=blob.size)

    @contextmanager
    def _shown(self, partial: Partial, blob: Descriptor) -> Iterator[None]:
        """To those who follow, for as long as its file is open."""
        with self._changed:
            self._coming[blob.digest] = partial
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                del self._coming[blob.digest]
