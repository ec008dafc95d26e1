"""A container as the supervisor has it in hand: what it is, how it does, what is open for it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from runtime import frozen, tasks
from runtime.containers.health import HealthState
from runtime.containers.restart import RestartState
from runtime.values import ContainerRecord, RunState


class Supervised:
    """One container. `lock` is held while it changes between running and not running."""

    def __init__(self, record: ContainerRecord) -> None:
        self.record = record
        self.state: RunState = record.state
        self.lock = tasks.lock()
        self.restart = RestartState(count=record.state.restart_count)
        self.health = HealthState()
        self.pidfd: int | None = None
        self.descriptors: dict[str, int] = {}
        """Copies of what the keeper holds; the names of Running and of PreparedLaunch.held."""
        self.life = tasks.scope()
        """Of the tasks that last as long as a run: names, probes, memory watch."""
        self.lived = tasks.event()
        """Those tasks are over."""
        self.lived.set()
        self.oom_kills = 0
        self.waiting = tasks.scope()
        """Of a pause before a restart."""
        self.ended = tasks.event()
        """The run is over and everything of it is released; set when nothing runs."""
        self.ended.set()
        self.thawed = tasks.event()
        """Set while it is not paused."""
        self.thawed.set()
        self.networks_go = False
        """Its project's networks are removed after it."""
        self.written: RunState | None = None
        """The state that its file has, as far as we know."""
        self.warnings: tuple[str, ...] = ()
        """What this run was not given as it was asked for."""
        self.is_handed = False
        """Its output went to the caller's descriptors: there is no log of this run."""

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def is_running(self) -> bool:
        return self.state.status in ("running", "paused")

    @property
    def is_idle(self) -> bool:
        """Nothing of it needs a supervisor."""
        return not self.is_running and self.state.status != "restarting" and self.ended.is_set()

    def change(self, **changes: object) -> RunState:
        """Set fields of the state; writing it down is the caller's business."""
        self.state = frozen.replace(self.state, **changes)
        return self.state

    def outputs(self) -> Mapping[str, int]:
        return {
            name: descriptor
            for name, descriptor in self.descriptors.items()
            if name in ("stdout", "stderr", "pty")
        }

    def close(self) -> None:
        """Close our copies of everything."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.descriptors.clear()
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
