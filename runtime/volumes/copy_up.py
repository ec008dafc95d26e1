"""An image's folder, seen through its layers, copied into a volume: the first use of a volume.

The layers are unpacked folders in overlayfs's form (whiteouts, opaque folders), looked through by
descriptor, one name at a time: no symlink of the image leads out of it, none in the volume is ever
followed (V23). Nothing that is in the volume is overwritten: another container may have it mounted
and be writing. A marker beside the folder says that a copy was begun; killed in the middle, the
next one goes on and leaves what is there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from runtime.linux import faults, files
from runtime.linux.overlay_entries import is_opaque, is_whiteout

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OVERLAY = "trusted.overlay."
_TEMPORARY = ".pycompose-copy"
_MAX_LINKS = 40
_MAX_DEPTH = 200
_MAX_HELD_LINKS = 200


class _Entry(NamedTuple):
    """One name of a merged folder, and the layer's folder that it shows from."""

    parent: int
    name: str
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)


def is_unfinished(folder: Path) -> bool:
    """True after a copy into it that was killed."""
    return _marker(folder).exists()


def _marker(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.filling")


def copy_owner(root: Path, target: str, folder: Path) -> None:
    """Give the volume's folder the owner and mode of the folder `target` below `root`, if
    there is one.
    """
    with ExitStack() as stack:
        if found := _find(stack, [root], target):
            destination = _opened(stack, os.open(folder, _FOLDER))
            with faults.point("own volume"):
                _take_owner(os.fstat(found[0]), destination)


def copy_folder(layers: Sequence[Path], target: str, folder: Path) -> None:
    """Copy all of `target`, with owners, modes, times, extended attributes and links.
    Raises OSError.
    """
    with ExitStack() as stack:
        found = _find(stack, layers, target)
        if not found:
            return
        is_resumed = is_unfinished(folder)
        with _one_at_a_time(_marker(folder)) as is_mine:
            if not is_mine:
                return
            destination = _opened(stack, os.open(folder, _FOLDER))
            with faults.point("fill volume"):
                copy = _opened_copy(stack, is_resumed=is_resumed)
                copy.copy_into(found, destination)
                _take_metadata(found[0], destination)
        files.remove_file(_marker(folder))


@contextmanager
def _one_at_a_time(marker: Path) -> Iterator[bool]:
    """Hold the marker locked; False when somebody else finished the copy while we waited."""
    with faults.point("mark volume"):
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # as long as the other copies
        yield os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)


# --- looking through the layers


def _find(stack: ExitStack, layers: Sequence[Path], target: str) -> list[int]:
    """The folder `target` of the image: an open descriptor for each layer that has part of it,
    topmost first; empty when it is no folder. Symlinks on the way are followed inside the image,
    `..` stops at its root.
    """
    trail = [[_opened(stack, os.open(layer, _FOLDER)) for layer in layers]]
    pending = _parts(target)[::-1]
    links = 0
    while pending:
        name = pending.pop()
        if name == "..":
            del trail[max(len(trail) - 1, 1) :]
            continue
        entry = _look(trail[-1], name)
        if entry is None:
            return []
        if entry.is_folder:
            trail.append(_enter(stack, trail[-1], name))
            continue
        links += 1
        if not stat.S_ISLNK(entry.status.st_mode) or links > _MAX_LINKS:
            return []
        link = os.readlink(name, dir_fd=entry.parent)
        if link.startswith("/"):
            del trail[1:]
        pending += _parts(link)[::-1]
    return trail[-1]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _opened(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _look(node: Sequence[int], name: str) -> _Entry | None:
    """What shows under this name: the topmost layer that has it decides."""
    for parent in node:
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            return None if is_whiteout(status) else _Entry(parent, name, status)
    return None


def _enter(stack: ExitStack, node: Sequence[int], name: str) -> list[int]:
    """The folder of this name in every layer, down to one that hides those below it."""
    opened: list[int] = []
    for parent in node:
        try:
            opened.append(_opened(stack, os.open(name, _FOLDER, dir_fd=parent)))
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                break
            raise
        if is_opaque(opened[-1]):
            break
    return opened


def _entries(node: Sequence[int]) -> list[_Entry]:
    """Everything that shows in the merged folder, by name."""
    names = sorted({name for folder in node for name in os.listdir(folder)})
    return [entry for name in names if (entry := _look(node, name)) is not None]


# --- writing into the volume


def _opened_copy(stack: ExitStack, *, is_resumed: bool) -> _Copy:
    copy = _Copy(is_resumed=is_resumed)
    stack.callback(copy.close)
    return copy


class _Copy:
    """One copy of a folder. `is_resumed`: folders may be there without their owner and mode."""

    def __init__(self, *, is_resumed: bool) -> None:
        self._is_resumed = is_resumed
        self._linked: dict[tuple[int, int], int] = {}

    def close(self) -> None:
        for descriptor in self._linked.values():
            os.close(descriptor)

    def copy_into(self, node: Sequence[int], destination: int, depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        for entry in _entries(node):
            if entry.is_folder:
                self._folder(entry, node, destination, depth)
            elif stat.S_ISREG(entry.status.st_mode):
                self._file(entry, destination)
            elif stat.S_ISLNK(entry.status.st_mode):
                _symlink(entry, destination)
            elif not stat.S_ISSOCK(entry.status.st_mode):
                _special(entry, destination)

    def _folder(self, entry: _Entry, node: Sequence[int], destination: int, depth: int) -> None:
        is_new = True
        try:
            os.mkdir(entry.name, 0o700, dir_fd=destination)
        except FileExistsError:
            is_new = False
        with ExitStack() as stack:
            try:
                made = _opened(stack, os.open(entry.name, _FOLDER, dir_fd=destination))
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.ENOENT):
                    return  # somebody who uses the volume has something else there: it stays
                raise
            sources = _enter(stack, node, entry.name)
            self.copy_into(sources, made, depth + 1)
            if is_new or self._is_resumed:
                _take_metadata(sources[0], made)

    def _file(self, entry: _Entry, destination: int) -> None:
        """Written under another name, then linked: never half there, and never over an
        existing one.
        """
        key = (entry.status.st_dev, entry.status.st_ino)
        if key in self._linked:
            return _link(self._linked[key], entry.name, destination)
        with suppress(FileNotFoundError):
            os.unlink(_TEMPORARY, dir_fd=destination)
        written = os.open(_TEMPORARY, _NEW, 0o600, dir_fd=destination)
        try:
            source = os.open(entry.name, _SOURCE, dir_fd=entry.parent)
            try:
                _copy_bytes(source, written)
                _take_metadata(source, written)
            finally:
                os.close(source)
            _link(written, entry.name, destination)
            if entry.status.st_nlink > 1 and len(self._linked) < _MAX_HELD_LINKS:
                self._linked[key] = os.dup(written)
        finally:
            os.close(written)
            with suppress(FileNotFoundError):
                os.unlink(_TEMPORARY, dir_fd=destination)


def _link(descriptor: int, name: str, destination: int) -> None:
    with suppress(FileExistsError):
        os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=destination, follow_symlinks=True)


def _copy_bytes(source: int, destination: int) -> None:
    """In the kernel; shared with the image where the file system can."""
    try:
        while os.copy_file_range(source, destination, 1 << 30):
            pass
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        while os.sendfile(destination, source, None, 1 << 30):
            pass


def _symlink(entry: _Entry, destination: int) -> None:
    target = os.readlink(entry.name, dir_fd=entry.parent)
    try:
        os.symlink(target, entry.name, dir_fd=destination)
    except FileExistsError:
        return
    _own_unopened(entry, destination)


def _special(entry: _Entry, destination: int) -> None:
    try:
        os.mknod(entry.name, entry.status.st_mode, entry.status.st_rdev, dir_fd=destination)
    except FileExistsError:
        return
    _own_unopened(entry, destination)


def _own_unopened(entry: _Entry, destination: int) -> None:
    status = entry.status
    with suppress(FileNotFoundError):
        os.chown(
            entry.name, status.st_uid, status.st_gid, dir_fd=destination, follow_symlinks=False
        )


def _take_owner(status: os.stat_result, destination: int) -> None:
    os.fchown(destination, status.st_uid, status.st_gid)
    # After the owner: changing that takes set-user-id bits away
    os.fchmod(destination, stat.S_IMODE(status.st_mode))


def _take_metadata(source: int, destination: int) -> None:
    status = os.fstat(source)
    _take_owner(status, destination)
    for name in os.listxattr(source):
        if not name.startswith(_OVERLAY):
            with suppress(OSError):  # the volume's file system may not know it
                os.setxattr(destination, name, os.getxattr(source, name))
    os.utime(destination, ns=(status.st_atime_ns, status.st_mtime_ns))
