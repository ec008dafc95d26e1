"""The kernel's OOM kills: counted, and told by a descriptor (C32)."""

import select

import pytest

from runtime.cgroups import apply, groups, limits, oom

pytestmark = pytest.mark.kernel
MIB = 1024 * 1024
EATS_ALL = "held = []\nwhile True: held.append(bytearray(b'x') * (1 << 20))"


@pytest.fixture
def small(real):
    plan = real.create()
    resources = {"memory": {"limit": 24 * MIB, "swap": 24 * MIB}}
    apply.limit(plan, limits.files(resources, real.hierarchy))
    return plan


def test_a_group_that_lived_well_counts_nothing(real, small):
    real.output(small, "print('fine')")
    assert oom.oom_kills(small) == 0


def test_a_process_that_eats_all_is_killed_and_counted(real, small):
    child = real.run(small, EATS_ALL)
    assert child.wait(timeout=60) == -9
    assert oom.oom_kills(small) == 1


def test_a_killed_child_counts_as_well(real, small):
    """Docker sets its flag for it, though the container goes on."""
    child = real.run(
        small,
        f"import os\npid = os.fork()\nif pid == 0:\n exec({EATS_ALL!r})\nprint(os.waitpid(pid, 0)[1])",
    )
    assert child.communicate(timeout=60)[0] == "9\n"
    assert (child.returncode, oom.oom_kills(small)) == (0, 1)


def test_a_descriptor_becomes_readable_at_each_kill(real, small):
    watch = oom.watch_oom(small)
    assert watch is not None
    try:
        assert select.select([watch], [], [], 0)[0] == []
        for kills in (1, 2):
            real.run(small, EATS_ALL).wait(timeout=60)
            assert select.select([watch], [], [], 5)[0] == [watch]
            watch.settle()
            assert oom.oom_kills(small) == kills
    finally:
        watch.close()


def test_a_new_group_starts_at_zero(real, small):
    real.run(small, EATS_ALL).wait(timeout=60)
    assert oom.oom_kills(small) == 1
    assert oom.oom_kills(real.create()) == 0


def test_a_group_that_is_gone_has_no_kills(real, small):
    groups.remove(small)
    assert (oom.oom_kills(small), oom.watch_oom(small)) == (0, None)
