"""The processes of containers as `top` shows them: service, replica, then the columns of ps.
Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from compose.output.tables import show_processes
from runtime.values import ContainerRecord, ProcessRow

HEAD = ("SERVICE", "#", "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
_DAY = 86400


class ProcessesOf(Protocol):
    """A container and its processes."""

    @property
    def container(self) -> ContainerRecord: ...

    @property
    def processes(self) -> Sequence[ProcessRow]: ...


def show(found: Sequence[ProcessesOf], *, now: float | None = None) -> list[str]:
    """The table's lines; none when nothing runs."""
    now = time.time() if now is None else now
    rows = [
        _row(one.container, process, now)
        for one in sorted(found, key=lambda one: one.container.name)
        for process in one.processes
    ]
    return show_processes([HEAD, *rows])


def _row(record: ContainerRecord, process: ProcessRow, now: float) -> tuple[str, ...]:
    age = max(now - process.started_at, 1e-9)
    return (
        record.options.service,
        str(record.options.number),
        process.user,
        str(process.pid),
        str(process.parent),
        str(min(99, int(process.cpu_seconds / age * 100))),
        _start(process.started_at, now),
        process.terminal or "?",
        _cpu_time(process.cpu_seconds),
        process.command,
    )


def _start(moment: float, now: float) -> str:
    """The hour of today, else the day, as ps prints STIME."""
    return time.strftime("%H:%M" if now - moment < _DAY else "%b%d", time.localtime(moment))


def _cpu_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}"
