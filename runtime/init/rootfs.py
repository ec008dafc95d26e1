"""The container's files: its root, what is mounted in it, and what of it cannot be seen or changed.

Everything happens in the container's own mount namespace and ends with it. Targets are resolved
inside the root by descriptor (openat.py) and never by joining strings (L22, V06); sources are host
paths that the engine or the user named. Source: L21-L30, L34-L35, L39, L42-L43, D20.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress

from runtime import spec
from runtime.errors import RuntimeFault, describe_errno
from runtime.init import cgroup_mount
from runtime.init.child import InitChild
from runtime.linux import faults, mounts, openat
from runtime.linux.mount_options import MountOptions, parse_options, propagation_word
from runtime.linux.overlay_entries import Entry, lay_entries
from runtime.linux.proc import PROC_MAGIC, filesystem_magic

_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_ORDINARY_ONLY = ("proc", "sysfs")
_KEPT_DIRECTORIES = ("dev/pts", "dev/shm", "proc", "sys")
_KEPT_FILES = (".dockerenv", "etc/resolv.conf", "etc/hosts", "etc/hostname", "dev/console")
_MOUNT_TABLES = ("/proc/mounts", "/proc/self/mounts", "../proc/mounts", "../proc/self/mounts")
"""What /etc/mtab may lead to; Debian's is one of them."""
_OVERLAY_OPTIONS = "index=off"
_ONE_DEVICE = "xino=auto"
"""Files of lowers on two file systems have the device of their folders, so that programs which stay
on one file system (`tar --one-file-system`) find them."""
_OVER_PROC = frozenset(
    f"/proc/{name}"
    for name in (
        "cpuinfo",
        "diskstats",
        "loadavg",
        "meminfo",
        "slabinfo",
        "stat",
        "swaps",
        "sys/crypto/fips_enabled",
        "sys/kernel/ns_last_pid",
        "uptime",
    )
)


# ---- the root ------------------------------------------------------------------------------------


def stop_propagation(child: InitChild) -> None:
    """L21: from here on no mount of ours reaches the host."""
    word, recursive = propagation_word(child.linux.get("rootfsPropagation", "") or "rslave")
    if word in (mounts.MS_SHARED, mounts.MS_UNBINDABLE):
        # A shared volume has to stay a peer of the host's mount; our root must not
        _make_private_around(child.request.spec["root"]["path"])
        return
    mounts.set_propagation("/", word | (mounts.MS_REC if recursive else 0))


def _make_private_around(folder: str) -> None:
    """The mount that contains the folder: walk up while there is no mount point."""
    while True:
        try:
            mounts.set_propagation(folder, mounts.MS_PRIVATE)
        except OSError:
            if folder == "/":
                raise
            folder = os.path.dirname(folder)
        else:
            return


def mount_root(child: InitChild) -> None:
    """L22: mount the root on its empty folder and open it once; all else is relative to that."""
    path = child.request.spec["root"]["path"]
    plan = child.request.root
    if plan.upper or len(plan.lowers) > 1:
        _mount_overlay(child, path)
    else:
        _bind_root(plan.lowers[0] if plan.lowers else path, path)
    child.root = os.open(path, _DIRECTORY | os.O_CLOEXEC)
    for source, target in plan.inner_binds:
        _bind_inner(child, source, target)


def _mount_overlay(child: InitChild, path: str) -> None:
    """Layers are named by descriptor number below /proc/self/fd: 127 of them fit into the option
    page of mount(2), and the container reads no host path in its mount table."""
    plan = child.request.root
    writable = (plan.upper, plan.work) if plan.upper else ()
    further = f"{_OVERLAY_OPTIONS},volatile" if plan.volatile else _OVERLAY_OPTIONS
    lowers = plan.lowers
    try:
        if plan.laid:
            _lay(path, plan.laid)
            lowers, further = (path, *lowers), f"{further},{_ONE_DEVICE}"
        _mount_layers(path, lowers, writable=writable, further=further)
    except OSError as error:
        raise RuntimeFault(
            "cannot mount the root file system",
            code="E403",
            tried=f"overlay of {len(plan.lowers)} layers on {path}",
            answered=describe_errno(error),
        ) from error


def _lay(path: str, entries: Sequence[tuple[str, str, int, int, int, str]]) -> None:
    """A layer of its own in memory, below the overlay that is mounted on the same folder next. It
    goes with our namespace."""
    mounts.mount_at(path, "tmpfs", ("mode=755",), source="laid")
    with faults.point("lay entries"):
        lay_entries(path, [Entry(*one) for one in entries])


def _mount_layers(
    path: str, layers: Sequence[str], *, writable: Sequence[str] = (), further: str = ""
) -> None:
    """`writable` are upper and work folder, `further` the options that go with them."""
    opened = [os.open(name, _DIRECTORY | os.O_CLOEXEC) for name in (*layers, *writable)]
    options = "lowerdir=" + ":".join(map(str, opened[: len(layers)]))
    if writable:
        options += f",upperdir={opened[-2]},workdir={opened[-1]},{further}"
    os.chdir("/proc/self/fd")
    mounts.mount_overlay(path, options)
    os.chdir("/")
    for descriptor in opened:
        os.close(descriptor)


def _bind_root(source: str, path: str) -> None:
    """pivot_root wants a mount point, so a plain folder is bound, on itself if need be."""
    place = os.open(path, _DIRECTORY | os.O_CLOEXEC)
    origin = os.open(source, _DIRECTORY | os.O_CLOEXEC)
    mount = mounts.clone_tree(origin, recursive=True)
    mounts.attach(mount, place)
    for descriptor in (place, origin, mount):
        os.close(descriptor)


def _bind_inner(child: InitChild, source: str, target: str) -> None:
    options = MountOptions(recursive_attributes=mounts.ATTR_RDONLY, is_bind=True, is_recursive=True)
    _bind(child, {"destination": target, "source": source}, options)


def is_null_device(descriptor: int) -> bool:
    status = os.fstat(descriptor)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)


# ---- Docker's init layer -------------------------------------------------------------------------


def clean_mountpoints(child: InitChild) -> None:
    """V09: the image does not decide what these paths are; Docker keeps a layer for it (1.3)."""
    if not child.request.root.upper:
        return
    for path in _KEPT_DIRECTORIES:
        if not _is(child.root, path, stat.S_IFDIR):
            os.close(_replace(child.root, path.split("/")))
    for path in _KEPT_FILES:
        if not _is(child.root, path, stat.S_IFREG):
            _replace_file(child.root, path)
    _link_mtab(child.root)


def _is(root: int, path: str, kind: int) -> bool:
    """Whether `path` is of this kind and no component of it is a symlink."""
    try:
        descriptor = openat.open_plain(root, path)
    except OSError:
        return False
    try:
        return stat.S_IFMT(os.fstat(descriptor).st_mode) == kind
    finally:
        os.close(descriptor)


def _replace(root: int, components: list[str]) -> int:
    """Make each component a real directory; what stands in the way is unlinked."""
    current = os.dup(root)
    for name in components:
        with faults.point("clean mountpoint"):
            _unlink_unless_directory(current, name)
            try:
                os.mkdir(name, 0o755, dir_fd=current)
            except FileExistsError:
                pass
        following = os.open(name, _DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=current)
        os.close(current)
        current = following
    return current


def _unlink_unless_directory(parent: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except (FileNotFoundError, IsADirectoryError):
        pass


def _replace_file(root: int, path: str) -> None:
    folder, _, name = path.rpartition("/")
    parent = _replace(root, [part for part in folder.split("/") if part])
    _unlink_unless_directory(parent, name)
    os.close(openat.make_file(parent, name, 0o755))
    os.close(parent)


def _link_mtab(root: int) -> None:
    parent = _replace(root, ["etc"])
    try:
        is_right = os.readlink("mtab", dir_fd=parent) in _MOUNT_TABLES
    except OSError:
        is_right = False
    if not is_right:
        with faults.point("link mtab"):
            _unlink_unless_directory(parent, "mtab")
            # a directory: the image wants it so, and nothing of ours depends on it
            with suppress(FileExistsError):
                os.symlink("/proc/mounts", "mtab", dir_fd=parent)
    os.close(parent)


# ---- mounts --------------------------------------------------------------------------------------


def mount_all(child: InitChild) -> None:
    """L23: in the document's order; parents come first."""
    for entry in child.request.spec.get("mounts", ()):
        try:
            _mount_one(child, entry)
        except OSError as error:
            raise _mount_failed(entry, error) from error


def _mount_failed(entry: spec.Mount, error: OSError) -> RuntimeFault:
    source = entry.get("source", entry.get("type", ""))
    if subpath := entry.get("subpath"):
        source = f"`{subpath}` of {source}"
    return RuntimeFault(
        f"cannot mount {source} at {entry['destination']}",
        code="E402",
        tried=f"mounting {source} at {entry['destination']}",
        answered=describe_errno(error),
    )


def _mount_one(child: InitChild, entry: spec.Mount) -> None:
    options = parse_options(entry.get("options", ()))
    kind = entry.get("type", "")
    if options.is_bind or kind == "bind":
        _bind(child, entry, options)
    elif kind in ("cgroup", "cgroup2"):
        cgroup_mount.mount(child, entry, options)
    else:
        _mount_filesystem(child, entry, options)


def _bind(child: InitChild, entry: spec.Mount, options: MountOptions) -> None:
    if layers := entry.get("layers"):
        mount = _clone_of_layers(child, layers, entry.get("subpath", ""))
    else:
        mount = _clone_of_source(entry, recursive=options.is_recursive)
    if stat.S_ISDIR(os.fstat(mount).st_mode):
        target = openat.ensure_directory(child.root, entry["destination"])
    else:
        target = openat.ensure_file(child.root, entry["destination"])
    _check_not_in_proc(entry["destination"], target)
    _set_options(mount, options, propagation=options.propagation or ((mounts.MS_PRIVATE, True),))
    mounts.attach(mount, target)
    for descriptor in (target, mount):
        os.close(descriptor)


def _clone_of_source(entry: spec.Mount, *, recursive: bool) -> int:
    source = os.open(entry["source"], os.O_PATH | os.O_CLOEXEC)
    return _clone(source, entry.get("subpath", ""), recursive=recursive)


def _clone_of_layers(child: InitChild, layers: Sequence[str], subpath: str) -> int:
    """What the layers of an image are together. More than one is mounted over our root for a
    moment: only mount(2) takes as many names, and only a path."""
    if len(layers) == 1:
        return _clone(os.open(layers[0], os.O_PATH | os.O_CLOEXEC), subpath, recursive=False)
    place = child.request.spec["root"]["path"]
    _mount_layers(place, layers)
    try:
        return _clone(os.open(place, os.O_PATH | os.O_CLOEXEC), subpath, recursive=False)
    finally:
        mounts.detach(place)


def _clone(source: int, subpath: str, *, recursive: bool) -> int:
    """A detached bind of `source`, which is closed. A subpath is resolved inside it, where others
    may be changing links (V06)."""
    try:
        if not subpath:
            return mounts.clone_tree(source, recursive=recursive)
        inner = openat.open_in_root(source, subpath)
        try:
            return mounts.clone_tree(inner, recursive=recursive)
        finally:
            os.close(inner)
    finally:
        os.close(source)


def _check_not_in_proc(destination: str, target: int) -> None:
    """L30, V04: what is mounted over a file of /proc would decide what we, or the kernel's other
    readers, see there. Symlinks in the image lead here, too."""
    if filesystem_magic(target) != PROC_MAGIC:
        return
    if os.path.normpath(destination) not in _OVER_PROC:
        raise RuntimeFault(
            f"nothing can be mounted at {destination}: it is inside /proc", code="E406"
        )


def _mount_filesystem(child: InitChild, entry: spec.Mount, options: MountOptions) -> None:
    kind = entry["type"]
    data = options.data
    if kind == "tmpfs" and not any(option.startswith("mode=") for option in data):
        data += _mode_of_existing(child.root, entry["destination"])
    target = _open_target(child.root, entry["destination"], ordinary=kind in _ORDINARY_ONLY)
    later = options.attributes & mounts.ATTR_RDONLY if kind == "tmpfs" else 0
    mount = mounts.make_filesystem(
        kind, data, source=entry.get("source", ""), attributes=options.attributes & ~later
    )
    if kind != "proc":
        _check_not_in_proc(entry["destination"], target)
    mounts.attach(mount, target)
    os.close(target)
    for word, recursive in options.propagation:
        mounts.set_attributes(mount, propagation=word, recursive=recursive)
    if later:
        child.made_read_only_last.append(mount)
    else:
        os.close(mount)


def _mode_of_existing(root: int, path: str) -> tuple[str, ...]:
    """L29: a tmpfs over /root keeps its 0700; where nothing was, the kernel's own 1777 stands."""
    place = _find(root, path)
    if place is None:
        return ()
    mode = stat.S_IMODE(os.fstat(place).st_mode)
    os.close(place)
    return (f"mode={mode:o}",)


def _open_target(root: int, path: str, *, ordinary: bool) -> int:
    """L24: proc and sysfs go on an ordinary directory only, or writes to them could be led away."""
    if not ordinary:
        return openat.ensure_directory(root, path)
    try:
        return openat.open_plain(root, path, _DIRECTORY)
    except FileNotFoundError:
        return openat.ensure_directory(root, path)


def _set_options(
    mount: int, options: MountOptions, *, propagation: tuple[tuple[int, bool], ...]
) -> None:
    if options.attributes or options.clear:
        mounts.set_attributes(mount, attributes=options.attributes, clear=options.clear)
    if options.recursive_attributes or options.recursive_clear:
        mounts.set_attributes(
            mount,
            attributes=options.recursive_attributes,
            clear=options.recursive_clear,
            recursive=True,
        )
    for word, recursive in propagation:
        mounts.set_attributes(mount, propagation=word, recursive=recursive)


# ---- the last touches ----------------------------------------------------------------------------


def enter(child: InitChild) -> None:
    """L34; from here on every path is the container's."""
    mounts.enter_root(child.root)


def propagate_root(child: InitChild) -> None:
    """L35: only now, or the pivot would have been refused."""
    asked = child.linux.get("rootfsPropagation", "")
    if asked:
        word, recursive = propagation_word(asked)
        if word in (mounts.MS_SHARED, mounts.MS_UNBINDABLE):
            mounts.set_attributes(child.root, propagation=word, recursive=recursive)


def protect(child: InitChild) -> None:
    """L42: visible, but read-only. A missing path is skipped."""
    for path in child.linux.get("readonlyPaths", ()):
        place = _find(child.root, path)
        if place is None:
            continue
        mount = mounts.clone_tree(place, recursive=True)
        mounts.set_attributes(mount, attributes=mounts.ATTR_RDONLY, recursive=True)
        mounts.attach(mount, place)
        os.close(mount)
        os.close(place)


def mask(child: InitChild) -> None:
    """L43: a file becomes the null device, a directory an empty one. A missing path is skipped."""
    empty: int | None = None
    for path in dict.fromkeys(child.linux.get("maskedPaths", ())):
        place = _find(child.root, path)
        if place is None:
            continue
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            _cover_with_null(child.root, place)
        elif empty is None:
            # attached itself: before 6.15 the kernel clones no mount that is not attached yet
            empty = _make_empty()
            mounts.attach(empty, place)
        else:
            mount = mounts.clone_tree(empty)
            mounts.attach(mount, place)
            os.close(mount)
        os.close(place)
    if empty is not None:
        os.close(empty)


def _cover_with_null(root: int, place: int) -> None:
    """V02: with a device that was looked at on the very descriptor that is bound."""
    null = openat.open_plain(root, "dev/null")
    if not is_null_device(null):
        raise RuntimeFault("/dev/null of the container is not the null device", code="E401")
    mount = mounts.clone_tree(null)
    mounts.set_attributes(mount, attributes=mounts.ATTR_RDONLY)
    mounts.attach(mount, place)
    os.close(mount)
    os.close(null)


def _find(root: int, path: str) -> int | None:
    try:
        return openat.open_in_root(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _make_empty() -> int:
    """One tmpfs for all masked directories; some kernels need a second inode."""
    try:
        return _tiny_tmpfs(inodes=1)
    except OSError:
        return _tiny_tmpfs(inodes=2)


def _tiny_tmpfs(*, inodes: int) -> int:
    data = ("nr_blocks=1", f"nr_inodes={inodes}", "mode=755")
    return mounts.make_filesystem("tmpfs", data, attributes=mounts.ATTR_RDONLY)


def finish(child: InitChild) -> None:
    """L29, L39: what was to be read-only becomes so when nothing is created any more."""
    for mount in child.made_read_only_last:
        mounts.set_attributes(mount, attributes=mounts.ATTR_RDONLY)
        os.close(mount)
    if child.request.spec["root"].get("readonly"):
        mounts.set_attributes(child.root, attributes=mounts.ATTR_RDONLY)
