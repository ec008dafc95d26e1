"""Limits in the kernel: what the files say afterwards, and what a process feels."""

import os

import pytest

from runtime.cgroups import apply, knobs, limits
from runtime.cgroups.limits import Write
from runtime.errors import RuntimeFault

pytestmark = pytest.mark.kernel
MIB = 1024 * 1024
RULES = [{"allow": True, "type": "a", "access": "rwm"}]


def values(plan, *files):
    """file -> text, whichever tree has it."""
    return {
        file: knobs.read(folder, file).strip()
        for file in files
        if (folder := knobs.folder_with(plan, file))
    }


def test_the_files_hold_what_the_document_says(real):
    plan = real.create()
    resources = {
        "devices": RULES,
        "memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB},
        "cpu": {"shares": 2048, "quota": 50_000, "period": 200_000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 33},
    }
    assert apply.apply(plan, resources, real.hierarchy) == ()
    if real.hierarchy.version == 1:
        assert values(
            plan,
            *("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.shares"),
            *("memory.soft_limit_in_bytes", "cpu.cfs_quota_us", "cpu.cfs_period_us"),
            *("cpuset.cpus", "pids.max"),
        ) == {
            "memory.limit_in_bytes": "67108864",
            "memory.memsw.limit_in_bytes": "100663296",
            "memory.soft_limit_in_bytes": "33554432",
            "cpu.shares": "2048",
            "cpu.cfs_quota_us": "50000",
            "cpu.cfs_period_us": "200000",
            "cpuset.cpus": "0",
            "pids.max": "33",
        }
    else:
        assert values(
            plan,
            *("memory.max", "memory.swap.max", "memory.low", "cpu.weight", "cpu.max"),
            *("cpuset.cpus", "pids.max"),
        ) == {
            "memory.max": "67108864",
            "memory.swap.max": "33554432",
            "memory.low": "33554432",
            "cpu.weight": "174",
            "cpu.max": "50000 200000",
            "cpuset.cpus": "0",
            "pids.max": "33",
        }


def test_limits_can_be_raised_and_lowered_together(real):
    """v1 takes memory and memory plus swap in one order only, and which one depends on the
    direction.
    """
    plan = real.create()
    for limit in (32 * MIB, 128 * MIB, 16 * MIB):
        resources = {
            "memory": {"limit": limit, "swap": limit},
            "cpu": {"quota": limit // MIB * 1000},
        }
        apply.limit(plan, limits.files(resources, real.hierarchy))
        (file,) = values(plan, "memory.limit_in_bytes", "memory.max").values()
        assert file == str(limit)


def test_cpus_that_are_not_there_are_refused_with_a_hint(real):
    plan = real.create()
    with pytest.raises(RuntimeFault) as caught:
        apply.limit(plan, limits.files({"cpu": {"cpus": "4000"}}, real.hierarchy))
    assert caught.value.code == "E426"
    assert caught.value.hint.startswith("name only CPUs that are online")
    assert caught.value.answered.partition(" ")[0] in ("ERANGE", "EINVAL", "ENODEV")


def test_a_quota_below_the_kernels_floor_is_refused(real):
    plan = real.create()
    with pytest.raises(RuntimeFault) as caught:
        apply.limit(plan, limits.files({"cpu": {"quota": 10}}, real.hierarchy))
    assert caught.value.hint == "a quota is at least 1000 microseconds, a period 1000 to 1000000"


def test_a_value_that_the_kernel_clamps_is_an_error(real):
    if real.hierarchy.version == 2:
        return  # the weight is computed within its range
    plan = real.create()
    with pytest.raises(RuntimeFault) as caught:
        apply.limit(plan, limits.files({"cpu": {"shares": 1}}, real.hierarchy))
    assert str(caught.value) == "the kernel does not take 1 for cpu.shares"
    assert caught.value.hint == "at least 2 is possible"


def test_a_file_that_is_missing_is_a_warning_where_docker_discards_and_else_an_error(real):
    plan = real.create()
    missing = Write(controller="x", file="x.none", value="1", missing="there is no x: discarded")
    behind = Write(controller="x", file="x.nothing", value="1", instead=missing)
    assert apply.limit(plan, [behind, missing]) == ("there is no x: discarded",)
    with pytest.raises(RuntimeFault) as caught:
        apply.limit(plan, [Write(controller="x", file="x.none", value="1")])
    assert caught.value.answered == "ENOENT (No such file or directory)"


def test_real_time_is_given_on_by_every_ancestor(real):
    if "cpu_realtime" not in real.hierarchy.features:
        return  # refused before it comes here: tests/runtime/containers/spec
    plans = [real.create("c1"), real.create("c2")]
    for plan in plans:
        resources = {"cpu": {"realtimePeriod": 1_000_000, "realtimeRuntime": 10_000}}
        apply.limit(plan, limits.files(resources, real.hierarchy))
        assert values(plan, "cpu.rt_runtime_us") == {"cpu.rt_runtime_us": "10000"}
    folder = os.path.dirname(knobs.folder_with(plans[0], "cpu.rt_runtime_us"))
    assert knobs.read(folder, "cpu.rt_runtime_us") == "20000\n"


def test_no_more_processes_than_allowed_can_be_forked(real):
    plan = real.create()
    apply.limit(plan, limits.files({"pids": {"limit": 2}}, real.hierarchy))
    script = """
import os
def fork():
    try:
        pid = os.fork()
    except BlockingIOError:
        print("refused"); return
    if pid == 0:
        sys.stdin.read(); os._exit(0)
    print("forked")
fork(); fork()
"""
    assert real.output(plan, script) == "forked\nrefused\n"


def test_a_running_group_keeps_a_limit_that_is_above_its_usage(real):
    plan = real.create()
    child = real.run(
        plan, "held = bytearray(b'x') * (40 << 20); print('in', flush=True); sys.stdin.read()"
    )
    assert child.stdout.readline() == "in\n"
    resources = {"memory": {"limit": 8 * MIB}}
    if real.hierarchy.version == 1:
        with pytest.raises(RuntimeFault) as caught:
            apply.limit(plan, limits.files(resources, real.hierarchy))
        assert caught.value.hint == "the limit is below what is in use"
        assert "in use: " in caught.value.answered
    assert child.poll() is None
