"""Processes that the kernel killed for want of memory: how many, and a descriptor that tells of the
next (C32).

The count starts at zero with the group (groups.create makes a new one for each start), so read it
before the group is removed. A killed child counts as well as the init: Docker's flag does the same.
"""

from __future__ import annotations

import os
from contextlib import suppress

from runtime.cgroups import knobs, v1, v2
from runtime.messages import CgroupPlan


def oom_kills(plan: CgroupPlan) -> int:
    """How many processes the kernel killed here for want of memory since `create` (C32)."""
    for file in ("memory.events", "memory.oom_control"):
        if folder := knobs.folder_with(plan, file):
            return knobs.read_pairs(folder, file).get("oom_kill", 0)
    return 0


class OomWatch:
    """`fileno` is readable when `oom_kills` may have grown; `settle` makes it wait for the next
    time. Close it.
    """

    def __init__(self, source: v2.Events | int) -> None:
        self._source = source

    def fileno(self) -> int:
        return self._source if isinstance(self._source, int) else self._source.fileno()

    def settle(self) -> None:
        if not isinstance(self._source, int):
            self._source.read()
            return
        with suppress(BlockingIOError):
            os.eventfd_read(self._source)

    def close(self) -> None:
        if isinstance(self._source, int):
            os.close(self._source)
        else:
            self._source.close()


def watch_oom(plan: CgroupPlan) -> OomWatch | None:
    """None where no memory controller is, or it has no events."""
    if knobs.has_core(plan, "memory.events"):
        return OomWatch(v2.Events(plan.unified, "memory.events"))
    folder = knobs.folder_with(plan, "memory.oom_control")
    if folder is None or not knobs.exists(folder, "cgroup.event_control"):
        return None
    return OomWatch(v1.register_oom_events(folder))
