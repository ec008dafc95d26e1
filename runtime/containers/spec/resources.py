"""Limits and devices: options -> `linux.resources` and `linux.devices`, checked as Docker checks
them.

A limit that this machine cannot hold to is discarded with a warning, as Docker does, but for
`cpus`, which is an error. Which file gets the value is cgroups/limits.py's business. Source:
section 2.2, C20-C25.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from runtime.containers.spec.context import DeviceNode, SpecContext, refuse
from runtime.spec import (
    BlockResources,
    BlockThrottle,
    BlockWeight,
    CpuResources,
    Device,
    DeviceRule,
    MemoryResources,
    PidsResources,
    Resources,
)
from runtime.values import BlkioOptions, ContainerOptions, ThrottleDevice, WeightDevice

MINIMUM_MEMORY = 6 * 1024 * 1024
PERIOD = 100_000
"""Microseconds that `cpus` is a share of."""


def build_resources(
    options: ContainerOptions, context: SpecContext, warnings: list[str]
) -> Resources:
    """Everything but the device rules. Raises RuntimeFault."""
    resources = Resources()
    if memory := _memory(options, context, warnings):
        resources["memory"] = memory
    if cpu := _cpu(options, context, warnings):
        resources["cpu"] = cpu
    if options.pids_limit is not None and _has("pids", "pids_limit", context, warnings):
        # 0 and -1 mean "no limit" in Compose, and only -1 does in the document
        limit = options.pids_limit if options.pids_limit > 0 else -1
        resources["pids"] = PidsResources(limit=limit)
    if options.blkio is not None and (block := _block_io(options.blkio, context, warnings)):
        resources["blockIO"] = block
    return resources


def _has(feature: str, attribute: str, context: SpecContext, warnings: list[str]) -> bool:
    if feature in context.host.features:
        return True
    warnings.append(f"`{attribute}` is discarded: this kernel has no such control")
    return False


def _memory(
    options: ContainerOptions, context: SpecContext, warnings: list[str]
) -> MemoryResources:
    _check_memory(options)
    memory = MemoryResources()
    limit = options.mem_limit or 0
    if limit and _has("memory", "mem_limit", context, warnings):
        memory["limit"] = limit
    if (swap := _swap(options, context, warnings)) is not None:
        memory["swap"] = swap
    if options.mem_reservation and _has("memory_reservation", "mem_reservation", context, warnings):
        memory["reservation"] = options.mem_reservation
    if options.mem_swappiness not in (None, -1) and _has(
        "swappiness", "mem_swappiness", context, warnings
    ):
        memory["swappiness"] = options.mem_swappiness
    if options.oom_kill_disable and _may_disable_oom_killer(limit, context, warnings):
        memory["disableOOMKiller"] = True
    return memory


def _check_memory(options: ContainerOptions) -> None:
    limit, reservation = options.mem_limit or 0, options.mem_reservation or 0
    swap, swappiness = options.memswap_limit or 0, options.mem_swappiness
    for attribute, size in (("mem_limit", limit), ("mem_reservation", reservation)):
        if size < -1 or 0 < size < MINIMUM_MEMORY:
            raise refuse(
                f"`{attribute}` is {size} bytes", code="E312", hint="at least 6 MiB are needed"
            )
    if limit > 0 and reservation > limit:
        raise refuse("`mem_reservation` is above `mem_limit`", code="E312", hint="make it smaller")
    if swap > 0 and limit <= 0:
        raise refuse(
            "`memswap_limit` needs a `mem_limit`",
            code="E312",
            hint="it counts memory and swap together: set both",
        )
    if 0 < swap < limit:
        raise refuse(
            "`memswap_limit` is below `mem_limit`",
            code="E312",
            hint="it counts memory and swap together; the same value means no swap",
        )
    if swap < -1:
        raise refuse(f"`memswap_limit: {swap}` is no size", code="E312", hint="-1 is unlimited")
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise refuse(
            f"`mem_swappiness: {swappiness}` is out of range",
            code="E312",
            hint="it goes from 0 to 100",
        )


def _swap(options: ContainerOptions, context: SpecContext, warnings: list[str]) -> int | None:
    """Memory and swap together; with a limit and nothing said, Docker gives as much swap as
    memory.
    """
    limit, swap = options.mem_limit or 0, options.memswap_limit or 0
    if limit <= 0 and swap == 0:
        return None
    if "swap" not in context.host.features:
        if swap > 0:
            warnings.append(
                "`memswap_limit` is discarded: this kernel does not account for swap;"
                " memory is limited without it"
            )
        return None
    return swap or 2 * limit


def _may_disable_oom_killer(limit: int, context: SpecContext, warnings: list[str]) -> bool:
    if not _has("oom_kill_disable", "oom_kill_disable", context, warnings):
        return False
    if limit <= 0:
        warnings.append("`oom_kill_disable` without `mem_limit` can hang the whole machine")
    return True


def _cpu(options: ContainerOptions, context: SpecContext, warnings: list[str]) -> CpuResources:
    cpu = CpuResources()
    shares = options.cpu_shares or 0
    if shares < 0:
        raise refuse(
            f"`cpu_shares: {shares}` is negative", code="E312", hint="1024 is the usual weight"
        )
    if shares and _has("cpu_shares", "cpu_shares", context, warnings):
        cpu["shares"] = shares
    cpu.update(_cpu_time(options, context, warnings))
    cpu.update(_real_time(options, context))
    if options.cpuset and _has("cpuset", "cpuset", context, warnings):
        cpu["cpus"] = _cpu_set(options.cpuset, context)
    return cpu


def _cpu_time(options: ContainerOptions, context: SpecContext, warnings: list[str]) -> CpuResources:
    if options.cpus:
        return _share_of_cpus(options, context)
    period, quota = options.cpu_period or 0, options.cpu_quota or 0
    if not (period or quota):
        return CpuResources()
    if period and not 1000 <= period <= 1_000_000:
        raise refuse(
            f"`cpu_period: {period}` is out of range",
            code="E312",
            hint="1000 to 1000000 microseconds",
        )
    if quota and quota < 1000 and quota != -1:
        raise refuse(
            f"`cpu_quota: {quota}` is too small", code="E312", hint="at least 1000 microseconds"
        )
    if not _has("cpu_cfs", "cpu_quota", context, warnings):
        return CpuResources()
    cpu = CpuResources()
    if period:
        cpu["period"] = period
    if quota:
        cpu["quota"] = quota
    return cpu


def _share_of_cpus(options: ContainerOptions, context: SpecContext) -> CpuResources:
    """`cpus: 1.5` is 150000 of every 100000 microseconds."""
    cpus = options.cpus or 0.0
    if options.cpu_period or options.cpu_quota:
        other = "cpu_period" if options.cpu_period else "cpu_quota"
        raise refuse(
            f"`cpus` and `{other}` exclude each other", code="E312", hint="`cpus` sets both"
        )
    count = len(context.host.online_cpus)
    if not 0.01 <= cpus <= count:
        raise refuse(
            f"`cpus: {cpus:g}` is out of range",
            code="E312",
            hint=f"from 0.01 to {count}: so many are available",
        )
    if "cpu_cfs" not in context.host.features:
        raise refuse(
            "`cpus` cannot be held to",
            code="E312",
            answered="this kernel has no CPU quotas",
            hint="leave it out, or mount the cpu controller",
        )
    # Through integers: 0.29 * 100000 is 28999.999
    return CpuResources(period=PERIOD, quota=int(round(cpus * 1e9) * PERIOD // 10**9))


def _real_time(options: ContainerOptions, context: SpecContext) -> CpuResources:
    period, runtime = options.cpu_rt_period or 0, options.cpu_rt_runtime or 0
    if not (period or runtime):
        return CpuResources()
    if "cpu_realtime" not in context.host.features:
        raise refuse(
            "real-time limits (`cpu_rt_period`, `cpu_rt_runtime`) cannot be held to",
            code="E312",
            answered="cgroup v2 and some kernels with v1 have none",
            hint="leave them out",
        )
    if period and runtime > period:
        raise refuse("`cpu_rt_runtime` is above `cpu_rt_period`", code="E312")
    cpu = CpuResources()
    if period:
        cpu["realtimePeriod"] = period
    if runtime:
        cpu["realtimeRuntime"] = runtime
    return cpu


def _cpu_set(text: str, context: SpecContext) -> str:
    wanted = parse_cpu_set(text)
    if offline := sorted(wanted - context.host.online_cpus):
        raise refuse(
            f"`cpuset: {text}` names CPUs that are not there: {', '.join(map(str, offline))}",
            code="E312",
            hint=f"online are {', '.join(map(str, sorted(context.host.online_cpus)))}",
        )
    return text


def parse_cpu_set(text: str) -> frozenset[int]:
    """`0-2,5` as numbers. Raises RuntimeFault."""
    found: set[int] = set()
    for part in text.strip().split(","):
        match = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip())
        if match is None:
            raise refuse(f"`cpuset: {text}` is no list of CPUs", code="E312", hint="as in `0-2,5`")
        first = int(match[1])
        found.update(range(first, int(match[2] or first) + 1))
    return frozenset(found)


def _block_io(blkio: BlkioOptions, context: SpecContext, warnings: list[str]) -> BlockResources:
    if not _has("blkio", "blkio_config", context, warnings):
        return BlockResources()
    block = BlockResources()
    if blkio.weight:
        block["weight"] = _weight(blkio.weight)
    if blkio.weight_device:
        block["weightDevice"] = _weights(blkio.weight_device, context)
    if blkio.device_read_bps:
        block["throttleReadBpsDevice"] = _throttles(blkio.device_read_bps, context)
    if blkio.device_write_bps:
        block["throttleWriteBpsDevice"] = _throttles(blkio.device_write_bps, context)
    if blkio.device_read_iops:
        block["throttleReadIOPSDevice"] = _throttles(blkio.device_read_iops, context)
    if blkio.device_write_iops:
        block["throttleWriteIOPSDevice"] = _throttles(blkio.device_write_iops, context)
    return block


def _weights(devices: Iterable[WeightDevice], context: SpecContext) -> list[BlockWeight]:
    made = []
    for each in devices:
        major, minor = _block_device(each.path, context)
        made.append(BlockWeight(major=major, minor=minor, weight=_weight(each.weight)))
    return made


def _weight(weight: int) -> int:
    if not 10 <= weight <= 1000:
        raise refuse(
            f"`blkio_config`: weight {weight} is out of range", code="E312", hint="10 to 1000"
        )
    return weight


def _throttles(devices: Iterable[ThrottleDevice], context: SpecContext) -> list[BlockThrottle]:
    made = []
    for each in devices:
        major, minor = _block_device(each.path, context)
        made.append(BlockThrottle(major=major, minor=minor, rate=each.rate))
    return made


def _block_device(path: str, context: SpecContext) -> tuple[int, int]:
    if path not in context.block_devices:
        raise refuse(
            f"`blkio_config`: `{path}` is no block device of this machine",
            code="E312",
            hint="name a whole disk, as `lsblk` lists them",
        )
    return context.block_devices[path]


def build_devices(
    options: ContainerOptions, context: SpecContext
) -> tuple[list[Device], list[DeviceRule]]:
    """(nodes to make, rules in order; the last about a device wins). Raises RuntimeFault
    (C20-C25).
    """
    nodes: dict[str, Device] = {}
    rules: list[DeviceRule] = [*context.defaults["device_rules"]]
    if options.privileged:
        nodes.update((node.path, _node(node, node.path)) for node in context.host_devices)
        rules = [DeviceRule(allow=True, type="a", access="rwm")]
    for device in options.devices:
        access = check_access(device.permissions, "devices")
        for node, path in _targets(device.source, device.target or device.source, context):
            nodes[path] = _node(node, path)
            rules.append(
                DeviceRule(
                    allow=True, type=node.type, major=node.major, minor=node.minor, access=access
                )
            )
    rules += [parse_rule(text) for text in options.device_cgroup_rules]
    return list(nodes.values()), rules


def _targets(source: str, target: str, context: SpecContext) -> list[tuple[DeviceNode, str]]:
    """A node, or all nodes below a folder, with their paths in the container."""
    if "=" in source:
        raise refuse(
            f"`devices: {source}` is a CDI name",
            code="E306",
            hint="CDI is not supported; name the device's node, as in `/dev/dri/card0`",
        )
    found: Sequence[DeviceNode] = context.devices.get(source, ())
    if not found:
        raise refuse(
            f"`devices`: there is no device `{source}`",
            code="E306",
            hint="look for it in /dev on this machine",
        )
    if len(found) == 1 and found[0].path == source:
        return [(found[0], target)]
    return [(node, target + node.path.removeprefix(source)) for node in found]


def _node(node: DeviceNode, path: str) -> Device:
    return Device(
        path=path,
        type=node.type,
        major=node.major,
        minor=node.minor,
        fileMode=node.mode,
        uid=node.uid,
        gid=node.gid,
    )


def check_access(letters: str, attribute: str) -> str:
    """`rwm` or less, each once."""
    if not letters or set(letters) - set("rwm") or len(set(letters)) != len(letters):
        raise refuse(
            f"`{attribute}`: `{letters}` is no device access",
            code="E306",
            hint="it is made of r, w and m",
        )
    return letters


def parse_rule(text: str) -> DeviceRule:
    """`c 10:200 rwm`: type a, b or c, numbers or `*`, access. Raises RuntimeFault."""
    match = re.fullmatch(r"([abc]) (\*|\d{1,9}):(\*|\d{1,9}) ([rwm]{1,3})", text.strip())
    if match is None:
        raise refuse(
            f"`device_cgroup_rules: {text}` is no device rule",
            code="E306",
            hint="as in `c 10:200 rwm` or `b *:* r`",
        )
    rule = DeviceRule(
        allow=True, type=match[1], access=check_access(match[4], "device_cgroup_rules")
    )
    if match[2] != "*":
        rule["major"] = int(match[2])
    if match[3] != "*":
        rule["minor"] = int(match[3])
    return rule
