"""Which cgroup trees this machine has, and where our folders lie in them.

`detect` reads, everything else is path arithmetic. Three forms are first-class (C01): v2 alone, v1
alone, and hybrid, where the controllers sit in v1 trees and a v2 tree with few or none lies beside
them. Our folders are `/pycompose-ROOT/PROJECT/LEAF` at the top of each tree, never inside the
caller's scope: it would die with his session (DESIGN.md 6). Processes sit in leaves only (C03).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from runtime.cgroups import knobs
from runtime.errors import RuntimeFault
from runtime.frozen import dataclass, field
from runtime.linux import proc
from runtime.messages import CgroupPlan

ROOT = "/sys/fs/cgroup"
ENGINE_LEAF = "engine"
PREFIX = "pycompose-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """The trees as found. All folders are absolute."""

    unified: str = ""
    """Top folder of the v2 tree; empty where there is none."""
    controllers: frozenset[str] = frozenset()
    """What the v2 tree can control; few or none in the hybrid form."""
    legacy: Mapping[str, str] = field(default_factory=dict)
    """v1 controller, or `name=systemd`, -> top folder; merged controllers share one."""
    features: frozenset[str] = frozenset()
    """Knobs that work here, in the words of FEATURES."""

    @property
    def version(self) -> int:
        """2 for v2 alone, else 1: where the controllers are."""
        return 1 if self.legacy else 2

    @property
    def tops(self) -> tuple[str, ...]:
        """Each tree once, the v2 tree first."""
        return tuple(dict.fromkeys(filter(None, (self.unified, *self.legacy.values()))))


# Feature -> (v1 controller, v1 file, v2 controller, v2 file). A file marked with `>` exists below
# the top only. Empty: the controller proves enough, or that version has no such thing.
FEATURES: Mapping[str, tuple[str, str, str, str]] = {
    "memory": ("memory", "memory.limit_in_bytes", "memory", ""),
    "swap": ("memory", "memory.memsw.limit_in_bytes", "memory", ">memory.swap.max"),
    "memory_reservation": ("memory", "memory.soft_limit_in_bytes", "memory", ""),
    "swappiness": ("memory", "memory.swappiness", "", ""),
    "oom_kill_disable": ("memory", "memory.oom_control", "", ""),
    "cpu_shares": ("cpu", "cpu.shares", "cpu", ""),
    "cpu_cfs": ("cpu", "cpu.cfs_quota_us", "cpu", ">cpu.max"),
    "cpu_realtime": ("cpu", "cpu.rt_runtime_us", "", ""),
    "cpuset": ("cpuset", "cpuset.cpus", "cpuset", ""),
    "pids": ("pids", "", "pids", ""),
    "blkio": ("blkio", "", "io", ""),
    "devices": ("devices", "devices.allow", "", ""),
    "freezer": ("freezer", "", "", ""),
}


def detect() -> Hierarchy:
    """Read the mount table. Raises RuntimeFault where no cgroup tree is mounted."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    unified, legacy = parse_mounts(text)
    if not unified and not legacy:
        raise RuntimeFault(
            "no cgroup tree is mounted",
            code="E420",
            tried="reading /proc/self/mountinfo",
            answered="neither a cgroup nor a cgroup2 file system below /sys/fs/cgroup",
            hint="mount one: `mount -t cgroup2 cgroup2 /sys/fs/cgroup`",
        )
    controllers = (
        frozenset((knobs.read(unified, "cgroup.controllers") or "").split())
        if unified
        else frozenset()
    )
    features = find_features(controllers, legacy, has_file=_has_file(unified))
    return Hierarchy(unified=unified, controllers=controllers, legacy=legacy, features=features)


def parse_mounts(mountinfo: str) -> tuple[str, dict[str, str]]:
    """(top of the v2 tree, v1 controller -> top) of a mountinfo text.

    C01: the file system's type counts, not a folder's name. With v2 mounted at the root of it all,
    v1 mounts elsewhere (some VPN clients make a net_cls tree) are somebody else's.
    """
    unified, legacy = "", {}
    for line in proc.parse_mountinfo(mountinfo):
        if line.target != ROOT and not line.target.startswith(f"{ROOT}/"):
            continue
        if line.kind == "cgroup2":
            unified = line.target
        elif line.kind == "cgroup":
            legacy.update(dict.fromkeys(_controllers(line.data), line.target))
    return unified, {} if unified == ROOT else legacy


_NOT_CONTROLLERS = frozenset(
    (
        "rw",
        "ro",
        "noprefix",
        "xattr",
        "clone_children",
        "cpuset_v2_mode",
        "none",
        "favordynmods",
        "nofavordynmods",
        "all",
    )
)


def _controllers(options: str) -> list[str]:
    words = options.split(",")
    return [
        word
        for word in words
        if word not in _NOT_CONTROLLERS and not word.startswith("release_agent=")
    ]


def find_features(
    controllers: frozenset[str], legacy: Mapping[str, str], *, has_file: Callable[[str, str], bool]
) -> frozenset[str]:
    """Which knobs work. `has_file(folder, name)`; a folder "" is the v2 tree's. Pure but for it."""

    def works(old: str, old_file: str, new: str, new_file: str) -> bool:
        if old in legacy:
            return not old_file or has_file(legacy[old], old_file)
        if not new or new not in controllers:
            return False
        return not new_file or has_file("", new_file)

    found = {name for name, where in FEATURES.items() if works(*where)}
    # The device filter of v2 is a program attached to a group of any v2 tree (C21, C24).
    return frozenset(found if legacy and "devices" not in legacy else found | {"devices"})


def _has_file(unified: str) -> Callable[[str, str], bool]:
    def has_file(folder: str, name: str) -> bool:
        folder = folder or unified
        if not name.startswith(">"):
            return knobs.exists(folder, name)
        # Not at the top: one group below it tells. Without any, writing will tell (limits are
        # optional there).
        children = subfolders(folder)
        return not children or any(knobs.exists(child, name[1:]) for child in children)

    return has_file


def home(root_hash: str, parent: str = "") -> str:
    """`/pycompose-HASH` below `cgroup_parent`, relative to a tree's top."""
    return f"{expand_parent(parent)}/{PREFIX}{root_hash}"


def plan_of(
    hierarchy: Hierarchy, root_hash: str, project_id: str, leaf: str, *, parent: str = ""
) -> CgroupPlan:
    """The folders of a leaf, whether they exist or not."""
    path = f"{home(root_hash, parent)}/{project_id}/{leaf}"
    unified = f"{hierarchy.unified}{path}" if hierarchy.unified else ""
    tops = (top for top in hierarchy.tops if top != hierarchy.unified)
    return CgroupPlan(unified=unified, legacy=tuple(f"{top}{path}" for top in tops))


def expand_parent(parent: str) -> str:
    """`cgroup_parent` as a path from the top, "" for none. Raises RuntimeFault for what is no path
    (C02).

    A systemd slice stands for its whole chain: `a-b.slice` is `/a.slice/a-b.slice`.
    """
    name = parent.strip("/")
    if not name:
        return ""
    if ".." in name.split("/") or "\0" in name:
        raise _bad_parent(parent, "it contains `..`")
    if "/" in name or not name.endswith(".slice"):
        return f"/{os.path.normpath(name)}"
    stem = name.removesuffix(".slice")
    if not stem.strip("-") or stem.startswith("-") or stem.endswith("-") or "--" in stem:
        raise _bad_parent(parent, "it is no name of a slice")
    words = stem.split("-")
    return "".join(f"/{'-'.join(words[: n + 1])}.slice" for n in range(len(words)))


def _bad_parent(parent: str, why: str) -> RuntimeFault:
    return RuntimeFault(
        f"`cgroup_parent: {parent}` cannot be: {why}",
        code="E421",
        hint="name a folder below the top of the cgroup trees, or a slice as in `user-work.slice`",
    )


def folders(
    hierarchy: Hierarchy, root_hash: str, project_id: str = "", *, parents: tuple[str, ...] = ("",)
) -> tuple[str, ...]:
    """Every cgroup folder of ours that exists, deepest first: for the census, and for what a kill
    left over.

    `parents` are the values of `cgroup_parent` that containers were made with.
    """
    found: list[str] = []
    for top in hierarchy.tops:
        for parent in parents:
            start = top + home(root_hash, parent) + (f"/{project_id}" if project_id else "")
            found += walk(start)
    return tuple(found)


def find_parents(hierarchy: Hierarchy, root_hash: str) -> tuple[str, ...]:
    """Values of `cgroup_parent` below which there are folders of ours, and "" for the top. Reads
    all trees whole, which nobody should do without need."""
    name = f"/{PREFIX}{root_hash}"
    found = {""}
    for top in hierarchy.tops:
        found |= {
            folder.removesuffix(name).removeprefix(top)
            for folder in walk(top)
            if folder.endswith(name)
        }
    return tuple(sorted(found))


def walk(folder: str) -> Iterator[str]:
    """The folder and all groups below it, children before their parents; nothing when it is not
    there.
    """
    for child in subfolders(folder):
        yield from walk(child)
    if os.path.isdir(folder):
        yield folder


def subfolders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
