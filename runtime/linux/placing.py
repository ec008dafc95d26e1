"""Where on the disk a folder's children go: apart from each other, for children that come and go
whole.

ext4 puts a folder near its parent and a file near its folder, and each new file looks past every
inode near by that was freed in the last minutes (`recently_deleted` in fs/ext4/ialloc.c): where
trees of thousands of files are removed and made again, a file costs 0.5 ms of processor time
instead of 0.02. Below a folder that is marked as the top of a hierarchy each child starts in a
block group of its own, found from its name. Source: chattr(1), attribute T.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

from runtime.linux import files

_GET_FLAGS, _SET_FLAGS, _TOP_OF_HIERARCHY = 0x80086601, 0x40086602, 0x0002_0000
"""FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL."""
_INODES_OF_A_GROUP = 8192
"""As mke2fs makes it; with another number the search below finds nothing better, that is all."""
_NEAR_ITS_BEGINNING = 500
_TRIES = 4


def make_apart(folder: Path, new_name: Callable[[], str], *, mode: int) -> Path:
    """Make a child of `folder` where few files were made or removed lately.

    Its own inode tells: it is the first one of its group that is neither in use nor was freed in
    the last minutes. `new_name` gives another name each time, and with it another group.
    """
    spread_children(folder)
    made: list[Path] = []
    while len(made) < _TRIES:
        made.append(folder / new_name())
        files.ensure_directory(made[-1], mode=mode)
        if _rank(made[-1]) < _NEAR_ITS_BEGINNING:
            break
    best = min(made, key=_rank)
    for other in made:
        if other != best:
            other.rmdir()
    return best


def _rank(folder: Path) -> int:
    return (folder.stat().st_ino - 1) % _INODES_OF_A_GROUP


def spread_children(folder: Path) -> None:
    """Ask for it where the file system knows it; elsewhere nothing happens."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        answer = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))
        flags = struct.unpack_from("I", answer)[0]
        if not flags & _TOP_OF_HIERARCHY:
            wanted = struct.pack("II", flags | _TOP_OF_HIERARCHY, 0)
            fcntl.ioctl(descriptor, _SET_FLAGS, wanted)
    except OSError:
        pass  # it is only a wish
    finally:
        os.close(descriptor)
