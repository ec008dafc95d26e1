"""/sys/fs/cgroup of a container: its own groups as the root of each hierarchy.

v2 is one mount; on v1 (and hybrid) a tmpfs holds one mount per hierarchy and links for merged
controllers. Which version this host has is read from /proc/self/cgroup. Source: 1.3, V08.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from runtime import spec
from runtime.init.child import InitChild
from runtime.linux import faults, mounts, openat, proc
from runtime.linux.mount_options import MountOptions
from runtime.linux.proc import CgroupLine

_NAMED = "name="


def mount(child: InitChild, entry: spec.Mount, options: MountOptions) -> None:
    """`ro` and the other attributes hold for every hierarchy."""
    target = openat.ensure_directory(child.root, entry["destination"])
    lines = proc.read_cgroups()
    if _is_unified(lines):
        _attach("cgroup2", (), target, options.attributes)
    else:
        _mount_legacy(child, target, options, lines)
    os.close(target)


def _is_unified(lines: tuple[CgroupLine, ...]) -> bool:
    return all(line.hierarchy == 0 for line in lines)


def _attach(kind: str, data: tuple[str, ...], target: int, attributes: int) -> None:
    made = mounts.make_filesystem(kind, data, source="cgroup", attributes=attributes)
    mounts.attach(made, target)
    os.close(made)


def _mount_legacy(
    child: InitChild, target: int, options: MountOptions, lines: tuple[CgroupLine, ...]
) -> None:
    safe = mounts.ATTR_NOSUID | mounts.ATTR_NODEV | mounts.ATTR_NOEXEC
    base = mounts.make_filesystem("tmpfs", ("mode=755",), source="cgroup", attributes=safe)
    mounts.attach(base, target)
    for folder, controllers in hierarchies(lines):
        with faults.point("create mountpoint"):
            os.mkdir(folder, 0o755, dir_fd=base)
        place = openat.open_plain(base, folder)
        if child.has_own("cgroup"):
            _attach("cgroup", controllers, place, options.attributes)
        else:
            _bind_own(child, folder, place, options.attributes)
        os.close(place)
        for controller in controllers:
            if controller != folder and not controller.startswith(_NAMED):
                os.symlink(folder, controller, dir_fd=base)
    mounts.set_attributes(base, attributes=options.attributes)
    os.close(base)


def hierarchies(lines: tuple[CgroupLine, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(folder name, mount data) of each v1 hierarchy; `name=systemd` stands in `systemd`. Pure."""
    for line in lines:
        if line.hierarchy and line.controllers:
            yield line.controllers.removeprefix(_NAMED), tuple(line.controllers.split(","))


def _bind_own(child: InitChild, folder: str, place: int, attributes: int) -> None:
    """Without a namespace a fresh mount would show the host's root: bind the own group instead."""
    wanted = set(folder.split(","))
    for path in child.request.cgroup.legacy:
        if wanted & {name for part in path.split("/") for name in part.split(",")}:
            source = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            made = mounts.clone_tree(source)
            mounts.set_attributes(made, attributes=attributes)
            mounts.attach(made, place)
            os.close(made)
            os.close(source)
            return
