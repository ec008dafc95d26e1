"""Pausing: the v2 tree's cgroup.freeze where there is one, also beside v1 controllers, else v1's
freezer.
"""

from __future__ import annotations

from runtime.cgroups import knobs, v1, v2
from runtime.errors import RuntimeFault
from runtime.messages import CgroupPlan

FREEZE_SECONDS = 10.0


def freeze(plan: CgroupPlan, *, timeout: float = FREEZE_SECONDS) -> None:
    """Stop all processes where they are; returns when they stand. Raises RuntimeFault, thawed again
    (C30). Blocks.
    """
    if knobs.has_core(plan, "cgroup.freeze"):
        knobs.write(plan.unified, "cgroup.freeze", "1")
        done = v2.wait_until(plan.unified, "frozen", 1, timeout=timeout)
    else:
        done = v1.freeze(_freezer(plan))
    if not done:
        thaw(plan)
        raise RuntimeFault(
            "the container could not be paused",
            code="E427",
            tried=f"freezing {plan.unified or _freezer(plan)}",
            answered=f"not frozen after {timeout:g} seconds",
            hint="a process in it waits for the disk or the network file system; try again",
        )


def thaw(plan: CgroupPlan) -> None:
    """Let them run on. Nothing happens when they do."""
    with knobs.gone_is_fine():
        if knobs.has_core(plan, "cgroup.freeze"):
            knobs.write(plan.unified, "cgroup.freeze", "0")
    if folder := knobs.folder_with(plan, "freezer.state"):
        with knobs.gone_is_fine():
            v1.thaw(folder)


def is_frozen(plan: CgroupPlan) -> bool:
    """True when the group itself was told to stand still (an ancestor's freezing does not
    count).
    """
    if knobs.has_core(plan, "cgroup.freeze"):
        return (knobs.read(plan.unified, "cgroup.freeze") or "0").strip() == "1"
    folder = knobs.folder_with(plan, "freezer.state")
    return folder is not None and v1.is_frozen(folder)


def _freezer(plan: CgroupPlan) -> str:
    folder = knobs.folder_with(plan, "freezer.state")
    if folder is None:
        raise RuntimeFault(
            "this machine cannot pause containers",
            code="E427",
            tried="looking for a freezer",
            answered="neither cgroup.freeze nor the v1 freezer controller",
        )
    return folder
