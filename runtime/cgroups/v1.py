"""What is particular to cgroup v1: cpusets to fill, a freezer that needs patience, the OOM eventfd.

groups.py decides when this is used. Each function takes the group's folder in the hierarchy that it
is about.
"""

from __future__ import annotations

import os
import time

from runtime.cgroups import knobs
from runtime.linux import faults

FREEZE_ATTEMPTS = 1000


def fill_cpuset(folder: str) -> None:
    """C08: a new v1 cpuset is empty, and joining one answers ENOSPC: take over the parent's."""
    parent = os.path.dirname(folder)
    for file in ("cpuset.cpus", "cpuset.mems"):
        if (knobs.read(folder, file) or "").strip():
            continue
        if inherited := (knobs.read(parent, file) or "").strip():
            knobs.write(folder, file, inherited)


def freeze(folder: str) -> bool:
    """C30: ask until the kernel says FROZEN; a group that forks all the time needs many tries.

    False, thawed again, when it would not.
    """
    for attempt in range(1, FREEZE_ATTEMPTS + 1):
        knobs.write(folder, "freezer.state", "FROZEN")
        state = (knobs.read(folder, "freezer.state") or "").strip()
        if state in ("FROZEN", ""):
            return state == "FROZEN"
        if attempt % 50 == 0:
            # Let the tasks run that the frozen ones wait for.
            knobs.write(folder, "freezer.state", "THAWED")
            time.sleep(0.01)  # noqa: TID251  the freezer has no event
    thaw(folder)
    return False


def thaw(folder: str) -> None:
    knobs.write(folder, "freezer.state", "THAWED")


def is_frozen(folder: str) -> bool:
    return (knobs.read(folder, "freezer.state") or "").strip() in ("FROZEN", "FREEZING")


def register_oom_events(folder: str) -> int:
    """C32: an eventfd that becomes readable when the group runs out of memory (or is removed)."""
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        control = os.open(f"{folder}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with faults.point("register oom events"):
                knobs.write(folder, "cgroup.event_control", f"{event} {control}")
        finally:
            os.close(control)
    except OSError:
        os.close(event)
        raise
    return event
