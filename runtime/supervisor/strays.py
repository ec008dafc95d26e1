"""What a supervisor, a keeper or a command that was killed left of a project's containers that do
not run: cgroups, links and memory that is shared.

Found by their kernel names, aliases and marks (R02), before anything is started. What no row of the
whole root knows is containers/leftovers.py's.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from runtime.cgroups import groups, hierarchy, killing, knobs
from runtime.cgroups.hierarchy import ENGINE_LEAF
from runtime.containers import leftovers
from runtime.errors import RuntimeFault
from runtime.linux import netlink
from runtime.networks import links
from runtime.paths import Paths
from runtime.state.database import Database
from runtime.supervisor.log_writer import report
from runtime.volumes import memory


def remove(database: Database, paths: Paths, project_id: str, *, kept: Collection[str]) -> None:
    """`kept` are the containers of the project that run, or whose end is still to be settled."""
    try:
        _remove_groups(database, paths, project_id, kept)
        _remove_links(database, paths, project_id, kept)
        _remove_memory(database, paths, project_id, kept)
    except RuntimeFault as fault:
        # what is in the way will be said again by the start that it is in the way of
        report(f"left over: {fault.message}: {fault.answered}")


def sweep(database: Database, paths: Paths) -> None:
    """What no row of the whole root knows and nobody uses."""
    try:
        leftovers.sweep(database, paths, ending=False, report=report)
    except RuntimeFault as fault:
        report(f"left over: {fault.message}: {fault.answered}")


def _remove_groups(
    database: Database, paths: Paths, project_id: str, kept: Collection[str]
) -> None:
    rows = database.containers(project_id)
    parents = ("", *{row.options.cgroup_parent for row in rows if row.options.cgroup_parent})
    found = hierarchy.detect()
    for plan in groups.leaves(found, paths.root_hash, project_id, parents=parents):
        name = os.path.basename(knobs.folders_of(plan)[0])
        if name != ENGINE_LEAF and name not in kept:
            report(f"left over: the cgroup of container {name[:12]}")
            killing.kill_and_wait(plan)
            groups.remove(plan)


def _remove_links(database: Database, paths: Paths, project_id: str, kept: Collection[str]) -> None:
    ours = [link for link in netlink.list_links() if link.name.startswith(f"pc{paths.root_hash}")]
    if not ours:
        return
    ended = [
        links.container_alias(row.id)
        for row in database.containers(project_id)
        if row.id not in kept
    ]
    strays = [link.name for link in ours if any(link.alias.startswith(one) for one in ended)]
    if strays:
        report(f"left over: {', '.join(strays)}")
        links.remove(strays)


def _remove_memory(
    database: Database, paths: Paths, project_id: str, kept: Collection[str]
) -> None:
    ended = {row.id for row in database.containers(project_id)} - {*kept}
    for container_id in ended:
        folder = paths.project(project_id).shared_memory(container_id)
        if folder.exists():
            memory.remove(folder)
    if users := ended & memory.users(paths.memory).keys():
        memory.leave(paths.memory, users)
