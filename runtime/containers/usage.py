"""What a running container takes of the machine, read from its cgroup and /proc. Starts nothing
inside. Source: C33-C36; the counters of interfaces belong to the network namespace."""

from __future__ import annotations

from pathlib import Path

from runtime.cgroups import hierarchy, stats
from runtime.paths import Paths
from runtime.values import ContainerRecord, ContainerUsage


def read_usage(paths: Paths, record: ContainerRecord) -> ContainerUsage:
    """Zeros for one that does not run."""
    if not record.is_running:
        return ContainerUsage()
    plan = hierarchy.plan_of(
        hierarchy.detect(),
        paths.root_hash,
        record.project_id,
        record.id,
        parent=record.options.cgroup_parent,
    )
    counted = stats.read_stats(plan)
    # in the host's network the counters are the machine's
    is_own = record.options.network_mode != "host"
    received, sent = _read_network(record.state.pid) if is_own else (0, 0)
    return ContainerUsage(
        cpu=counted.cpu,
        machine_cpu=counted.machine_cpu,
        cpu_count=counted.cpu_count,
        memory=counted.memory,
        memory_limit=counted.memory_limit,
        pids=counted.pids,
        read=counted.read,
        written=counted.written,
        received=received,
        sent=sent,
    )


def _read_network(pid: int) -> tuple[int, int]:
    try:
        return parse_network(Path(f"/proc/{pid}/net/dev").read_text())
    except OSError:  # it has just ended
        return 0, 0


def parse_network(text: str) -> tuple[int, int]:
    """Bytes in and out of all interfaces but `lo`: two lines of header, then `eth0: 1 2 ...`."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        if name.strip() != "lo" and len(fields) > 8:
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent
