"""What a supervisor, a keeper or a command that was killed left of things that nothing knows any
more: cgroups and links of containers that do not run, bridges of networks without a row.

Found by their kernel names and aliases (R02), before anything is started. A thing's row is there
before the thing and goes before it; so what has none is nobody's.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from runtime.cgroups import groups, hierarchy, killing, knobs
from runtime.cgroups.hierarchy import ENGINE_LEAF
from runtime.errors import RuntimeFault
from runtime.linux import netlink
from runtime.linux.netlink import Link
from runtime.networks import links
from runtime.paths import Paths
from runtime.state.database import Database
from runtime.supervisor.log_writer import report


def remove(database: Database, paths: Paths, project_id: str, *, kept: Collection[str]) -> None:
    """`kept` are the containers of the project that run, or whose end is still to be settled."""
    try:
        _remove_groups(database, paths, project_id, kept)
        _remove_links(database, paths, project_id, kept)
    except RuntimeFault as fault:
        # what is in the way will be said again by the start that it is in the way of
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
    # read after the links: whose row is not there by now has none
    owned = {
        links.container_alias(row.id)
        for row in database.containers()
        if row.project_id != project_id or row.id in kept
    }
    owned |= {links.network_alias(row.id) for row in database.networks()}
    strays = [link.name for link in ours if not _is_owned(link, owned)]
    if strays:
        report(f"left over: {', '.join(strays)}")
        links.remove(strays)


def _is_owned(link: Link, owned: Collection[str]) -> bool:
    return any(link.alias.startswith(alias) for alias in owned)
