"""R03: whatever step fails, the error is ours, and removing leaves nothing."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from runtime.cgroups import apply, freezer, groups, killing
from runtime.errors import RuntimeFault
from runtime.linux import faults
from runtime.schemas import read_schema

pytestmark = pytest.mark.kernel
RESOURCES = {
    "devices": read_schema("docker-defaults.json")["device_rules"],
    "memory": {"limit": 64 << 20},
    "pids": {"limit": 50},
}


@pytest.fixture(autouse=True)
def no_fault_afterwards():
    yield
    faults.configure("cli", {})


def live(real):
    """The life of a container's groups, each step that changes something."""
    plan = real.create(parent=f"test-{real.root_hash}")
    apply.apply(plan, RESOURCES, real.hierarchy)
    freezer.freeze(plan)
    killing.kill(plan)
    if not groups.remove(plan, timeout=0.2):
        raise RuntimeFault("still busy")


def test_every_step_passes_a_point_whose_name_is_stable(real, tmp_path):
    assert {name for name, _ in points(real, tmp_path)} <= {
        "mkdir cgroup",
        "write cgroup",
        "rmdir cgroup",
        "load device filter",
        "attach device filter",
    }


def points(real, tmp_path: Path) -> list[tuple[str, int]]:
    """(name, how many times) of the points that `live` passes."""
    trace = tmp_path / "trace"
    faults.configure("cli", {"PYCOMPOSE_FAULT_TRACE": str(trace)})
    live(real)
    faults.configure("cli", {})
    names = [line.split(" ", 2)[2] for line in trace.read_text().splitlines()]
    # a name with a dash tells that the step is over
    return sorted(Counter(name for name in names if not name.startswith("-")).items())


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_failure_at_any_step_leaves_nothing_that_removing_does_not_find(real, tmp_path, moment):
    for name, times in points(real, tmp_path):
        for ordinal in range(1, times + 1):
            where = f"cli/{name}/{moment}#{ordinal}:raise"
            faults.configure("cli", {"PYCOMPOSE_FAULT": where})
            with suppress(RuntimeFault, OSError):
                live(real)
            faults.configure("cli", {})
            for parent in real.parents:
                for plan in groups.leaves(
                    real.hierarchy, real.root_hash, "aaaa1111", parents=(parent,)
                ):
                    assert groups.remove(plan), where
            groups.remove(real.create(parent=f"test-{real.root_hash}"))
            assert real.folders() == (), where
            tops = [Path(f"{top}/test-{real.root_hash}") for top in real.hierarchy.tops]
            assert not [top for top in tops if top.exists()], where
