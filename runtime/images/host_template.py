"""What `image: host` shows in place of /etc, /run and /var: a folder made once, and anew when the
host changed.

/etc is a copy of what every user of the host may read, so that a key or a password file which
appears there later never shows; /run and /var are empty folders with their owners. One template
serves all containers through overlayfs (host.py says how), so it is never changed: it is complete
once it has its name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from runtime.images.host_view import MADE_ANEW, is_public, is_within
from runtime.images.lower_view import NO_MARKS
from runtime.linux import faults, files
from runtime.linux.overlay_entries import OPAQUE, Entry, lay_entries

FORMAT = b"3"
"""Changes when templates of an older version must not be used any more."""

KEPT_SECONDS = 3600.0
"""After its last use."""


class _Item(NamedTuple):
    path: str
    status: os.stat_result


def ensure_template(
    top: Path, store: Path, skeleton: Sequence[Entry], *, hidden: Sequence[Path] = ()
) -> tuple[Path, bool]:
    """A folder below `store` that holds etc, run and var of the present state of the machine;
    whether it is new."""
    items = _public_items(f"{top}/etc", [str(path) for path in hidden])
    template = store / _signature(items, skeleton)
    # one that another process has just found unused is made again
    with suppress(FileNotFoundError):
        _note_use(template)
        return template, False
    building = files.own_name_beside(template)
    with faults.point("make host template"):
        shutil.rmtree(building, ignore_errors=True)
        _make(building, top / "etc", items, skeleton)
    with faults.point("name host template"):
        _name(building, template)
    return template, True


def _note_use(template: Path) -> None:
    """Whoever has just chosen it has yet to write that down."""
    if template.stat().st_mtime < time.time() - KEPT_SECONDS / 2:
        with faults.point("note use of host template"):
            os.utime(template)


def remove_unused(store: Path, used: Iterable[str]) -> None:
    """A machine's /etc changes for years. What nobody uses, nor has chosen lately, goes; so does
    what a killed command left half-made."""
    kept = {*used}
    for folder in store.iterdir():
        if folder.name not in kept and folder.stat().st_mtime < time.time() - KEPT_SECONDS:
            files.remove_tree(folder)


def _public_items(etc: str, hidden: Sequence[str]) -> list[_Item]:
    """Every public entry, parents first. Each `up` and `run` looks at all of them: about 3 us for
    one."""
    unseen = [root for root in hidden if is_within(root, etc)]
    found: list[_Item] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(f"{etc}/{folder}") as listing:
            for item in listing:
                try:
                    status = item.stat(follow_symlinks=False)
                except FileNotFoundError:  # just removed
                    continue
                if not is_public(item.name, status):
                    continue
                path = f"{folder}{item.name}"
                if stat.S_ISDIR(status.st_mode):
                    if any(is_within(f"{etc}/{path}", root) for root in unseen):
                        continue
                    folders.append(f"{path}/")
                found.append(_Item(path, status))
    found.sort(key=itemgetter(0))
    return found


def _signature(items: Sequence[_Item], skeleton: Sequence[Entry]) -> str:
    """Of everything that the template is made from; a content's change shows in its ctime."""
    lines = [f"{entry}\n" for entry in skeleton]
    lines += [
        f"{path}\0{status.st_mode}\0{status.st_uid}\0{status.st_gid}\0{status.st_ctime_ns}\n"
        for path, status in items
    ]
    return hashlib.sha256(FORMAT + os.fsencode("".join(lines))).hexdigest()[:32]


def _make(building: Path, etc: Path, items: Sequence[_Item], skeleton: Sequence[Entry]) -> None:
    building.mkdir(parents=True)
    building.chmod(0o755)
    lay_entries(str(building), skeleton)
    (building / "etc").mkdir()
    _copy_items(etc, items, building / "etc")
    for name, of in (("shadow", "passwd"), ("gshadow", "group")):
        _lock_passwords(building / "etc", name, of)
    _prepare_files_of_the_engine(building / "etc")
    for name in MADE_ANEW:
        if (building / name).is_dir():
            # Where the template is a lower of its own, the host's folder below it must not show
            # through; host.py looks whether it can be one
            try:
                os.setxattr(building / name, OPAQUE, b"y")
            except OSError as error:
                if error.errno not in NO_MARKS:
                    raise


def _lock_passwords(etc: Path, name: str, of: str) -> None:
    """`su` and `login` ask there whether an account is in force: each is, and has no password."""
    if not (etc / of).is_file():
        return
    names = [line.partition(b":")[0] for line in (etc / of).read_bytes().splitlines()]
    rest = {"shadow": b":*:::::::\n", "gshadow": b":*::\n"}[name]
    (etc / name).write_bytes(b"".join(one + rest for one in names if one))
    (etc / name).chmod(0o600)


def _prepare_files_of_the_engine(etc: Path) -> None:
    """What every container gets anyway (V09, L28), so that no upper has to hold it."""
    for name in ("hosts", "hostname", "resolv.conf"):
        if (etc / name).is_symlink() or not (etc / name).is_file():
            (etc / name).unlink(missing_ok=True)
            (etc / name).touch(0o644)
    if not os.path.lexists(etc / "mtab"):
        (etc / "mtab").symlink_to("/proc/mounts")


def _name(building: Path, template: Path) -> None:
    try:
        building.rename(template)
    except OSError:
        shutil.rmtree(building)
        if not template.is_dir():  # somebody else was first otherwise
            raise


def copy_template(template: Path, upper: Path) -> None:
    """Copy it into an upper, for machines where overlayfs cannot show it."""
    _copy_items(template, tuple(_everything(template, "")), upper, is_ours=True)
    for name in MADE_ANEW:
        if (upper / name).is_dir():
            os.setxattr(upper / name, OPAQUE, b"y")


def _everything(top: Path, folder: str) -> Iterator[_Item]:
    for item in os.scandir(top / folder):
        path = f"{folder}/{item.name}" if folder else item.name
        yield _Item(path, item.stat(follow_symlinks=False))
        if item.is_dir(follow_symlinks=False):
            yield from _everything(top, path)


def _copy_items(
    source: Path, items: Sequence[_Item], target: Path, *, is_ours: bool = False
) -> None:
    """Thousands of small files: relative to two descriptors, with as few calls for each as
    possible. What is not ours changes meanwhile, and may become private.
    """
    reading, writing = _open_folder(source), _open_folder(target)
    try:
        for item in items:
            try:
                _copy_item(item, reading, writing, is_ours=is_ours)
            except (
                FileNotFoundError,
                PermissionError,
            ):  # it changes under us: the next scan sees it
                continue
        for path, status in ((".", os.fstat(reading)), *reversed(items)):
            if stat.S_ISDIR(status.st_mode):
                _copy_attributes(path, status, writing)
    finally:
        os.close(reading)
        os.close(writing)


def _copy_item(item: _Item, reading: int, writing: int, *, is_ours: bool) -> None:
    path, status = item
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(path, dir_fd=writing)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(path, dir_fd=reading), path, dir_fd=writing)
    else:
        _copy_file(path, reading, writing, is_ours=is_ours)


def _copy_attributes(path: str, status: os.stat_result, folder: int) -> None:
    if status.st_uid or status.st_gid:
        os.chown(path, status.st_uid, status.st_gid, dir_fd=folder)
    os.chmod(path, stat.S_IMODE(status.st_mode), dir_fd=folder)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=folder)


def _copy_file(path: str, reading: int, writing: int, *, is_ours: bool) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    source = os.open(path, flags, dir_fd=reading)
    try:
        status = os.fstat(source)
        # It may have become private, or something else, since it was listed
        if not is_ours and not is_public(os.path.basename(path), status):
            raise PermissionError(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        target = os.open(path, flags, 0o600, dir_fd=writing)
        try:
            _copy_content(source, target, status)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_content(source: int, target: int, status: os.stat_result) -> None:
    remaining = status.st_size
    while remaining > 0 and (data := os.read(source, min(remaining, 1 << 20))):
        os.write(target, data)
        remaining -= len(data)
    if status.st_uid or status.st_gid:
        os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _open_folder(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
