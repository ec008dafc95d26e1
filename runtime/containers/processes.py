"""What runs in a container, read from its cgroup and /proc, as the host counts. Starts nothing
inside."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.cgroups import groups, hierarchy
from runtime.errors import NotFound
from runtime.paths import Paths
from runtime.values import ContainerRecord, ProcessRow

_TICKS = os.sysconf("SC_CLK_TCK")


def list_processes(paths: Paths, record: ContainerRecord) -> tuple[ProcessRow, ...]:
    """By pid. One that ends meanwhile is left out."""
    plan = hierarchy.plan_of(
        hierarchy.detect(),
        paths.root_hash,
        record.project_id,
        record.id,
        parent=record.options.cgroup_parent,
    )
    boot = _boot_time()
    rows = (_read(pid, boot) for pid in sorted(groups.processes(plan)))
    return tuple(row for row in rows if row is not None)


def _read(pid: int, boot: float) -> ProcessRow | None:
    folder = Path(f"/proc/{pid}")
    try:
        name, _, rest = folder.joinpath("stat").read_text().rpartition(")")
        fields = rest.split()
        command = (
            folder.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
        uid = folder.stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return None
    return ProcessRow(
        pid=pid,
        parent=int(fields[1]),
        # V11: the name of a uid inside is the image's word; the host's names may mean other users
        user=str(uid) if uid else "root",
        started_at=boot + int(fields[19]) / _TICKS,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        terminal=_terminal(int(fields[4])),
        command=command.strip() or f"[{name.partition('(')[2]}]",
    )


def _terminal(device: int) -> str:
    if not device:
        return "?"
    major, minor = os.major(device), os.minor(device)
    return f"pts/{minor}" if 136 <= major <= 143 else f"{major}:{minor}"


def _boot_time() -> float:
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    raise NotFound("/proc/stat names no boot time", code="E322")
