"""What containers take of the machine, as `stats` shows it: Docker's columns and units. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from compose.output import humanise
from compose.output.rows import Row, short_id
from compose.output.tables import show_rows
from runtime.values import ContainerId, ContainerRecord, ContainerUsage

COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
UNKNOWN = "--"


class UsageOf(Protocol):
    """A container and its counters."""

    @property
    def container(self) -> ContainerRecord: ...

    @property
    def usage(self) -> ContainerUsage: ...


class StatsRow(Row):
    """A container in `stats`; `before` is an earlier reading of the same run."""

    headers: ClassVar[dict[str, str]] = {
        "BlockIO": "BLOCK I/O",
        "CPUPerc": "CPU %",
        "Container": "CONTAINER",
        "ID": "CONTAINER ID",
        "MemPerc": "MEM %",
        "MemUsage": "MEM USAGE / LIMIT",
        "Name": "NAME",
        "NetIO": "NET I/O",
        "PIDs": "PIDS",
    }
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))

    def __init__(self, one: UsageOf, before: ContainerUsage | None, *, truncate: bool) -> None:
        record, now = one.container, one.usage
        self.ID = short_id(record.id) if truncate else record.id
        self.Container = self.ID
        self.Name = record.name
        if not record.is_running:
            self.CPUPerc = self.MemPerc = self.NetIO = self.BlockIO = self.PIDs = UNKNOWN
            self.MemUsage = f"{UNKNOWN} / {UNKNOWN}"
            return
        self.CPUPerc = f"{_percent_of_cpu(before, now):.2f}%" if before else UNKNOWN
        share = now.memory / now.memory_limit * 100 if now.memory_limit else 0.0
        self.MemUsage = (
            f"{humanise.binary_size(now.memory)} / {humanise.binary_size(now.memory_limit)}"
        )
        self.MemPerc = f"{share:.2f}%"
        self.NetIO = f"{_size(now.received)} / {_size(now.sent)}"
        self.BlockIO = f"{_size(now.read)} / {_size(now.written)}"
        self.PIDs = str(now.pids)


def _size(count: int) -> str:
    return humanise.size(count, digits=3)


def _percent_of_cpu(before: ContainerUsage, now: ContainerUsage) -> float:
    """100 is one processor. 0 when it was started anew between the two."""
    machine = now.machine_cpu - before.machine_cpu
    if machine <= 0 or now.cpu < before.cpu:
        return 0.0
    return (now.cpu - before.cpu) / machine * now.cpu_count * 100


def show(
    found: Sequence[UsageOf],
    before: Mapping[ContainerId, ContainerUsage],
    *,
    format: str = "",
    truncate: bool = True,
) -> list[str]:
    """A line for each container, by name; `before` is the earlier reading, by id."""
    rows = [
        StatsRow(one, before.get(one.container.id), truncate=truncate)
        for one in sorted(found, key=lambda one: one.container.name)
    ]
    return show_rows(rows, StatsRow, format=format, columns=COLUMNS)
