"""What is left of projects that no row knows: groups, links, tables, run folders, shared memory.

Both processes of a project may have been killed after it was forgotten, or the database was lost
while it ran. Kernel names carry the root's hash and the project's id, so all of it is found without
rows (R02). A row is there before the thing and goes after it, so rows are read after the things.

What is empty is taken away at sight. Containers that run are not killed because a database was lost
(R28), until somebody says `down`: they and their links stay, and are named. Only groups whose run
folder lies below this root are ever killed: four digits of hash may be another root's as well.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterable, Mapping

from runtime import frozen
from runtime.cgroups import groups, hierarchy, killing, knobs
from runtime.cgroups.hierarchy import ENGINE_LEAF, Hierarchy
from runtime.frozen import dataclass, field
from runtime.images import uppers
from runtime.linux import files, netlink, nftables
from runtime.linux.netlink import Link
from runtime.messages import CgroupPlan
from runtime.networks import links
from runtime.networks.firewall import ProjectFirewall, project_table_name, shared_table_name
from runtime.paths import Paths, ProjectPaths
from runtime.state.database import Database
from runtime.volumes import memory

END_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Things of this root in the kernel and below the run root, whoever they belong to."""

    groups: frozenset[str] = frozenset()
    """Project ids that have groups."""
    parents: tuple[str, ...] = ("",)
    """Folders of the cgroup trees below which there are groups of ours."""
    folders: frozenset[str] = frozenset()
    """Project ids that have a run folder."""
    data: frozenset[str] = frozenset()
    """Container ids that have a folder."""
    links: tuple[Link, ...] = ()
    tables: frozenset[str] = frozenset()
    memory: Mapping[str, str] = field(default_factory=dict)
    """Container ids that have a tmpfs volume -> their project ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the rows say."""

    projects: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    """By name: one that is just being made has no alias yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strays:
    """What nobody knows and nobody uses."""

    projects: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    """Containers that are counted among the users of a tmpfs volume."""


@dataclass(slots=True, kw_only=True)
class Swept:
    """What was done, for messages."""

    ended: list[str] = field(default_factory=list)
    """Containers that were killed."""
    removed: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    """Containers that run and that no row knows."""


def find(paths: Paths, trees: Hierarchy) -> Found:
    return Found(
        groups=_find_groups(paths, trees, ("",)),
        folders=frozenset(os.listdir(paths.projects) if paths.projects.is_dir() else ()),
        data=frozenset(os.listdir(paths.containers) if paths.containers.is_dir() else ()),
        links=tuple(
            link for link in netlink.list_links() if link.name.startswith(f"pc{paths.root_hash}")
        ),
        tables=frozenset(
            name
            for name in nftables.list_tables()
            if name.startswith(f"pycompose-{paths.root_hash}-")
        ),
        memory=memory.users(paths.memory),
    )


def _find_groups(paths: Paths, trees: Hierarchy, parents: Iterable[str]) -> frozenset[str]:
    return frozenset(
        os.path.basename(path)
        for top in trees.tops
        for parent in parents
        for path in hierarchy.subfolders(f"{top}{hierarchy.home(paths.root_hash, parent)}")
    )


def _look_below_parents(found: Found, known: Known, paths: Paths, trees: Hierarchy) -> Found:
    """A project that nobody knows may have groups below a `cgroup_parent` that nobody knows: only
    then the whole trees are gone through."""
    if found.folders <= known.projects:
        return found
    parents = hierarchy.find_parents(trees, paths.root_hash)
    return frozen.replace(
        found, parents=parents, groups=found.groups | _find_groups(paths, trees, parents)
    )


def read_known(database: Database | None) -> Known:
    if database is None:
        return Known()
    networks = database.networks()
    ends = (row.link for row, _name, _project in database.all_endpoints())
    return Known(
        projects=frozenset(row.id for row in database.projects()),
        networks=frozenset(row.id for row in networks),
        # those that are just being made and removed, too
        containers=frozenset(row[0] for row in database.rows("SELECT id FROM container")),
        links=frozenset((*(row.bridge for row in networks), *ends)),
    )


def judge(found: Found, known: Known, root_hash: str, *, alive: Collection[str]) -> Strays:
    """Pure. `alive` are unknown projects whose containers run: nothing is taken from them, nor any
    shared network from anybody while they might use it."""
    tables = {project_table_name(root_hash, one) for one in {*known.projects, *alive}}
    tables |= {shared_table_name(root_hash, one) for one in known.networks}
    aliases = [links.network_alias(one) for one in known.networks]
    aliases += [links.container_alias(one) for one in known.containers]
    owners = {one[:4] for one in alive}
    shared = f"pycompose-{root_hash}-net-"
    return Strays(
        projects=tuple(sorted((found.groups | found.folders) - known.projects - {*alive})),
        links=tuple(
            link.name
            for link in found.links
            if link.name not in known.links
            and not any(link.alias.startswith(alias) for alias in aliases)
            and not (alive and (_owner(link) in owners or _is_shared(link, known)))
        ),
        tables=tuple(
            sorted(
                name for name in found.tables - tables if not (alive and name.startswith(shared))
            )
        ),
        memory=tuple(
            container
            for container, project in found.memory.items()
            if container not in known.containers and project not in alive
        ),
    )


def _owner(link: Link) -> str:
    """The project's four digits in `pcHASHownrb0001`; the network's for a shared one."""
    return link.name[6:10]


def _is_shared(link: Link, known: Known) -> bool:
    return link.kind == "bridge" and _owner(link) not in {one[:4] for one in known.projects}


def sweep(
    database: Database | None, paths: Paths, *, ending: bool, report: Callable[[str], None]
) -> Swept:
    """Take away what nobody knows. With `ending` also what runs. Blocks. Raises RuntimeFault."""
    trees = hierarchy.detect()
    found = find(paths, trees)
    known = read_known(database)
    found = _look_below_parents(found, known, paths, trees)
    swept = Swept()
    plans = {
        one: _containers(trees, paths, one, found.parents) for one in found.groups - known.projects
    }
    alive = [one for one in plans if any(map(groups.is_populated, plans[one]))]
    for project_id in alive:
        names = [_container_of(plan) for plan in plans[project_id]]
        if ending and project_id in found.folders:
            _end(trees, paths, project_id, plans[project_id])
            swept.ended += names
        else:
            swept.running += names
    left = [one for one in alive if not (ending and one in found.folders)]
    strays = judge(found, known, paths.root_hash, alive=left)
    if ending:
        _see_off(trees, paths, strays.projects)
    _remove(strays, trees, paths, swept, parents=found.parents)
    if ending and not left:
        _remove_data(paths, found.data - known.containers, swept)
    if swept.removed:
        report(f"left over: {', '.join(swept.removed)}")
    if swept.running:
        report(f"containers run that no row knows: {', '.join(swept.running)}")
    return swept


def _containers(
    trees: Hierarchy, paths: Paths, project_id: str, parents: tuple[str, ...]
) -> list[CgroupPlan]:
    """Those of containers: keeper and supervisor alone end by themselves."""
    plans = groups.leaves(trees, paths.root_hash, project_id, parents=parents)
    return [plan for plan in plans if _container_of(plan) != ENGINE_LEAF]


def _container_of(plan: CgroupPlan) -> str:
    return os.path.basename(knobs.folders_of(plan)[0])


def _end(trees: Hierarchy, paths: Paths, project_id: str, containers: Iterable[CgroupPlan]) -> None:
    """Keeper and supervisor first, or they would start again what ends."""
    engine = hierarchy.plan_of(trees, paths.root_hash, project_id, ENGINE_LEAF)
    for plan in (engine, *containers):
        killing.kill_and_wait(plan)


def _see_off(trees: Hierarchy, paths: Paths, projects: Collection[str]) -> None:
    """A supervisor whose keeper was killed is still busy with that; it ends in a moment."""
    for project_id in projects:
        plan = hierarchy.plan_of(trees, paths.root_hash, project_id, ENGINE_LEAF)
        if groups.is_populated(plan) and not _is_kept(paths.project(project_id)):
            killing.wait_empty(plan, timeout=END_SECONDS)


def _remove_data(paths: Paths, ids: Collection[str], swept: Swept) -> None:
    """Of containers whose rows are lost; volumes are never touched here."""
    for container_id in sorted(ids):
        uppers.release(paths.container(container_id))
        files.remove_tree(paths.container(container_id))
        swept.removed.append(f"container {container_id[:12]}")


def _remove(
    strays: Strays, trees: Hierarchy, paths: Paths, swept: Swept, *, parents: tuple[str, ...]
) -> None:
    # tables before bridges: rules without one would hit whoever gets the subnet next
    for name in strays.tables:
        ProjectFirewall(name).remove()
    if strays.links:
        links.remove(strays.links)
    for project_id in strays.projects:
        if _remove_project(trees, paths, project_id, parents):
            swept.removed.append(f"project {project_id}")
    if strays.memory:
        memory.leave(paths.memory, strays.memory)
    swept.removed += [*strays.tables, *strays.links]


def _remove_project(
    trees: Hierarchy, paths: Paths, project_id: str, parents: tuple[str, ...]
) -> bool:
    """Its empty groups and its run folder, unless its keeper is just about to do that."""
    project = paths.project(project_id)
    if _is_kept(project) or not groups.remove_empty(
        trees, paths.root_hash, project_id, parents=parents
    ):
        return False
    for folder in project.run.glob("shm-*"):
        memory.remove(folder)
    files.remove_tree(project.run)
    return True


def _is_kept(project: ProjectPaths) -> bool:
    """A keeper has its lock."""
    try:
        descriptor = os.open(project.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
