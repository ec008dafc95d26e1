"""Limits and device rules into the files of a group: the acting half of limits.py and
devices.py.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.cgroups import devices, knobs, limits
from runtime.cgroups.hierarchy import Hierarchy
from runtime.cgroups.limits import Write
from runtime.errors import RuntimeFault, describe_errno
from runtime.messages import CgroupPlan


def apply(plan: CgroupPlan, resources: Mapping[str, Any], hierarchy: Hierarchy) -> tuple[str, ...]:
    """All of `linux.resources`: device filter first, then limits. Returns warnings; raises
    RuntimeFault.
    """
    warnings = devices.restrict(plan, resources.get("devices") or ())
    warnings += limits.discarded(resources, hierarchy)
    return warnings + limit(plan, limits.files(resources, hierarchy))


def limit(plan: CgroupPlan, writes: Iterable[Write]) -> tuple[str, ...]:
    """Write the limits; returns warnings about those that this kernel has no file for. Raises
    RuntimeFault.

    What the kernel calls invalid is written once more after the rest: two files that bound each
    other (memory and memory plus swap, quota and period) can be raised or lowered together in one
    of the two orders only.
    """
    warnings: list[str] = []
    again: list[Write] = []
    for each in writes:
        try:
            warnings += _write(plan, each)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise _refused(plan, each, error) from error
            again.append(each)
    for each in again:
        try:
            warnings += _write(plan, each)
        except OSError as error:
            raise _refused(plan, each, error) from error
    return tuple(dict.fromkeys(warnings))


def _write(plan: CgroupPlan, each: Write) -> list[str]:
    folder = knobs.folder_with(plan, each.file)
    if folder is None:
        if each.instead is not None:
            return _write(plan, each.instead)
        if each.missing:
            return [each.missing]
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), each.file)
    if each.ancestors:
        _raise_ancestors(folder, each)
    knobs.write(folder, each.file, each.value)
    if each.read_back:
        _check_taken(folder, each)
    return []


def _raise_ancestors(folder: str, each: Write) -> None:
    """Our two folders above the leaf get the share added, topmost first: children draw on their
    parent's.
    """
    project = os.path.dirname(folder)
    for ancestor in (os.path.dirname(project), project):
        present = int((knobs.read(ancestor, each.file) or "0").strip())
        knobs.write(ancestor, each.file, str(present + int(each.value)))


def _check_taken(folder: str, each: Write) -> None:
    taken = (knobs.read(folder, each.file) or "").strip()
    if taken != each.value:
        raise RuntimeFault(
            f"the kernel does not take {each.value} for {each.file}",
            code="E426",
            tried=f"writing {each.value} to {folder}/{each.file}",
            answered=f"it made it {taken}",
            hint=f"{'at least' if int(taken) > int(each.value) else 'at most'} {taken} is possible",
        )


def _refused(plan: CgroupPlan, each: Write, error: OSError) -> RuntimeFault:
    folder = knobs.folder_with(plan, each.file) or "?"
    answered = describe_errno(error)
    hint = _HINTS.get((each.file.partition(".")[0], error.errno or 0), "")
    if error.errno == errno.EBUSY and each.file.startswith("memory."):
        usage, peak = (
            knobs.read(folder, f"memory.{name}")
            for name in ("usage_in_bytes", "max_usage_in_bytes")
        )
        answered = (
            f"{answered}; in use: {(usage or '?').strip()}, at most so far: {(peak or '?').strip()}"
        )
    return RuntimeFault(
        f"the kernel refuses the limit {each.file} = {each.value}",
        code="E426",
        tried=f"writing {each.value} to {folder}/{each.file}",
        answered=answered,
        hint=hint,
    )


_HINTS = {
    ("cpuset", errno.ERANGE): "name only CPUs that are online: see /sys/devices/system/cpu/online",
    ("cpuset", errno.EINVAL): "name only CPUs that are online: see /sys/devices/system/cpu/online",
    ("cpuset", errno.EACCES): "a group above does not own these CPUs",
    ("io", errno.ENODEV): "name a whole disk, not a partition",
    ("blkio", errno.ENODEV): "name a whole disk, not a partition",
    ("blkio", errno.EINVAL): "name a whole disk, not a partition",
    ("memory", errno.EBUSY): "the limit is below what is in use",
    ("cpu", errno.EINVAL): "a quota is at least 1000 microseconds, a period 1000 to 1000000",
}
