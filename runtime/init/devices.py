"""/dev: the usual nodes and links, and those that the document adds. Source: L31, L32, L36, 1.3."""

from __future__ import annotations

import errno
import os
import stat

from runtime import spec
from runtime.errors import RuntimeFault
from runtime.init.child import InitChild
from runtime.init.rootfs import is_null_device
from runtime.linux import faults, mounts, openat

_USUAL: tuple[spec.Device, ...] = tuple(
    {"type": "c", "path": f"/dev/{name}", "major": major, "minor": minor, "fileMode": 0o666}
    for name, major, minor in (
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    )
)
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def make_devices(child: InitChild) -> None:
    """L32: a /dev that the user bound is his; nothing is made in it."""
    if _is_bound(child):
        return
    for device in (*_USUAL, *child.linux.get("devices", ())):
        _make_node(child.root, device)
    parent = openat.open_plain(child.root, "dev", os.O_PATH | os.O_DIRECTORY)
    _make_links(parent)
    os.close(parent)


def _is_bound(child: InitChild) -> bool:
    return any(
        os.path.normpath(entry["destination"]) == "/dev"
        and (entry.get("type") == "bind" or {"bind", "rbind"} & set(entry.get("options", ())))
        for entry in child.request.spec.get("mounts", ())
    )


def _make_node(root: int, device: spec.Device) -> None:
    folder, _, name = os.path.normpath(device["path"]).rpartition("/")
    parent = openat.ensure_directory(root, folder)
    mode = _KINDS[device["type"]] | device.get("fileMode", 0o666)
    number = os.makedev(device.get("major", 0), device.get("minor", 0))
    try:
        with faults.point("mknod"):
            os.mknod(name, mode, number, dir_fd=parent)
            owner = (device.get("uid", 0), device.get("gid", 0))
            os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        _check_existing(parent, name, mode, number)
    except PermissionError:
        _bind_node(parent, name, device["path"])
    os.close(parent)


def _check_existing(parent: int, name: str, mode: int, number: int) -> None:
    """A node of the image's is used when it is what it claims to be (V09)."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_IFMT(status.st_mode) != stat.S_IFMT(mode) or status.st_rdev != number:
        raise FileExistsError(errno.EEXIST, "something else is there already", f"/dev/{name}")


def _bind_node(parent: int, name: str, path: str) -> None:
    """Without CAP_MKNOD (an outer container, a user namespace) the host's node has to do."""
    source = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    target = openat.make_file(parent, name)
    mount = mounts.clone_tree(source)
    mounts.attach(mount, target)
    for descriptor in (source, target, mount):
        os.close(descriptor)


def _make_links(parent: int) -> None:
    links = dict(_LINKS)
    if os.path.exists("/proc/kcore"):
        links["core"] = "/proc/kcore"
    for name, target in links.items():
        with faults.point("make link"):
            try:
                os.symlink(target, name, dir_fd=parent)
            except FileExistsError:
                if name == "ptmx":
                    os.unlink(name, dir_fd=parent)
                    os.symlink(target, name, dir_fd=parent)


def reopen_null(child: InitChild) -> None:
    """L36: a stdin from the host's null device would keep a reference to a mount of the host."""
    for number in (0, 1, 2):
        if not is_null_device(number):
            continue
        descriptor = _open_null(child.root)
        os.dup2(descriptor, number)
        os.close(descriptor)


def _open_null(root: int) -> int:
    try:
        descriptor = openat.open_plain(root, "dev/null", os.O_RDWR | os.O_NOFOLLOW)
    except OSError as error:
        raise RuntimeFault(f"the container has no usable /dev/null: {error.strerror}") from error
    if not is_null_device(descriptor):
        raise RuntimeFault("/dev/null of the container is not the null device")
    return descriptor
