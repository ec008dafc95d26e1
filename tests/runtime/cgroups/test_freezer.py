"""Pausing: a frozen process stands still, and comes back as it was."""

import select

import pytest

from runtime.cgroups import freezer, killing
from runtime.errors import RuntimeFault
from runtime.messages import CgroupPlan

pytestmark = pytest.mark.kernel

ECHO = "print('in', flush=True)\nfor line in sys.stdin: print(line.strip(), flush=True)"


@pytest.fixture(params=["all trees", "v1 alone"])
def plan(real, request) -> CgroupPlan:
    made = real.create()
    # Without v1 trees both are the same: then each test runs twice, which is better than a skip.
    if request.param == "all trees" or not made.legacy:
        return made
    return CgroupPlan(legacy=made.legacy)


def test_a_frozen_process_does_not_answer_until_it_is_thawed(real, plan):
    child = real.run(plan, ECHO)
    assert child.stdout.readline() == "in\n"
    freezer.freeze(plan)
    assert freezer.is_frozen(plan)
    child.stdin.write("hello\n")
    child.stdin.flush()
    assert select.select([child.stdout], [], [], 0.2)[0] == []
    freezer.thaw(plan)
    assert not freezer.is_frozen(plan)
    assert child.stdout.readline() == "hello\n"


def test_a_frozen_process_dies_of_a_kill(real, plan):
    """C30: on v1 only a thaw lets it."""
    child = real.sleeper(plan)
    freezer.freeze(plan)
    assert killing.kill_and_wait(plan, timeout=5)
    assert child.wait(timeout=5) == -9


def test_freezing_twice_and_thawing_twice_changes_nothing(real, plan):
    real.sleeper(plan)
    freezer.freeze(plan)
    freezer.freeze(plan)
    freezer.thaw(plan)
    freezer.thaw(plan)
    assert not freezer.is_frozen(plan)


def test_without_a_freezer_pausing_is_refused():
    with pytest.raises(RuntimeFault) as caught:
        freezer.freeze(CgroupPlan(legacy=("/sys",)))
    assert str(caught.value) == "this machine cannot pause containers"


def test_thawing_what_is_gone_is_success():
    freezer.thaw(CgroupPlan(unified="/sys/fs/cgroup/none", legacy=("/sys/fs/cgroup/none/x",)))
