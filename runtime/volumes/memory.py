"""Memory that several containers share: a tmpfs in a folder of ours.

/dev/shm of `ipc: shareable` is there as long as its owner runs. A volume with `type: tmpfs` is one
file system for all its containers, of whatever projects, from the start of the first to the end of
the last: each leaves a mark beside the mount, which it takes away when it ends, whoever ends it.
Source: Docker's `mounts/shm` and the counted mounts of its local volume driver.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.errors import system_call
from runtime.linux import faults, mount_options, mounts
from runtime.volumes.driver_options import VolumeSource

_MARKS = "users"


def ensure_mounted(folder: Path, options: Iterable[str]) -> None:
    """Make the folder and the mount in it; one that is there is kept with its content. Raises
    RuntimeFault."""
    if os.path.ismount(folder):
        return
    with system_call("cannot make shared memory", tried=f"mounting {folder}", code="E445"):
        _mount(folder, options, "shm")


def _mount(folder: Path, options: Iterable[str], source: str) -> None:
    parsed = mount_options.parse_options(options)
    with faults.point("make shared memory"):
        folder.mkdir(parents=True, exist_ok=True)
    mounts.mount_at(folder, "tmpfs", parsed.data, source=source, attributes=parsed.attributes)


def remove(folder: Path) -> None:
    """Repeatable. Who still has it mounted keeps its content."""
    while os.path.ismount(folder):
        mounts.detach(str(folder))
    with faults.point("remove shared memory"):
        shutil.rmtree(folder, ignore_errors=True)


# --- volumes


def mount_point(memory: Path, volume: str) -> Path:
    """Where the file system of a tmpfs volume is mounted while it has users."""
    return memory / volume / "mount"


def join(memory: Path, volume: str, source: VolumeSource, *, user: str, project_id: str) -> None:
    """The container `user` has the volume from now on, until it leaves. Repeatable. Raises
    RuntimeFault."""
    marks, place = memory / volume / _MARKS, mount_point(memory, volume)
    with _locked(memory):
        if not os.path.ismount(place):
            remove(memory / volume)  # marks of before a reboot
        with system_call(
            f"cannot mount the volume {volume}",
            tried=f"mounting a tmpfs with the options `{','.join(source.options)}`",
            code="E445",
            hint="`driver_opts.o` is for mount(8): size=, nr_inodes=, mode=, uid=, gid=, noexec",
        ):
            with faults.point("mark user of shared memory"):
                marks.mkdir(parents=True, exist_ok=True)
                (marks / user).write_text(project_id)
            if not os.path.ismount(place):
                _mount(place, source.options, source.device)


def leave(memory: Path, users: Collection[str]) -> None:
    """They have no tmpfs volume any more; one that nobody else has goes with its content.
    Repeatable."""
    if not memory.is_dir():
        return
    with _locked(memory):
        # whoever was here before us may have been the last
        for folder in tuple(memory.iterdir()) if memory.is_dir() else ():
            _unmark(folder / _MARKS, users)
            if not (folder / _MARKS).exists():
                _take_away(folder)
        with faults.point("rmdir memory"), suppress(OSError):  # others have something there
            memory.rmdir()


def _unmark(marks: Path, users: Collection[str]) -> None:
    with faults.point("unmark user of shared memory"):
        for user in users:
            (marks / user).unlink(missing_ok=True)
        with suppress(OSError):  # somebody's mark is there
            marks.rmdir()


def _take_away(folder: Path) -> None:
    remove(folder / "mount")
    remove(folder)


def users(memory: Path) -> Mapping[str, str]:
    """Containers that have a tmpfs volume -> their projects, as the marks say."""
    found = {}
    for mark in memory.glob(f"*/{_MARKS}/*"):
        with suppress(FileNotFoundError):
            found[mark.name] = mark.read_text()
    return found


@contextmanager
def _locked(memory: Path) -> Iterator[None]:
    """Nobody else mounts or takes away meanwhile. The folder above stays, so it bears the lock."""
    descriptor = os.open(memory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # as long as a mount takes
        yield
    finally:
        os.close(descriptor)
