"""Ending everything in a group, however much it forks, and waiting until it is empty (L63, C30,
C31).
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from runtime.cgroups import freezer, groups, knobs, v2
from runtime.errors import RuntimeFault
from runtime.linux import faults
from runtime.messages import CgroupPlan

KILL_SECONDS = 10.0


def kill(plan: CgroupPlan) -> None:
    """SIGKILL to everything in the groups and below, in one step where the kernel has cgroup.kill;
    returns at once.

    L63: else frozen first, so that no process forks away. C30: v1 keeps frozen processes alive
    until they thaw.
    """
    with knobs.gone_is_fine():
        if knobs.has_core(plan, "cgroup.kill"):
            knobs.write(plan.unified, "cgroup.kill", "1")
            freezer.thaw(plan)
            return
        _kill_frozen(plan)


def _kill_frozen(plan: CgroupPlan) -> None:
    try:
        freezer.freeze(plan, timeout=1.0)
    except RuntimeFault:
        pass  # then without: whoever forks meanwhile is found in the next round of kill_and_wait
    for pid in groups.processes(plan):
        _send_kill(pid)
    freezer.thaw(plan)


def _send_kill(pid: int) -> None:
    with faults.point("kill process"), suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_and_wait(plan: CgroupPlan, *, timeout: float = KILL_SECONDS) -> bool:
    """Kill until nobody is left; False when somebody is after `timeout` (a process in the D state).
    Blocks.
    """
    deadline = time.monotonic() + timeout
    while groups.is_populated(plan):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        kill(plan)
        wait_empty(plan, timeout=min(left, 1.0))
    return True


def wait_empty(plan: CgroupPlan, *, timeout: float) -> bool:
    """True when no process is left in the groups within so many seconds. Blocks."""
    if plan.unified:
        return v2.wait_until(plan.unified, "populated", 0, timeout=timeout)
    return _wait_for_ends(plan, timeout)


def _wait_for_ends(plan: CgroupPlan, timeout: float) -> bool:
    """v1 alone has no event for an empty group, but each of its processes has one for its end."""
    deadline = time.monotonic() + timeout
    while pids := groups.processes(plan):
        left = deadline - time.monotonic()
        if left <= 0 or not _wait_for_end(pids[0], left):
            return not groups.processes(plan)
    return True


def _wait_for_end(pid: int, timeout: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)


def watch_emptiness(plan: CgroupPlan) -> v2.Events | None:
    """Its `fileno` is readable when `read()["populated"]` may have changed; None on v1 alone."""
    return v2.Events(plan.unified, "cgroup.events") if plan.unified else None
