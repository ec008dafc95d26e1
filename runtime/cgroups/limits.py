"""Which cgroup file gets which value: OCI `linux.resources` -> writes, for v1 and v2. Pure.

The controller decides, not the machine: on a hybrid host one may sit in the v2 tree while the
others are v1. groups.py performs the writes. Source: runtime-spec config-linux, and the kernel's
admin-guide for both versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runtime.cgroups.hierarchy import Hierarchy
from runtime.errors import RuntimeFault
from runtime.frozen import dataclass

DEFAULT_PERIOD = 100_000
"""Microseconds: the kernel's cpu.cfs_period_us and the second number of cpu.max."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One value for one file of the group."""

    controller: str
    file: str
    value: str
    read_back: bool = False
    """The kernel clamps silently: what it says afterwards must be `value`."""
    ancestors: bool = False
    """Each ancestor of ours is raised by the value first (v1 real time: a child's share is the
    parent's).
    """
    instead: Write | None = None
    """What to write where `file` is not there."""
    missing: str = ""
    """Warning for a kernel that has none of these files; empty: that is an error."""

    def __repr__(self) -> str:
        return f"{self.file} = {self.value}"


def files(resources: Mapping[str, Any], hierarchy: Hierarchy) -> tuple[Write, ...]:
    """The writes in order; controllers that this machine lacks are left out (`discarded` names
    them).

    Raises RuntimeFault for what the version of the controller cannot express and must not ignore.
    """
    writes: list[Write] = []
    for section, make in _SECTIONS.items():
        if asked := resources.get(section):
            writes += make(asked, hierarchy)
    return tuple(writes)


def discarded(resources: Mapping[str, Any], hierarchy: Hierarchy) -> tuple[str, ...]:
    """A sentence for each section of `resources` that no controller of this machine can hold to."""
    return tuple(
        f"this machine has no cgroup controller `{controller}`: its limits are discarded"
        for section, controller in _CONTROLLERS.items()
        if resources.get(section) and _version(hierarchy, controller) == 0
    )


def _version(hierarchy: Hierarchy, controller: str) -> int:
    """1 or 2: where the controller sits; 0: nowhere."""
    if controller in hierarchy.legacy:
        return 1
    return 2 if _NEW_NAMES.get(controller, controller) in hierarchy.controllers else 0


def _memory(asked: Mapping[str, Any], hierarchy: Hierarchy) -> list[Write]:
    version = _version(hierarchy, "memory")
    if version == 0:
        return []
    return list(_memory_v1(asked) if version == 1 else _memory_v2(asked))


def _memory_v1(asked: Mapping[str, Any]) -> Iterator[Write]:
    # A new group is unlimited, so memory goes first: it may never exceed memory plus swap. When an
    # update raises both, the kernel answers EINVAL and groups.py writes it once more behind the
    # second.
    yield from _v1("memory", "memory.limit_in_bytes", asked.get("limit"))
    yield from _v1(
        "memory",
        "memory.memsw.limit_in_bytes",
        asked.get("swap"),
        missing="this kernel does not account for swap: memory is limited without it",
    )
    yield from _v1("memory", "memory.soft_limit_in_bytes", asked.get("reservation"))
    yield from _v1("memory", "memory.swappiness", asked.get("swappiness"))
    if asked.get("disableOOMKiller"):
        yield Write(controller="memory", file="memory.oom_control", value="1")


def _memory_v2(asked: Mapping[str, Any]) -> Iterator[Write]:
    limit, swap = asked.get("limit"), asked.get("swap")
    if swap is not None and swap != 0:
        value = _swap_alone(limit, swap)
        # Without swap accounting there is no swap to give: the file is missed only by a real
        # amount.
        missing = "this kernel does not account for swap: memory is limited without it"
        yield Write(controller="memory", file="memory.swap.max", value=value, missing=missing)
    if limit is not None and limit != 0:
        yield Write(controller="memory", file="memory.max", value=_or_max(limit))
    if reservation := asked.get("reservation"):
        yield Write(controller="memory", file="memory.low", value=_or_max(reservation))


def _swap_alone(limit: int | None, swap: int) -> str:
    """memory.swap.max counts swap alone, the document memory plus swap."""
    if swap < 0:
        return "max"
    if limit is None or limit <= 0:
        raise _impossible("a swap limit without a memory limit has no form in cgroup v2")
    if swap < limit:
        raise _impossible("memory plus swap is below the memory limit")
    return str(swap - limit)


def _cpu(asked: Mapping[str, Any], hierarchy: Hierarchy) -> list[Write]:
    time_version, set_version = _version(hierarchy, "cpu"), _version(hierarchy, "cpuset")
    writes: list[Write] = []
    if time_version:
        writes += _cpu_v1(asked) if time_version == 1 else _cpu_v2(asked)
    if set_version:
        for name in ("cpus", "mems"):
            if value := asked.get(name):
                writes.append(Write(controller="cpuset", file=f"cpuset.{name}", value=value))
    return writes


def _cpu_v1(asked: Mapping[str, Any]) -> Iterator[Write]:
    if shares := asked.get("shares"):
        yield Write(controller="cpu", file="cpu.shares", value=str(shares), read_back=True)
    yield from _v1("cpu", "cpu.cfs_period_us", asked.get("period") or None)
    yield from _v1("cpu", "cpu.cfs_quota_us", asked.get("quota") or None)
    yield from _v1("cpu", "cpu.cfs_burst_us", asked.get("burst"))
    yield from _v1("cpu", "cpu.idle", asked.get("idle"))
    yield from _v1("cpu", "cpu.rt_period_us", asked.get("realtimePeriod") or None)
    if runtime := asked.get("realtimeRuntime"):
        yield Write(controller="cpu", file="cpu.rt_runtime_us", value=str(runtime), ancestors=True)


def _cpu_v2(asked: Mapping[str, Any]) -> Iterator[Write]:
    if asked.get("realtimePeriod") or asked.get("realtimeRuntime"):
        raise _impossible("cgroup v2 has no real-time scheduling limits")
    if (idle := asked.get("idle")) is not None:
        yield Write(controller="cpu", file="cpu.idle", value=str(idle))
    if shares := asked.get("shares"):
        yield Write(controller="cpu", file="cpu.weight", value=str(weight_of_shares(shares)))
    quota, period = asked.get("quota") or 0, asked.get("period") or 0
    if quota or period:
        value = f"{_or_max(quota or -1)} {period or DEFAULT_PERIOD}"
        yield Write(controller="cpu", file="cpu.max", value=value)
    if (burst := asked.get("burst")) is not None:
        yield Write(controller="cpu", file="cpu.max.burst", value=str(burst))


def weight_of_shares(shares: int) -> int:
    """cpu.weight (1 to 10000) of v1's cpu.shares (2 to 262144): 1024, the default there, is 100,
    the default here.

    The engines' formula since 2025; the linear map before it gave 39 for 1024.
    """
    power = math.log2(min(max(shares, 2), 262_144))
    return math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))


def _pids(asked: Mapping[str, Any], hierarchy: Hierarchy) -> list[Write]:
    limit = asked.get("limit")
    if limit is None or _version(hierarchy, "pids") == 0:
        return []
    # 0 is a real limit in runtime-spec 1.3; the one process that starts makes it the same as 1.
    value = "max" if limit < 0 else str(max(limit, 1))
    return [Write(controller="pids", file="pids.max", value=value)]


def _block_io(asked: Mapping[str, Any], hierarchy: Hierarchy) -> list[Write]:
    version = _version(hierarchy, "blkio")
    if version == 0:
        return []
    return list(_block_io_v1(asked) if version == 1 else _block_io_v2(asked))


_NO_WEIGHT = "this kernel has no block I/O weights (the BFQ scheduler brings them): discarded"


def _block_io_v1(asked: Mapping[str, Any]) -> Iterator[Write]:
    if weight := asked.get("weight"):
        yield _weight("blkio.weight", "blkio.bfq.weight", str(weight))
    for device in asked.get("weightDevice") or ():
        value = f"{device['major']}:{device['minor']} {device['weight']}"
        yield _weight("blkio.weight_device", "blkio.bfq.weight_device", value)
    for key, (file, _word) in _THROTTLES.items():
        for device in asked.get(key) or ():
            value = f"{device['major']}:{device['minor']} {device['rate']}"
            yield Write(controller="blkio", file=f"blkio.throttle.{file}", value=value)


def _weight(file: str, bfq_file: str, value: str) -> Write:
    instead = Write(controller="blkio", file=bfq_file, value=value, missing=_NO_WEIGHT)
    return Write(controller="blkio", file=file, value=value, instead=instead)


def _block_io_v2(asked: Mapping[str, Any]) -> Iterator[Write]:
    if weight := asked.get("weight"):
        general = Write(
            controller="io",
            file="io.weight",
            value=str(1 + (weight - 10) * 9999 // 990),
            missing=_NO_WEIGHT,
        )
        yield Write(controller="io", file="io.bfq.weight", value=str(weight), instead=general)
    for device in asked.get("weightDevice") or ():
        value = f"{device['major']}:{device['minor']} {device['weight']}"
        yield Write(controller="io", file="io.bfq.weight", value=value, missing=_NO_WEIGHT)
    for key, (_file, word) in _THROTTLES.items():
        for device in asked.get(key) or ():
            value = f"{device['major']}:{device['minor']} {word}={device['rate']}"
            yield Write(controller="io", file="io.max", value=value)


# Key of the document -> (v1 file, v2 word).
_THROTTLES = {
    "throttleReadBpsDevice": ("read_bps_device", "rbps"),
    "throttleWriteBpsDevice": ("write_bps_device", "wbps"),
    "throttleReadIOPSDevice": ("read_iops_device", "riops"),
    "throttleWriteIOPSDevice": ("write_iops_device", "wiops"),
}


def _huge_pages(asked: list[Mapping[str, Any]], hierarchy: Hierarchy) -> list[Write]:
    version = _version(hierarchy, "hugetlb")
    if version == 0:
        return []
    ending = "limit_in_bytes" if version == 1 else "max"
    return [
        Write(
            controller="hugetlb",
            file=f"hugetlb.{each['pageSize']}.{ending}",
            value=str(each["limit"]),
        )
        for each in asked
    ]


def _unified(asked: Mapping[str, str], hierarchy: Hierarchy) -> list[Write]:
    writes = []
    for file, text in asked.items():
        controller, _, parameter = file.partition(".")
        # C07: the key becomes a file name in our folder and nothing else
        if "/" in file or not parameter or controller == "cgroup":
            raise _impossible(f"`{file}` is no file of a cgroup v2 controller")
        if controller not in hierarchy.controllers:
            raise _impossible(f"`{file}` asks for a cgroup v2 controller that this machine lacks")
        writes += [
            Write(controller=controller, file=file, value=line) for line in text.splitlines()
        ]
    return writes


_SECTIONS: Mapping[str, Callable[[Any, Hierarchy], list[Write]]] = {
    "memory": _memory,
    "cpu": _cpu,
    "pids": _pids,
    "blockIO": _block_io,
    "hugepageLimits": _huge_pages,
    "unified": _unified,
}
_CONTROLLERS = {
    "memory": "memory",
    "cpu": "cpu",
    "pids": "pids",
    "blockIO": "blkio",
    "hugepageLimits": "hugetlb",
}
_NEW_NAMES = {"blkio": "io"}


def _v1(controller: str, file: str, value: int | None, *, missing: str = "") -> Iterator[Write]:
    if value is not None:
        yield Write(controller=controller, file=file, value=str(value), missing=missing)


def _or_max(number: int) -> str:
    return "max" if number < 0 else str(number)


def _impossible(message: str) -> RuntimeFault:
    return RuntimeFault(message, code="E422", tried="turning resources into cgroup files")
