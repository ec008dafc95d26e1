"""Ending all that is in a group, whatever it does against it."""

import select

import pytest

from runtime.cgroups import groups, killing
from runtime.messages import CgroupPlan

pytestmark = pytest.mark.kernel

FORKS_ON = """
import os, signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
print("in", flush=True)
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
"""


@pytest.fixture(params=["all trees", "v1 alone"])
def plan(real, request) -> CgroupPlan:
    made = real.create()
    # Without v1 trees both are the same: then each test runs twice, which is better than a skip.
    if request.param == "all trees" or not made.legacy:
        return made
    return CgroupPlan(legacy=made.legacy)


def test_processes_that_fork_away_all_the_time_are_killed(real, plan):
    for _ in range(3):
        assert real.run(plan, FORKS_ON).stdout.readline() == "in\n"
    assert killing.kill_and_wait(plan, timeout=10)
    assert groups.processes(plan) == []
    assert groups.remove(plan)


def test_processes_in_groups_of_their_own_below_are_killed_too(real):
    made = real.create()
    inner = real.create("c1/inner")
    child = real.sleeper(inner)
    assert groups.processes(made) == [child.pid]
    assert killing.kill_and_wait(made, timeout=5)
    assert child.wait(timeout=5) == -9
    assert groups.remove(made)


def test_a_wait_ends_with_the_last_process(real, plan):
    child = real.sleeper(plan)
    assert not killing.wait_empty(plan, timeout=0.05)
    child.stdin.close()
    assert killing.wait_empty(plan, timeout=5)
    assert not groups.is_populated(plan)


def test_killing_an_empty_group_and_none_at_all_is_success(real, plan):
    assert killing.kill_and_wait(plan, timeout=1)
    groups.remove(plan)
    assert killing.kill_and_wait(plan, timeout=1)
    assert killing.wait_empty(plan, timeout=1)


def test_a_descriptor_tells_when_the_group_becomes_empty(real):
    made = real.create()
    watch = killing.watch_emptiness(made)
    if watch is None:
        return  # v1 alone has no event for it
    with watch:
        assert watch.read()["populated"] == 0
        child = real.sleeper(made)
        assert select.select([watch], [], [], 5)[0] == [watch]
        assert watch.read()["populated"] == 1
        assert select.select([watch], [], [], 0)[0] == []
        child.stdin.close()
        assert select.select([watch], [], [], 5)[0] == [watch]
        assert watch.read()["populated"] == 0
