"""What overlayfs would show of a path in layers that are already unpacked, found without mounting.

Asked when an archive leaves something out that the layers below have: the folders on the way to a
file, a symlink on that way, the target of a hard link. Source: the kernel's page on overlayfs.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from runtime.linux.overlay_entries import is_opaque, is_whiteout

NO_MARKS = (errno.EPERM, errno.ENOTSUP)
"""Answers of a file system that keeps whiteouts or OPAQUE to itself, or does not know them."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(NamedTuple):
    """Something in a lower: `parent` is an open folder, valid inside the `with` block only."""

    parent: int
    name: bytes
    status: os.stat_result

    @property
    def link(self) -> bytes:
        return os.readlink(self.name, dir_fd=self.parent)


@contextmanager
def look(lowers: Sequence[Path], folder: bytes, name: bytes) -> Iterator[Found | None]:
    """The topmost `name` in `folder`, a path without symlinks; None when nothing shows there."""
    path = (*folder.split(b"/"), name) if folder else (name,)
    for lower in lowers:
        opened = [os.open(lower, _FOLDER)]
        try:
            is_final, found = _look_in(opened, path)
            if is_final:
                yield found
                return
        finally:
            for descriptor in opened:
                os.close(descriptor)
    yield None


def _look_in(opened: list[int], path: Sequence[bytes]) -> tuple[bool, Found | None]:
    """(whether the lowers below it no longer matter, what is there)."""
    hides_below = False
    for index, component in enumerate(path):
        parent = opened[-1]
        try:
            status = os.stat(component, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return hides_below, None
        if index == len(path) - 1:
            return True, None if is_whiteout(status) else Found(parent, component, status)
        if not stat.S_ISDIR(status.st_mode):
            return True, None
        opened.append(os.open(component, _FOLDER, dir_fd=parent))
        hides_below = hides_below or is_opaque(opened[-1])
    return hides_below, None
