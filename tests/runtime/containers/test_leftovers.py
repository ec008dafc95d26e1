"""What no row knows is found by its name and taken away; what somebody knows, uses or owns elsewhere is not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import frozen
from runtime.cgroups import groups, hierarchy
from runtime.containers import leftovers
from runtime.containers.leftovers import Found, Known, judge
from runtime.linux import netlink, nftables
from runtime.linux.netlink import Link
from runtime.networks import links
from runtime.networks.firewall import FirewallState, ProjectFirewall
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database
from runtime.values import NetworkId, NetworkOptions, NetworkRecord
from tests.census import census

KNOWN, LOST = "11110000", "22220000"
NETWORK, CONTAINER = "33" * 32, "44" * 32


def link(name: str, alias: str = "", *, kind: str = "veth") -> Link:
    return Link(
        name=name,
        index=7,
        is_up=True,
        kind=kind,
        master=0,
        peer_index=0,
        alias=alias,
        mac_address="",
    )


FOUND = Found(
    groups=frozenset({KNOWN, LOST}),
    folders=frozenset({KNOWN, LOST}),
    links=(
        link("pcab121111b0001", links.network_alias(NETWORK, "shop_default"), kind="bridge"),
        link("pcab121111v0001", links.container_alias(CONTAINER, "shop-web-1")),
        link("pcab122222b0001", links.network_alias("55" * 32), kind="bridge"),
        link("pcab122222v0001", links.container_alias("66" * 32)),
        link("pcab127777b0001", links.network_alias("77" * 32), kind="bridge"),
    ),
    tables=frozenset(
        {
            f"pycompose-ab12-{KNOWN}",
            f"pycompose-ab12-{LOST}",
            "pycompose-ab12-net-33333333",
            "pycompose-ab12-net-77777777",
        }
    ),
)
ROWS = Known(
    projects=frozenset({KNOWN}), networks=frozenset({NETWORK}), containers=frozenset({CONTAINER})
)


def test_what_has_no_row_is_nobodys():
    strays = judge(FOUND, ROWS, "ab12", alive=())
    assert strays.projects == (LOST,)
    assert strays.links == ("pcab122222b0001", "pcab122222v0001", "pcab127777b0001")
    assert strays.tables == (f"pycompose-ab12-{LOST}", "pycompose-ab12-net-77777777")


def test_what_a_running_container_may_use_stays_though_no_row_knows_it():
    strays = judge(FOUND, ROWS, "ab12", alive=(LOST,))
    assert (strays.projects, strays.links, strays.tables) == ((), (), ())


def test_a_link_that_is_just_being_made_is_known_by_its_row():
    """The kernel takes an alias only of a link that is there: for a moment it has none."""
    made = Found(links=(link("pcab121111b0001", kind="bridge"), link("pcab121111v0001")))
    assert judge(made, ROWS, "ab12", alive=()).links == ("pcab121111b0001", "pcab121111v0001")
    rows = frozen.replace(ROWS, links=frozenset({"pcab121111b0001", "pcab121111v0001"}))
    assert judge(made, rows, "ab12", alive=()).links == ()


# --- in the kernel


@pytest.fixture
def database(paths: Paths) -> Iterator[Database]:
    ensure_directories(paths)
    made = Database.open(paths)
    made.ensure_project("shop", new_id=KNOWN, folder="/x", files=())
    yield made
    made.close()


def plant(paths: Paths, project_id: str) -> None:
    """An empty group in every tree, a table, a bridge and a run folder, as two dead processes leave them."""
    groups.create(hierarchy.detect(), paths.root_hash, project_id, "engine")
    name = f"pc{paths.root_hash}{project_id[:4]}b0001"
    bridge = netlink.create_bridge(name, mac_address="02:00:00:00:00:01")
    alias = links.network_alias(project_id * 8, "shop_default")
    netlink.commit([bridge, netlink.set_alias(name, alias)], step="plant")
    network = NetworkRecord(
        id=NetworkId(project_id * 8),
        options=NetworkOptions(name="shop_default"),
        bridge=name,
        subnet="203.0.113.0/24",
        gateway="203.0.113.1",
    )
    table = f"pycompose-{paths.root_hash}-{project_id}"
    ProjectFirewall(table).apply(FirewallState(networks=(network,)))
    paths.project(project_id).processes.mkdir(parents=True)
    paths.project(project_id).lock.touch()


@pytest.mark.kernel
def test_a_lost_project_is_swept_whole_and_a_known_one_is_not_touched(
    paths: Paths, database: Database
):
    empty = census(paths)
    plant(paths, LOST)
    told: list[str] = []
    leftovers.sweep(database, paths, ending=False, report=told.append)
    assert census(paths) == empty
    assert told == [
        f"left over: project {LOST}, pycompose-{paths.root_hash}-{LOST}, pc{paths.root_hash}2222b0001"
    ]
    plant(paths, KNOWN)
    bridge = f"pc{paths.root_hash}1111b0001"
    database.add_network(
        NetworkRecord(
            id=NetworkId(KNOWN * 8),
            options=NetworkOptions(name="shop_default"),
            project_id=KNOWN,
            bridge=bridge,
        )
    )
    netlink.commit([netlink.set_alias(bridge, "")], step="as it is made")
    before = census(paths)
    leftovers.sweep(database, paths, ending=True, report=told.append)
    assert census(paths) == before
    assert len(told) == 1
    netlink.commit([netlink.set_alias(bridge, links.network_alias(KNOWN * 8))], step="plant")
    # and without its rows it goes
    leftovers.sweep(None, paths, ending=False, report=told.append)
    assert {*census(paths)} == {"row"}


@pytest.mark.kernel
def test_another_root_is_not_touched(paths: Paths, database: Database, tmp_path: Path):
    other = Paths(tmp_path / "data", tmp_path / "run")
    ensure_directories(other)
    plant(other, LOST)
    before = census(other)
    leftovers.sweep(database, paths, ending=True, report=print)
    assert census(other) == before
    leftovers.sweep(None, other, ending=True, report=print)
    assert census(other) == {}


@pytest.mark.kernel
def test_what_runs_is_left_alone_until_down_and_killed_only_where_its_run_folder_is_ours(
    paths: Paths, database: Database
):
    plan = groups.create(hierarchy.detect(), paths.root_hash, LOST, CONTAINER)
    with subprocess.Popen(["sleep", "1000"]) as process:
        groups.join(plan, process.pid)
        for ending, has_folder in ((False, True), (True, False)):
            if has_folder:
                paths.project(LOST).states.mkdir(parents=True)
            swept = leftovers.sweep(database, paths, ending=ending, report=print)
            assert (swept.ended, swept.running, swept.removed) == ([], [CONTAINER], [])
            assert process.poll() is None
            if has_folder:
                paths.project(LOST).states.rmdir()
                paths.project(LOST).run.rmdir()
        paths.project(LOST).states.mkdir(parents=True)
        swept = leftovers.sweep(database, paths, ending=True, report=print)
        assert (swept.ended, swept.running) == ([CONTAINER], [])
        assert process.wait(30) == -9
    assert "cgroup" not in census(paths)
    assert not paths.project(LOST).run.exists()


@pytest.mark.kernel
def test_a_project_whose_keeper_is_just_ending_is_left_to_it(paths: Paths, database: Database):
    import fcntl

    plant(paths, LOST)
    lock = os.open(paths.project(LOST).lock, os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    leftovers.sweep(database, paths, ending=True, report=print)
    assert paths.project(LOST).run.exists()
    os.close(lock)
    leftovers.sweep(database, paths, ending=True, report=print)
    assert not paths.project(LOST).run.exists()
    assert f"pycompose-{paths.root_hash}-{LOST}" not in nftables.list_tables()
