"""Making, joining and removing groups, on whatever trees the machine has."""

import os
import threading
from pathlib import Path

import pytest

from runtime.cgroups import freezer, groups, killing, knobs, v2
from runtime.cgroups import hierarchy as trees
from runtime.cgroups.hierarchy import Hierarchy
from runtime.errors import RuntimeFault
from runtime.messages import CgroupPlan

pytestmark = pytest.mark.kernel


def test_a_leaf_stands_in_every_tree_and_goes_with_its_parents(real):
    plan = real.create("c1")
    assert len(knobs.folders_of(plan)) == len(real.hierarchy.tops)
    assert all(
        folder.endswith(f"/pycompose-{real.root_hash}/aaaa1111/c1")
        for folder in knobs.folders_of(plan)
    )
    assert len(real.folders()) == 3 * len(real.hierarchy.tops)
    assert groups.remove(plan)
    assert real.folders() == ()


def test_a_program_of_any_user_may_read_its_limits_whatever_our_umask(real):
    before = os.umask(0o077)
    try:
        plan = real.create("c1")
    finally:
        os.umask(before)
    assert {os.stat(folder).st_mode & 0o777 for folder in knobs.folders_of(plan)} == {0o755}


def test_the_parents_stay_while_another_leaf_is_there(real):
    one, other = real.create("c1"), real.create("c2")
    groups.remove(one)
    assert all(Path(folder).is_dir() for folder in knobs.folders_of(other))


def test_removing_what_is_not_there_is_success(real):
    plan = trees.plan_of(real.hierarchy, real.root_hash, "aaaa1111", "never")
    assert groups.remove(plan)
    killing.kill(plan)
    assert groups.processes(plan) == []


def test_a_process_joins_every_tree(real):
    plan = real.create()
    child = real.sleeper(plan)
    assert groups.processes(plan) == [child.pid]
    assert groups.is_populated(plan)
    lines = Path(f"/proc/{child.pid}/cgroup").read_text().splitlines()
    ours = [line for line in lines if line.endswith(f"/pycompose-{real.root_hash}/aaaa1111/c1")]
    assert len(ours) == len(real.hierarchy.tops)


def test_a_group_with_processes_is_not_given_to_a_new_container(real):
    plan = real.create()
    child = real.sleeper(plan)
    with pytest.raises(RuntimeFault) as caught:
        real.create()
    assert (caught.value.code, caught.value.answered) == ("E425", f"pids {child.pid}")


def test_a_left_over_group_is_made_anew_and_a_frozen_one_thawed(real):
    plan = real.create()
    folder = knobs.folder_with(plan, "pids.max")
    knobs.write(folder, "pids.max", "7")
    freezer.freeze(plan)
    plan = real.create()
    assert (knobs.read(folder, "pids.max"), freezer.is_frozen(plan)) == ("max\n", False)


def test_the_engine_joins_its_leaf_beside_a_process_that_is_there(real):
    plan = real.create("engine")
    first = real.sleeper(plan)
    assert real.create("engine") == plan
    second = real.sleeper(plan)
    assert sorted(groups.processes(plan)) == sorted([first.pid, second.pid])


def test_groups_that_a_container_made_below_go_too(real):
    plan = real.create()
    for folder in knobs.folders_of(plan):
        os.makedirs(f"{folder}/own/deep")
    assert groups.remove(plan)
    assert real.folders() == ()


def test_a_busy_group_is_said_to_be_busy(real):
    plan = real.create()
    real.sleeper(plan)
    assert not groups.remove(plan, timeout=0.05)


def test_a_cgroup_parent_is_above_our_folders(real):
    name = f"test-{real.root_hash}"
    plan = real.create(parent=f"/{name}/inner")
    assert all(
        f"/{name}/inner/pycompose-{real.root_hash}/" in folder for folder in knobs.folders_of(plan)
    )
    groups.remove(plan)
    assert real.folders() == ()
    assert not any(Path(f"{top}/{name}").exists() for top in real.hierarchy.tops)


def test_a_parent_that_somebody_else_made_is_not_removed(real):
    name = f"theirs-{real.root_hash}"
    tops = [f"{top}/{name}" for top in real.hierarchy.tops]
    for folder in tops:
        os.mkdir(folder)
    try:
        groups.remove(real.create(parent=name))
        assert all(Path(folder).is_dir() for folder in tops)
    finally:
        for folder in tops:
            os.rmdir(folder)


def test_leaves_are_found_without_a_database(real):
    plans = [real.create("c1"), real.create("c2")]
    assert list(groups.leaves(real.hierarchy, real.root_hash, "aaaa1111")) == plans
    assert not list(groups.leaves(real.hierarchy, real.root_hash, "bbbb2222"))


def test_a_project_goes_with_all_its_empty_leaves(real):
    real.create("c1")
    real.create("c2")
    other = real.create("c1", project="bbbb2222")
    assert groups.remove_project(real.hierarchy, real.root_hash, "aaaa1111")
    assert {folder.split("/")[-2] for folder in knobs.folders_of(other)} == {"bbbb2222"}
    assert not [folder for folder in real.folders() if "aaaa1111" in folder]


def test_two_projects_that_come_and_go_do_not_trip_over_their_common_parent(real):
    failures: list[BaseException] = []

    def come_and_go(project: str) -> None:
        try:
            for _ in range(30):
                groups.remove(real.create(project=project))
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=come_and_go, args=(name,)) for name in ("aaaa1111", "bbbb2222")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert real.folders() == ()


def test_processes_of_a_nested_top_make_room_and_come_back(real, monkeypatch):
    """DESIGN.md 6: in a container the top group holds processes, so it cannot give
    controllers on.
    """
    real_top = real.hierarchy.unified
    controllers = _some_controller(real_top)
    monkeypatch.setattr(v2, "CONTROLLERS", tuple(controllers))
    box = f"{real_top}/box-{real.root_hash}"
    os.mkdir(box)
    nested = Hierarchy(unified=box, controllers=controllers)
    child = real.sleeper(CgroupPlan(unified=box))
    try:
        plan = groups.create(nested, real.root_hash, "aaaa1111", "c1")
        assert _processes(box) == []
        assert _processes(f"{box}/pycompose-outside") == [str(child.pid)]
        assert set(knobs.read(plan.unified, "cgroup.controllers").split()) == controllers
        groups.remove(plan)
        assert _processes(box) == [str(child.pid)]
        assert trees.subfolders(box) == []
    finally:
        child.kill()
        child.wait()
        killing.kill_and_wait(CgroupPlan(unified=box))
        for folder in trees.walk(box):
            os.rmdir(folder)
        _restore(real_top)


def _processes(folder: str) -> list[str]:
    return knobs.read(folder, "cgroup.procs").split()


_enabled: dict[str, str] = {}


def _some_controller(top: str) -> frozenset[str]:
    """pids where v2 controls it, else whatever it has, hugetlb on hybrid machines; enabled
    for the box.
    """
    available = knobs.read(top, "cgroup.controllers").split()
    wanted = [name for name in available if name in v2.CONTROLLERS][:1] or available[:1]
    assert wanted, "the v2 tree has no controller at all"
    if wanted[0] not in knobs.read(top, "cgroup.subtree_control").split():
        _enabled[top] = wanted[0]
        knobs.write(top, "cgroup.subtree_control", f"+{wanted[0]}")
    return frozenset(wanted)


def _restore(top: str) -> None:
    if name := _enabled.pop(top, ""):
        knobs.write(top, "cgroup.subtree_control", f"-{name}")
