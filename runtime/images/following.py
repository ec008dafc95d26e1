"""A blob that is still coming, for who unpacks it meanwhile: its bytes as they arrive, and in the
end whether they were the right ones. downloads.py fetches, unpacking.py reads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

from runtime.images.blobs import Partial
from runtime.images.streams import CHUNK


class BegunAnew(Exception):
    """The sender began again: what was read so far may not be what the blob holds."""


class Following:
    """Made and used under the lock of `changed`, which is notified of each arrival."""

    def __init__(
        self,
        partial: Partial,
        changed: threading.Condition,
        is_whole: Callable[[Partial], bool],
    ) -> None:
        """`is_whole`: whether the blob is here, verified, out of this very file. Raises BegunAnew
        when it comes in another one, and what ended its download.
        """
        self._partial = partial
        self._changed = changed
        self._is_whole = is_whole
        self._restarts = partial.restarts
        self._is_stopped = False
        self._descriptor = partial.reopen()

    def close(self) -> None:
        """Whoever still reads gets nothing more. The descriptor goes with the reader's end."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def release(self) -> None:
        """Once nobody reads any more."""
        os.close(self._descriptor)

    def chunks(self) -> Iterator[bytes]:
        """Unverified until `wait`. Raises BegunAnew, and what ended the download."""
        offset = 0
        while there := self._wait_beyond(offset):
            data = os.pread(self._descriptor, min(CHUNK, there), offset)
            # Before the sender begins anew it says so: what was read until now is as it was sent
            self._check()
            offset += len(data)
            yield data

    def wait(self) -> None:
        """Returns when all that was read is known to be right. Raises as `chunks`."""
        with self._changed:
            self._changed.wait_for(self._is_verified)

    # --- under the lock

    def _wait_beyond(self, offset: int) -> int:
        """How many bytes there are after `offset`: 0 at the end of the blob."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._partial.size > offset or self._is_stopped or self._is_verified()
            )
            return 0 if self._is_stopped else self._partial.size - offset

    def _is_verified(self) -> bool:
        self._check()
        return self._is_whole(self._partial)

    def _check(self) -> None:
        if self._partial.restarts != self._restarts:
            raise BegunAnew
