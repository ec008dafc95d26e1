"""Where a container's changes are kept: in its folder, or on a tmpfs mounted there where the disk
cannot hold an upper, as when the data root is itself on an overlay.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from runtime.errors import system_call
from runtime.images.lower_view import NO_MARKS
from runtime.linux import faults, files, mounts
from runtime.linux.overlay_entries import OPAQUE

_MEMORY = "memory"
IN_MEMORY = (
    "the disk of {folder} cannot hold the changes of containers (it is an overlay, or knows no"
    " whiteouts): they are kept in memory, until the container is removed or the machine restarts;"
    " set PYCOMPOSE_ROOT to a folder on another disk"
)


def ensure(container_folder: Path) -> tuple[Path, Path]:
    """(upper, work): the folder of the latter, and of the former the one it is to be made in.
    Repeatable; after a reboot what was in memory is gone. Raises RuntimeFault.
    """
    files.ensure_directory(container_folder)
    folder = container_folder
    if not (folder / "upper").is_dir() and not can_hold_uppers(folder):
        folder = container_folder / _MEMORY
        _ensure_mounted(folder)
    files.ensure_directory(folder / "work")
    return folder / "upper", folder / "work"


def find(container_folder: Path) -> Path:
    """The upper, which may not be there yet."""
    memory = container_folder / _MEMORY
    return (memory if memory.is_dir() else container_folder) / "upper"


def is_in_memory(container_folder: Path) -> bool:
    return (container_folder / _MEMORY).is_dir()


def release(container_folder: Path) -> None:
    """Before the folder is removed. Repeatable; a container that still runs keeps its own."""
    memory = container_folder / _MEMORY
    while os.path.ismount(memory):
        mounts.detach(str(memory))


def can_hold_uppers(folder: Path) -> bool:
    """Asked of each file system once: it is tried."""
    device = folder.stat().st_dev
    if device not in _known:
        with faults.point("try an upper"):
            _known[device] = _try(files.own_name_beside(folder / "upper"))
    return _known[device]


_known: dict[int, bool] = {}
"""Device -> whether it can."""


def _try(place: Path) -> bool:
    try:
        place.mkdir()
        os.setxattr(place, OPAQUE, b"y")
        os.mknod(place / "whiteout", stat.S_IFCHR, 0)
        return True
    except OSError as error:
        if error.errno not in NO_MARKS:
            raise
        return False
    finally:
        with suppress(OSError):
            (place / "whiteout").unlink(missing_ok=True)
            place.rmdir()


def _ensure_mounted(folder: Path) -> None:
    if os.path.ismount(folder):
        return
    files.ensure_directory(folder)
    with system_call("cannot make memory for a container's changes", tried=f"mounting {folder}"):
        mounts.mount_at(folder, "tmpfs", ("mode=700",), source="upper")
