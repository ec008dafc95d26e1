"""What is laid into a layer of an overlay before anybody sees it: folders, whiteouts, links; and
how such marks are told.

An init lays what hides the host (init/rootfs.py), the images their templates
(images/host_template.py). Source: the kernel's page on overlayfs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

OPAQUE = "trusted.overlay.opaque"
REDIRECT = "trusted.overlay.redirect"
WHITEOUT_DEVICE = 0
"""The device number 0:0."""


class Entry(NamedTuple):
    """One thing to lay down. `kind`: absent (a whiteout), link, file (an empty one), empty (an
    opaque folder), folder (a merged one).
    """

    path: str
    kind: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    target: str = ""
    """link: what it points to. folder: the path of the lower whose content it shows instead of its
    own.
    """

    def __str__(self) -> str:
        mode = f" {self.mode:o}" if self.kind in ("empty", "file", "folder") else ""
        owner = f" {self.uid}:{self.gid}" if self.uid or self.gid else ""
        arrow = f" -> {self.target}" if self.target else ""
        return f"{self.kind} /{self.path}{mode}{owner}{arrow}"


def lay_entries(top: str, entries: Sequence[Entry]) -> None:
    """Make the entries, parents first, in a folder of ours that nobody else sees yet."""
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for entry in entries:
            _lay(entry, top, folder)
    finally:
        os.close(folder)


def _lay(entry: Entry, top: str, folder: int) -> None:
    if entry.kind == "absent":
        os.mknod(entry.path, stat.S_IFCHR, WHITEOUT_DEVICE, dir_fd=folder)
    elif entry.kind == "link":
        os.symlink(entry.target, entry.path, dir_fd=folder)
    elif entry.kind == "file":
        os.mknod(entry.path, stat.S_IFREG | 0o600, dir_fd=folder)
        _own(entry, folder)
    else:
        os.mkdir(entry.path, dir_fd=folder)
        _own(entry, folder)
        if entry.kind == "empty":
            os.setxattr(f"{top}/{entry.path}", OPAQUE, b"y")
        elif entry.target:
            os.setxattr(f"{top}/{entry.path}", REDIRECT, os.fsencode(entry.target))


def _own(entry: Entry, folder: int) -> None:
    if entry.uid or entry.gid:
        os.chown(entry.path, entry.uid, entry.gid, dir_fd=folder)
    os.chmod(entry.path, entry.mode, dir_fd=folder)


def is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == WHITEOUT_DEVICE


def is_opaque(folder: int | Path) -> bool:
    try:
        return os.getxattr(folder, OPAQUE) == b"y"
    except OSError:
        return False
