"""The kernel's OOM kills: counted, and told by a descriptor (C32)."""

import os
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
    notices = oom.open_notices(small)
    assert notices is not None
    try:
        assert select.select([notices], [], [], 0)[0] == []
        for kills in (1, 2):
            real.run(small, EATS_ALL).wait(timeout=60)
            assert select.select([notices], [], [], 5)[0] == [notices]
            os.read(notices, 4096)
            assert oom.oom_kills(small) == kills
        assert not os.get_blocking(notices)
        assert not os.get_inheritable(notices)
    finally:
        os.close(notices)


def test_a_new_group_starts_at_zero(real, small):
    real.run(small, EATS_ALL).wait(timeout=60)
    assert oom.oom_kills(small) == 1
    assert oom.oom_kills(real.create()) == 0


def test_a_group_that_is_gone_has_no_kills(real, small):
    groups.remove(small)
    assert (oom.oom_kills(small), oom.open_notices(small)) == (0, None)
