"""A container's groups from making to removing, in whatever trees the machine has.

    groups.create -> apply.apply -> (keeper: fork) -> freezer, killing, oom, stats -> groups.remove

All of them take the `CgroupPlan` that `create` (or hierarchy.plan_of) gives, and find by file which
tree has what. Taking away is idempotent: what is not there is gone already (R03).
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from runtime.cgroups import freezer, knobs, v1, v2
from runtime.cgroups import hierarchy as trees
from runtime.cgroups.hierarchy import ENGINE_LEAF, Hierarchy
from runtime.errors import RuntimeFault, describe_errno, system_call
from runtime.linux import faults
from runtime.messages import CgroupPlan

MAKE_SECONDS = 2.0
REMOVE_SECONDS = 2.0
_MARKED = 0o1755
"""Mode of a folder that we make for a `cgroup_parent`. The sticky bit, without a meaning there,
says that we take it away again, from the very moment it exists.
"""


def create(
    hierarchy: Hierarchy, root_hash: str, project_id: str, leaf: str, *, parent: str = ""
) -> CgroupPlan:
    """Make the folders of a leaf in every tree, ready to be joined; counters start at zero.

    L03: raises RuntimeFault when processes are in it already (the engine's own leaf excepted), with
    nothing new left.
    """
    plan = trees.plan_of(hierarchy, root_hash, project_id, leaf, parent=parent)
    if leaf != ENGINE_LEAF:
        _start_anew(plan)
    try:
        for top in hierarchy.tops:
            _make(hierarchy, top, f"{trees.home(root_hash, parent)}/{project_id}/{leaf}")
    except RuntimeFault:
        try_remove(plan)
        raise
    except OSError as error:
        try_remove(plan)
        raise RuntimeFault(
            "cannot make a cgroup",
            code="E424",
            tried=f"making {error.filename or plan.unified or plan.legacy[0]}",
            answered=describe_errno(error),
            hint="the cgroup trees must be writable: in a container, give it its own tree",
        ) from error
    return plan


def _start_anew(plan: CgroupPlan) -> None:
    if is_populated(plan):
        raise RuntimeFault(
            "the cgroup of a new container has processes in it",
            code="E425",
            tried=f"making {plan.unified or plan.legacy[0]}",
            answered=f"pids {', '.join(str(pid) for pid in processes(plan)[:5])}",
            hint="`pycompose down` kills what an earlier run left",
        )
    # A left-over counts old OOM kills and may be frozen. Where there is none, nothing is tried: the
    # kernel removes one group at a time, and none while a process joins one
    if any(os.path.isdir(folder) for folder in knobs.folders_of(plan)):
        remove(plan)


def _make(hierarchy: Hierarchy, top: str, path: str) -> None:
    """All folders from the top down. Another project may remove our common parent meanwhile: then
    once more.
    """
    if top not in (hierarchy.unified, hierarchy.legacy.get("cpuset")):
        # Nothing is passed on from parent to child in this tree: mostly one call does it.
        with knobs.gone_is_fine():
            return _make_folder(f"{top}{path}")
    deadline = time.monotonic() + MAKE_SECONDS
    while time.monotonic() < deadline:
        with knobs.gone_is_fine():
            return _make_once(hierarchy, top, path)
        time.sleep(0.001)  # noqa: TID251  a dying folder is seen a moment longer, with ENODEV
    _make_once(hierarchy, top, path)


def _make_once(hierarchy: Hierarchy, top: str, path: str) -> None:
    is_unified = top == hierarchy.unified
    folder = top
    for word in path.strip("/").split("/"):
        if is_unified:
            v2.enable_controllers(folder, hierarchy.controllers, is_top=folder == top)
        folder = f"{folder}/{word}"
        _make_folder(folder)
        if hierarchy.legacy.get("cpuset") == top:
            v1.fill_cpuset(folder)
    if is_unified:
        v2.check_domain(folder)


def _make_folder(folder: str) -> None:
    mode = 0o755 if f"/{trees.PREFIX}" in folder else _MARKED
    with faults.point("mkdir cgroup"), suppress(FileExistsError):
        os.mkdir(folder, mode)
        # whatever our umask: programs of every user read their limits there
        os.chmod(folder, mode)


def _is_ours(folder: str) -> bool:
    """By its name, or because we made it for a `cgroup_parent`."""
    if f"/{trees.PREFIX}" in folder:
        return True
    try:
        return bool(os.stat(folder).st_mode & stat.S_ISVTX)
    except FileNotFoundError:
        return True  # gone already; the one above it may be left


def join(plan: CgroupPlan, pid: int) -> None:
    """Put a process of ours into the groups. (Containers are born in theirs: the keeper
    does that.)
    """
    for folder in knobs.folders_of(plan):
        with system_call("cannot join a cgroup", tried=f"writing {pid} to {folder}", code="E424"):
            knobs.write(folder, "cgroup.procs", str(pid))


def processes(plan: CgroupPlan) -> list[int]:
    """Pids in the groups and below, as the host counts; empty when there are none or no group."""
    folders = knobs.folders_of(plan)
    if not folders:
        return []
    found: dict[int, None] = {}
    for folder in trees.walk(folders[0]):
        text = knobs.read(folder, "cgroup.procs") or ""
        found.update(dict.fromkeys(int(word) for word in text.split()))
    # 0 is a process that this pid namespace cannot name
    return [pid for pid in found if pid]


def is_populated(plan: CgroupPlan) -> bool:
    """True while a process (no zombie) is in the groups or below."""
    if plan.unified:
        return knobs.read_pairs(plan.unified, "cgroup.events").get("populated", 0) == 1
    return bool(processes(plan))


def remove(plan: CgroupPlan, *, timeout: float = REMOVE_SECONDS) -> bool:
    """Remove the folders and all below, then our parents that are empty; False when something stays
    busy. Blocks.

    C09: the last process of a group may be dying still, so EBUSY is tried again for a while. Kill
    before.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    while not try_remove(plan):
        if time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)  # noqa: TID251  rmdir of a dying group has no event
        pause = min(pause * 2, 0.1)
    return True


def try_remove(plan: CgroupPlan) -> bool:
    """One attempt without waiting; True when all is gone."""
    freezer.thaw(plan)
    done = [_remove_tree(folder) for folder in knobs.folders_of(plan)]
    if all(done):
        for folder in knobs.folders_of(plan):
            _remove_empty_parents(folder)
    return all(done)


def _remove_tree(folder: str) -> bool:
    if _remove_folder(folder):
        return True
    # Busy: with processes, or with groups that the container made below.
    done = [_remove_folder(each) for each in trees.walk(folder)]
    return all(done)


def _remove_folder(folder: str) -> bool:
    """False while it is in use. EROFS and the like are raised: trying again does not help."""
    try:
        with faults.point("rmdir cgroup"):
            os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise RuntimeFault(
            "cannot remove a cgroup",
            code="E428",
            tried=f"rmdir {folder}",
            answered=describe_errno(error),
        ) from error
    return True


def _remove_empty_parents(folder: str) -> None:
    """The project's folder, the root's, and those made for a `cgroup_parent`, while nothing
    is in them.
    """
    parent = os.path.dirname(folder)
    while _is_ours(parent):
        if not _remove_folder(parent):  # busy: another leaf, another project
            return
        parent = os.path.dirname(parent)
    v2.move_processes_back(parent)


def remove_project(
    hierarchy: Hierarchy, root_hash: str, project_id: str, *, parents: tuple[str, ...] = ("",)
) -> bool:
    """All leaves of a project that are empty, then its folder; False when some are not."""
    done = True
    for plan in leaves(hierarchy, root_hash, project_id, parents=parents):
        done = try_remove(plan) and done
    return done


def remove_empty(
    hierarchy: Hierarchy, root_hash: str, project_id: str, *, parents: tuple[str, ...] = ("",)
) -> bool:
    """All folders of a project in which nobody is; False when somebody is. Neither waits nor
    kills."""
    found = trees.folders(hierarchy, root_hash, project_id, parents=parents)
    done = [_remove_folder(folder) for folder in found]
    if all(done):
        for top in hierarchy.tops:
            for parent in parents:
                _remove_empty_parents(f"{top}{trees.home(root_hash, parent)}/{project_id}")
    return all(done)


def leaves(
    hierarchy: Hierarchy, root_hash: str, project_id: str, *, parents: tuple[str, ...] = ("",)
) -> Iterator[CgroupPlan]:
    """A plan for each leaf of the project that exists in some tree: for recovery, after the
    database was lost.
    """
    for parent in parents:
        home = f"{trees.home(root_hash, parent)}/{project_id}"
        names = {
            os.path.basename(path)
            for top in hierarchy.tops
            for path in trees.subfolders(top + home)
        }
        for name in sorted(names):
            yield trees.plan_of(hierarchy, root_hash, project_id, name, parent=parent)
