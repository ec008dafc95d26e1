"""Memory that several containers share: a tmpfs in a folder of ours, for as long as its owner runs.

Source: Docker's `mounts/shm` of `ipc: shareable`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from runtime.errors import system_call
from runtime.linux import faults, mounts


def ensure_mounted(folder: Path, options: Iterable[str], *, flags: int = 0) -> None:
    """Make the folder and the mount in it; one that is there is kept with its content. Raises
    RuntimeFault."""
    if os.path.ismount(folder):
        return
    with system_call("cannot make shared memory", tried=f"mounting {folder}", code="E445"):
        with faults.point("make shared memory"):
            folder.mkdir(parents=True, exist_ok=True)
        mount = mounts.make_filesystem("tmpfs", options, source="shm", attributes=flags)
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            mounts.attach(mount, place)
        finally:
            os.close(place)
            os.close(mount)


def remove(folder: Path) -> None:
    """Repeatable. Who still has it mounted keeps its content."""
    while os.path.ismount(folder):
        mounts.detach(str(folder))
    with faults.point("remove shared memory"):
        shutil.rmtree(folder, ignore_errors=True)
