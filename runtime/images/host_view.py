"""Which part of the machine `image: host` shows: entries to lay over `/`, decided by reading alone.

An allow list, not a deny list: /usr /bin /sbin /lib* /opt whole, of /etc what every user of the
host may read, named parts of /var; all else is an empty folder or is not there. Hiding is laid over
`/` as a layer of opaque folders and whiteouts (host.py says which), since a container could undo
mounts. Source: DESIGN.md 6.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.linux.overlay_entries import Entry

SHOWN = ("usr", "bin", "sbin", "opt")
"""And every top-level name that starts with `lib`."""

EMPTIED = ("boot", "dev", "home", "media", "mnt", "proc", "root", "srv", "sys", "tmp")

MADE_ANEW = ("etc", "run", "var")
"""Shown from the template, never from the host itself."""

# What package managers and language runtimes keep for everybody; none of it holds a secret.
SHOWN_OF_VAR = (
    "var/cache/fontconfig",
    "var/lib/alternatives",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/lib/pacman",
    "var/lib/python",
    "var/lib/rpm",
    "var/lib/sgml-base",
    "var/lib/ucf",
    "var/lib/xml-core",
)

# Daemons of the distribution expect their own folder here, with their owner: it is there, and
# empty.
FOLDERS_WITHIN = ("run", "var/cache", "var/lib", "var/log", "var/spool")

# Not shown even where the file's mode would let everybody read it.
_SECRET_NAME = ".pwd.lock"
_SECRET_BEGINNINGS = ("gshadow", "opasswd", "shadow", "sudoers")
_SECRET_ENDINGS = (".key", ".keytab", "_key", ".p12", ".pfx")

_PSEUDO = frozenset(
    (
        *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts"),
        *("devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore"),
        *("rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs"),
    )
)


class MountPoint(NamedTuple):
    path: str
    type: str


class View(NamedTuple):
    over_root: tuple[Entry, ...]
    """What hides, parents first."""
    skeleton: tuple[Entry, ...]
    """/run and /var as the template has them."""
    shown_of_var: tuple[Entry, ...]
    """Folders on the way to, and those of SHOWN_OF_VAR that redirect to themselves."""
    inner_binds: tuple[tuple[str, str], ...]
    """File systems mounted below what is shown, which overlay does not cross: (host path, path
    inside).
    """


def is_public(name: str, status: os.stat_result) -> bool:
    """Whether every user of the host may read it; sockets, pipes and devices never count."""
    if name.endswith(_SECRET_ENDINGS) or name.startswith(_SECRET_BEGINNINGS):
        return False
    if name == _SECRET_NAME:
        return False
    kind, mode = stat.S_IFMT(status.st_mode), status.st_mode
    if kind == stat.S_IFDIR:
        return mode & 0o005 == 0o005
    return kind == stat.S_IFLNK or (kind == stat.S_IFREG and mode & 0o004 != 0)


def survey(
    top: Path, *, hidden: Sequence[Path], mounts: Sequence[MountPoint], can_redirect: bool
) -> View:
    """What to lay over `top` (`/`, but for tests).

    `hidden` are our own roots, wherever they lie. `can_redirect`: overlayfs follows a folder of the
    upper to another place of the lower; where it does not, the shown parts of /var are bound.
    """
    unseen = [path.relative_to(top).as_posix() for path in hidden if path.is_relative_to(top)]
    look = _Survey(top, unseen, tuple(mounts))
    return View(
        (*look.top_level(), *look.mount_points(), *look.absence_of_our_roots()),
        (*look.skeleton("run"), *look.skeleton("var")),
        tuple(look.redirects() if can_redirect else ()),
        (*look.inner_binds(), *look.binds_of_var(everything=not can_redirect)),
    )


class _Survey:
    def __init__(self, top: Path, unseen: list[str], mounts: tuple[MountPoint, ...]) -> None:
        self._top = top
        self._unseen = unseen
        self._mounts = mounts
        self._own_mount = mount_of(str(top), mounts)

    def top_level(self) -> list[Entry]:
        return [
            entry
            for item in self._list("")
            if (entry := self._of_top_level(item.name, item.is_dir(follow_symlinks=False)))
        ]

    def _of_top_level(self, name: str, is_folder: bool) -> Entry | None:
        if _is_shown(name) or name == ".dockerenv" or (is_folder and name in MADE_ANEW):
            return None
        return self._like(name, "empty") if is_folder and name in EMPTIED else Entry(name, "absent")

    def mount_points(self) -> list[Entry]:
        """What every container gets anyway (V09), so that no upper has to hold it."""
        entries = [Entry(".dockerenv", "file")]
        if (self._top / "dev").is_dir():
            entries += [Entry("dev/pts", "folder"), Entry("dev/shm", "folder")]
            entries.append(Entry("dev/console", "file"))
        return entries

    def skeleton(self, folder: str) -> list[Entry]:
        """The folder with empty folders in it, as deep as FOLDERS_WITHIN says."""
        if not (self._top / folder).is_dir():
            return []
        entries = [self._like(folder, "folder")]
        for item in self._list(folder):
            path = f"{folder}/{item.name}"
            if path in self._unseen:
                continue
            if item.is_symlink() and folder == "var":
                entries.append(Entry(path, "link", target=os.readlink(item)))
            elif item.is_dir(follow_symlinks=False) and path in FOLDERS_WITHIN:
                entries += self.skeleton(path)
            elif item.is_dir(follow_symlinks=False):
                entries.append(self._like(path, "folder"))
        return entries

    def redirects(self) -> list[Entry]:
        entries: dict[str, Entry] = {}
        for path in self._shown_of_var():
            if mount_of(str(self._top / path), self._mounts) == self._own_mount:
                for parent in reversed(Path(path).parents[:-2]):
                    entries.setdefault(str(parent), self._like(str(parent), "folder"))
                entries[path] = self._like(path, "folder", target=f"/{path}")
        return list(entries.values())

    def binds_of_var(self, *, everything: bool) -> list[tuple[str, str]]:
        return [
            (str(self._top / path), f"/{path}")
            for path in self._shown_of_var()
            if everything or mount_of(str(self._top / path), self._mounts) != self._own_mount
        ]

    def _shown_of_var(self) -> list[str]:
        def is_folder(path: Path) -> bool:
            return path.is_dir() and not path.is_symlink()

        return [
            path
            for path in SHOWN_OF_VAR
            if is_folder(self._top / path) and not self._overlaps_our_roots(path)
        ]

    def absence_of_our_roots(self) -> list[Entry]:
        """They may lie below what is shown, such as /opt: the folders on the way are merged."""
        entries: dict[str, Entry] = {}
        for path in self._unseen:
            if not _is_shown(path.split("/", 1)[0]) or not (self._top / path).exists():
                continue
            for parent in reversed(Path(path).parents[:-1]):
                entries.setdefault(str(parent), self._like(str(parent), "folder"))
            entries[path] = Entry(path, "absent")
        return list(entries.values())

    def inner_binds(self) -> list[tuple[str, str]]:
        """One that holds our own root stays out: there is no whiteout in a bind."""
        binds = []
        for mount in self._mounts:
            path = os.path.relpath(mount.path, self._top)
            shown = _is_shown(path.split("/", 1)[0]) and mount.type not in _PSEUDO
            if shown and not self._overlaps_our_roots(path):
                binds.append((mount.path, f"/{path}"))
        return binds

    def _overlaps_our_roots(self, path: str) -> bool:
        return any(is_within(path, root) or is_within(root, path) for root in self._unseen)

    def _list(self, folder: str) -> list[os.DirEntry[str]]:
        with os.scandir(self._top / folder) as listing:
            return sorted(listing, key=lambda item: item.name)

    def _like(self, path: str, kind: str, *, target: str = "") -> Entry:
        return entry_like(self._top, path, kind, target=target)


def entry_like(top: Path, path: str, kind: str, *, target: str = "") -> Entry:
    """An entry with the owner and mode of a folder of the host."""
    status = os.lstat(f"{top}/{path}")
    return Entry(path, kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, target)


def mount_of(path: str, mounts: Sequence[MountPoint]) -> str:
    """The mount point that a path lies on."""
    points = [mount.path for mount in mounts if is_within(path, mount.path)]
    return max(points, key=len, default="/")


def is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _is_shown(name: str) -> bool:
    return name in SHOWN or name.startswith("lib")
