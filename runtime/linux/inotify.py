"""Being told that files in a folder change: inotify(7)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

MODIFIED = 0x2
MOVED_IN = 0x80
CREATED = 0x100
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Readable (`fileno`) when one of the watched folders' files changed. Which one is not told:
    events may be merged or lost, so the reader looks at the files anyway."""

    def __init__(self) -> None:
        """Raises OSError (EMFILE: the user's limit of instances, fs.inotify.max_user_instances)."""
        self._descriptor = _checked(_libc.inotify_init1(_NONBLOCK_CLOEXEC), "inotify_init1")

    def fileno(self) -> int:
        return self._descriptor

    def add(self, path: Path, events: int = MODIFIED | CREATED | MOVED_IN) -> None:
        """Watch a file, or the files of a folder. Raises FileNotFoundError, OSError."""
        number = _libc.inotify_add_watch(
            self._descriptor, os.fsencode(path), ctypes.c_uint32(events)
        )
        _checked(number, str(path))

    def drain(self) -> None:
        """Forget what was told so far; not readable until something changes again."""
        try:
            while os.read(self._descriptor, 65536):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._descriptor)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
