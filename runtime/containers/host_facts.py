"""The machine, read for spec/build.py: its kernel and limits, and the device nodes that options
name.

Reads only. Everything here is asked anew for each start, but for what cannot change while we run.
"""

from __future__ import annotations

import functools
import os
import resource
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runtime.cgroups.hierarchy import Hierarchy
from runtime.containers.spec.context import DeviceNode, HostFacts
from runtime.containers.spec.process import ULIMITS
from runtime.containers.spec.resources import parse_cpu_set
from runtime.linux import capabilities
from runtime.schemas import read_schema
from runtime.values import BlkioOptions, ContainerOptions

_NOT_DEVICES = frozenset({"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"})


@functools.cache
def read_defaults() -> Mapping[str, Any]:
    """schemas/docker-defaults.json, for `SpecContext.defaults`."""
    return read_schema("docker-defaults.json")


def read_host_facts(hierarchy: Hierarchy) -> HostFacts:
    """What the engine's process can see and do now."""
    defaults = read_defaults()
    sysctls = defaults["sysctls_of_a_private_network"]
    return HostFacts(
        hostname=os.uname().nodename,
        kernel=parse_kernel_version(os.uname().release),
        cgroup_version=hierarchy.version,
        features=hierarchy.features,
        online_cpus=parse_cpu_set(_read("/sys/devices/system/cpu/online") or "0"),
        throttled_cpus=tuple(_throttled_cpus(defaults["masked_path_per_cpu"])),
        known_capabilities=_known_capabilities(),
        held_capabilities=frozenset(capabilities.names(capabilities.read_bounding())),
        hard_limits=_hard_limits(),
        oom_score_adj=int(_read("/proc/self/oom_score_adj") or "0"),
        sysctls=frozenset(
            name for name in sysctls if os.path.exists(f"/proc/sys/{name.replace('.', '/')}")
        ),
    )


def parse_kernel_version(release: str) -> tuple[int, int]:
    """`6.1.0-13-amd64` -> (6, 1)."""
    major, minor = release.split("-")[0].split(".")[:2]
    return int(major), int(minor)


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _throttled_cpus(pattern: str) -> Iterator[int]:
    for number in sorted(parse_cpu_set(_read("/sys/devices/system/cpu/possible") or "0")):
        if os.path.isdir(pattern.format(number=number)):
            yield number


def _known_capabilities() -> tuple[str, ...]:
    last = int(_read("/proc/sys/kernel/cap_last_cap") or "40")
    return capabilities.NAMES[: last + 1]


def _hard_limits() -> dict[str, int]:
    limits = {}
    for name in ULIMITS:
        number = getattr(resource, f"RLIMIT_{name.upper()}", _LIMITS.get(name))
        if number is not None:
            limits[name] = resource.getrlimit(number)[1]
    return limits


_LIMITS = {"locks": 10}
"""Of Linux, and not in Python's module."""


def read_devices(options: ContainerOptions) -> dict[str, tuple[DeviceNode, ...]]:
    """For `SpecContext.devices`; a source that is not there is left out."""
    found = {device.source: tuple(_nodes(device.source)) for device in options.devices}
    return {source: nodes for source, nodes in found.items() if nodes}


def read_host_devices() -> tuple[DeviceNode, ...]:
    """For `SpecContext.host_devices`: what `privileged` gets, as Docker picks it."""
    return tuple(node for node in _nodes("/dev") if node.path != "/dev/console")


def read_block_devices(blkio: BlkioOptions | None) -> dict[str, tuple[int, int]]:
    """For `SpecContext.block_devices`."""
    found = {}
    for path in _paths(blkio):
        node = _node(path)
        if node is not None and node.type == "b":
            found[path] = (node.major, node.minor)
    return found


def _paths(blkio: BlkioOptions | None) -> Iterator[str]:
    if blkio is None:
        return
    yield from (each.path for each in blkio.weight_device)
    throttles = (
        *(blkio.device_read_bps, blkio.device_write_bps),
        *(blkio.device_read_iops, blkio.device_write_iops),
    )
    yield from (each.path for group in throttles for each in group)


def _nodes(path: str) -> Iterator[DeviceNode]:
    """The node, or all below the folder; behind a symlink, as `path` all the same."""
    if not os.path.isdir(path):
        node = _node(path)
        if node is not None:
            yield node
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _NOT_DEVICES)
        yield from _plain_nodes(folder, sorted(names))


def _plain_nodes(folder: str, names: Iterable[str]) -> Iterator[DeviceNode]:
    for name in names:
        path = f"{folder}/{name}"
        if not os.path.islink(path) and (node := _node(path)) is not None:
            yield node


def _node(path: str) -> DeviceNode | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    kind = {stat.S_IFBLK: "b", stat.S_IFCHR: "c"}.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    return DeviceNode(
        path=path,
        type=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
    )
