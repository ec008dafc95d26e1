"""Counters of a group -> the numbers of `stats`; the same from v1 and v2.

Network counters are not here: they belong to the namespace (/proc/PID/net/dev). Source: C33-C36.
"""

from __future__ import annotations

import os
from pathlib import Path

from runtime.cgroups import knobs
from runtime.frozen import dataclass
from runtime.messages import CgroupPlan

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_V1_UNLIMITED = 1 << 62
"""v1 has no word for it: it rounds the largest number down to a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counted since the group was made. Times are nanoseconds, sizes bytes."""

    cpu: int = 0
    cpu_user: int = 0
    cpu_system: int = 0
    periods: int = 0
    throttled_periods: int = 0
    throttled: int = 0
    machine_cpu: int = 0
    """Of all CPUs together, idle time too, since boot."""
    cpu_count: int = 1
    memory: int = 0
    """Without the file cache that can be dropped at once, as Docker shows it."""
    memory_limit: int = 0
    """The machine's memory where nothing is limited."""
    memory_failures: int = 0
    pids: int = 0
    pids_limit: int = 0
    """0: none."""
    read: int = 0
    written: int = 0


def read_stats(plan: CgroupPlan) -> Stats:
    """The numbers as they are; zeros for what is gone or not counted here (C36)."""
    machine = Path("/proc/stat").read_text()
    total = _memory_total(Path("/proc/meminfo").read_text())
    return Stats(
        **_cpu(plan),
        machine_cpu=parse_machine_cpu(machine),
        cpu_count=os.cpu_count() or 1,
        **_memory(plan, total),
        **_pids(plan),
        **_block_io(plan),
    )


def cpu_percent(before: Stats, after: Stats) -> float:
    """Between two readings; 100 is one CPU."""
    machine = after.machine_cpu - before.machine_cpu
    if machine <= 0 or after.cpu < before.cpu:
        return 0.0
    return (after.cpu - before.cpu) / machine * after.cpu_count * 100


def parse_machine_cpu(text: str) -> int:
    """The first seven numbers of /proc/stat's `cpu` line; guests are within user already."""
    line = next(line for line in text.splitlines() if line.startswith("cpu "))
    return sum(int(number) for number in line.split()[1:8]) * _TICK


def _memory_total(text: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith("MemTotal:"))
    return int(line.split()[1]) * 1024


def _cpu(plan: CgroupPlan) -> dict[str, int]:
    if folder := knobs.folder_with(plan, "cpuacct.usage"):
        return _cpu_v1(plan, folder)
    pairs = knobs.read_pairs(plan.unified, "cpu.stat") if plan.unified else {}
    return {
        "cpu": pairs.get("usage_usec", 0) * 1000,
        "cpu_user": pairs.get("user_usec", 0) * 1000,
        "cpu_system": pairs.get("system_usec", 0) * 1000,
        "periods": pairs.get("nr_periods", 0),
        "throttled_periods": pairs.get("nr_throttled", 0),
        "throttled": pairs.get("throttled_usec", 0) * 1000,
    }


def _cpu_v1(plan: CgroupPlan, folder: str) -> dict[str, int]:
    ticks = knobs.read_pairs(folder, "cpuacct.stat")
    time_folder = next((each for each in plan.legacy if knobs.exists(each, "cpu.shares")), folder)
    pairs = knobs.read_pairs(time_folder, "cpu.stat")
    return {
        "cpu": _number(folder, "cpuacct.usage"),
        "cpu_user": ticks.get("user", 0) * _TICK,
        "cpu_system": ticks.get("system", 0) * _TICK,
        "periods": pairs.get("nr_periods", 0),
        "throttled_periods": pairs.get("nr_throttled", 0),
        "throttled": pairs.get("throttled_time", 0),
    }


def _memory(plan: CgroupPlan, total: int) -> dict[str, int]:
    if folder := knobs.folder_with(plan, "memory.usage_in_bytes"):
        usage, limit = (_number(folder, f"memory.{name}_in_bytes") for name in ("usage", "limit"))
        droppable = knobs.read_pairs(folder, "memory.stat").get("total_inactive_file", 0)
        failures = _number(folder, "memory.failcnt")
    elif folder := knobs.folder_with(plan, "memory.current"):
        usage, limit = _number(folder, "memory.current"), _number(folder, "memory.max")
        droppable = knobs.read_pairs(folder, "memory.stat").get("inactive_file", 0)
        failures = knobs.read_pairs(folder, "memory.events").get("oom", 0)
    else:
        return {"memory_limit": total}
    return {
        "memory": usage - droppable if droppable < usage else usage,
        "memory_limit": min(limit, total) if 0 < limit < _V1_UNLIMITED else total,
        "memory_failures": failures,
    }


def _pids(plan: CgroupPlan) -> dict[str, int]:
    folder = knobs.folder_with(plan, "pids.current")
    if folder is None:
        return {}
    return {"pids": _number(folder, "pids.current"), "pids_limit": _number(folder, "pids.max")}


def _block_io(plan: CgroupPlan) -> dict[str, int]:
    for file in ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"):
        if folder := knobs.folder_with(plan, file):
            return parse_io_v1(knobs.read(folder, file) or "")
    if folder := knobs.folder_with(plan, "io.stat"):
        return parse_io_v2(knobs.read(folder, "io.stat") or "")
    return {}


def parse_io_v1(text: str) -> dict[str, int]:
    """`253:0 Read 4096` lines."""
    sums = {"Read": 0, "Write": 0}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in sums:
            sums[words[1]] += int(words[2])
    return {"read": sums["Read"], "written": sums["Write"]}


def parse_io_v2(text: str) -> dict[str, int]:
    """`253:0 rbytes=4096 wbytes=0 rios=1 ...` lines."""
    sums = {"rbytes": 0, "wbytes": 0}
    for line in text.splitlines():
        for word in line.split()[1:]:
            key, _, number = word.partition("=")
            if key in sums:
                sums[key] += int(number)
    return {"read": sums["rbytes"], "written": sums["wbytes"]}


def _number(folder: str, file: str) -> int:
    """0 for `max`, and for a file that is gone."""
    text = (knobs.read(folder, file) or "").strip()
    return int(text) if text.isdigit() else 0
