"""Whether a supervisor has yet to judge what runs."""

from __future__ import annotations

import os

import pytest

from runtime import codec
from runtime.linux import files
from runtime.messages import KeeperRecord
from runtime.state import recovery, run_states
from runtime.values import ContainerId, ContainerOptions, ContainerRecord, ProjectId, RunState

CONTAINER = ContainerRecord(
    id=ContainerId("c1"),
    project_id=ProjectId("0123abcd"),
    options=ContainerOptions(project="shop", name="shop-web-1"),
)


def keeper(paths, *, start_time=None, boot_id=None):
    """This process plays it."""
    record = KeeperRecord(
        pid=os.getpid(),
        start_time=run_states.start_time(os.getpid()) if start_time is None else start_time,
        boot_id=run_states.boot_id() if boot_id is None else boot_id,
        supervisor_pid=1,
        supervisor_start_time=1,
    )
    files.write_atomically(paths.keeper_record, codec.dumps(record).encode())


@pytest.fixture
def project(paths):
    made = paths.project("0123abcd")
    made.states.mkdir(parents=True)
    return made


def runs(project, status, *, younger_by):
    started = run_states.start_time(os.getpid()) + younger_by
    run_states.write_state(project, "c1", RunState(status=status, pid=7, start_time=started))


@pytest.mark.parametrize(
    ("status", "younger_by", "expected"),
    [("running", 0, False), ("running", -1, True), ("paused", -1, True), ("exited", -1, False)],
)
def test_what_is_older_than_the_keeper_is_not_its_child(project, status, younger_by, expected):
    keeper(project)
    runs(project, status, younger_by=younger_by)
    assert recovery.is_unsettled(project) is expected


@pytest.mark.parametrize("words", [{"start_time": 1}, {"boot_id": "earlier"}])
def test_a_keeper_that_died_keeps_nothing(project, words):
    keeper(project, **words)
    runs(project, "running", younger_by=0)
    assert recovery.is_unsettled(project)


def test_without_a_keeper_what_runs_is_unsettled_and_nothing_is_not(project):
    assert not recovery.is_unsettled(project)
    runs(project, "running", younger_by=0)
    assert recovery.is_unsettled(project)


def test_what_lives_is_read_from_the_run_root_alone(paths, project):
    alive = {"pid": os.getpid(), "start_time": run_states.start_time(os.getpid())}
    run_states.write_state(project, "b", RunState(status="running", **alive))
    run_states.write_state(project, "a", RunState(status="paused", **alive))
    run_states.write_state(project, "ended", RunState(status="exited", **alive))
    run_states.write_state(
        project, "lost", RunState(status="running", pid=alive["pid"], start_time=1)
    )
    paths.project("4567cdef").run.mkdir()
    assert recovery.living_containers(paths) == {"0123abcd": ["a", "b"], "4567cdef": []}


@pytest.mark.parametrize(
    ("is_kept", "expected"), [(True, ("running", 0, "")), (False, ("exited", 137, "lost keeper"))]
)
def test_one_that_just_ended_is_lost_only_without_a_keeper_to_say_how(project, is_kept, expected):
    started = run_states.start_time(os.getpid())
    if is_kept:
        keeper(project)
    # above the highest pid: its process is gone, and no record of its end is written yet
    dead = RunState(status="running", pid=2**22 + 1, start_time=started, generation=1)
    run_states.write_state(project, "c1", dead)
    state = run_states.read_state(CONTAINER, project)
    assert (state.status, state.exit_code, state.error) == expected
