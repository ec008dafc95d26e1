"""Processes that the kernel killed for want of memory: how many, and a descriptor that tells of the
next (C32).

The count starts at zero with the group (groups.create makes a new one for each start), so read it
before the group is removed. A killed child counts as well as the init: Docker's flag does the same.
"""

from __future__ import annotations

from pathlib import Path

from runtime.cgroups import knobs, v1
from runtime.linux import inotify
from runtime.messages import CgroupPlan


def oom_kills(plan: CgroupPlan) -> int:
    """How many processes the kernel killed here for want of memory since `create` (C32)."""
    for file in ("memory.events", "memory.oom_control"):
        if folder := knobs.folder_with(plan, file):
            return knobs.read_pairs(folder, file).get("oom_kill", 0)
    return 0


def open_notices(plan: CgroupPlan) -> int | None:
    """A non-blocking descriptor, the caller's, that becomes readable when `oom_kills` may have
    grown; read it to be told of the next time. None where no memory controller is, or it tells
    nothing.
    """
    if knobs.has_core(plan, "memory.events"):
        watch = inotify.Watch()
        try:
            watch.add(Path(plan.unified, "memory.events"), inotify.MODIFIED)
        except OSError:
            watch.close()
            raise
        return watch.fileno()
    folder = knobs.folder_with(plan, "memory.oom_control")
    if folder is None or not knobs.exists(folder, "cgroup.event_control"):
        return None
    return v1.register_oom_events(folder)
