"""The containers that this keeper forked, from fork to the last byte of output; no action."""

from __future__ import annotations

from runtime import frozen
from runtime.frozen import dataclass
from runtime.keeper.births import Newborn
from runtime.keeper.link import Link
from runtime.messages import CgroupPlan, ProcessRecord


@dataclass(slots=True, kw_only=True)
class Asker:
    """Who waits for the reply. A link that is closed swallows it."""

    link: Link
    request_id: int


@dataclass(slots=True, kw_only=True)
class Container:
    """One run of a container."""

    record: ProcessRecord
    newborn: Newborn
    asker: Asker
    cgroup: CgroupPlan
    log_folder: str
    oom_kills_before: int
    is_recorded: bool = False
    is_told: bool = False
    """The supervisor knows of its end."""

    @property
    def id(self) -> str:
        return self.record.container_id

    @property
    def has_ended(self) -> bool:
        return self.record.exit_code is not None

    def start_at(self, now: float) -> None:
        self.record = frozen.replace(self.record, started_at=now)

    def ended(self, exit_code: int, *, at: float, oom_kills: int) -> None:
        self.record = frozen.replace(
            self.record,
            exit_code=exit_code,
            finished_at=at,
            oom_kills=oom_kills - self.oom_kills_before,
        )


@dataclass(slots=True, kw_only=True)
class Execution:
    """One further process in a container."""

    exec_id: str
    pid: int
    pidfd: int
    newborn: Newborn
    asker: Asker
    pty: int | None = None
