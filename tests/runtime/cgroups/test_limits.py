"""Resources of a document -> files and values, for both versions, without a kernel."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.cgroups import limits
from runtime.cgroups.hierarchy import Hierarchy
from runtime.errors import RuntimeFault

V1 = Hierarchy(
    legacy={name: f"/{name}" for name in ("cpu", "cpuset", "memory", "pids", "blkio", "hugetlb")}
)
V2 = Hierarchy(
    unified="/u",
    controllers=frozenset({"cpu", "cpuset", "io", "memory", "pids", "hugetlb"}),
)
MIB = 1024 * 1024


def shown(resources, hierarchy):
    """One line per write; `or` what is written where the file is missing."""
    lines = []
    for write in limits.files(resources, hierarchy):
        line = repr(write)
        while write.instead:
            write = write.instead
            line += f" or {write!r}"
        lines.append(line)
    return lines


EVERYTHING = {
    "memory": {
        "limit": 64 * MIB,
        "swap": 96 * MIB,
        "reservation": 32 * MIB,
        "swappiness": 10,
        "disableOOMKiller": True,
    },
    "cpu": {"shares": 1024, "quota": 50_000, "period": 200_000, "cpus": "0-1", "mems": "0"},
    "pids": {"limit": 100},
    "blockIO": {
        "weight": 500,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 100}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1000}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2000}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 30}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 40}],
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}],
}


def test_everything_on_v1():
    assert shown(EVERYTHING, V1) == [
        "memory.limit_in_bytes = 67108864",
        "memory.memsw.limit_in_bytes = 100663296",
        "memory.soft_limit_in_bytes = 33554432",
        "memory.swappiness = 10",
        "memory.oom_control = 1",
        "cpu.shares = 1024",
        "cpu.cfs_period_us = 200000",
        "cpu.cfs_quota_us = 50000",
        "cpuset.cpus = 0-1",
        "cpuset.mems = 0",
        "pids.max = 100",
        "blkio.weight = 500 or blkio.bfq.weight = 500",
        "blkio.weight_device = 8:0 100 or blkio.bfq.weight_device = 8:0 100",
        "blkio.throttle.read_bps_device = 8:0 1000",
        "blkio.throttle.write_bps_device = 8:0 2000",
        "blkio.throttle.read_iops_device = 8:0 30",
        "blkio.throttle.write_iops_device = 8:16 40",
        "hugetlb.2MB.limit_in_bytes = 4194304",
    ]


def test_everything_on_v2():
    assert shown(EVERYTHING, V2) == [
        "memory.swap.max = 33554432",
        "memory.max = 67108864",
        "memory.low = 33554432",
        "cpu.weight = 100",
        "cpu.max = 50000 200000",
        "cpuset.cpus = 0-1",
        "cpuset.mems = 0",
        "pids.max = 100",
        "io.bfq.weight = 500 or io.weight = 4950",
        "io.bfq.weight = 8:0 100",
        "io.max = 8:0 rbps=1000",
        "io.max = 8:0 wbps=2000",
        "io.max = 8:0 riops=30",
        "io.max = 8:16 wiops=40",
        "hugetlb.2MB.max = 4194304",
    ]


@pytest.mark.parametrize(
    ("resources", "v1", "v2"),
    [
        ({"memory": {"limit": -1}}, ["memory.limit_in_bytes = -1"], ["memory.max = max"]),
        (
            {"memory": {"limit": 8 * MIB, "swap": -1}},
            ["memory.limit_in_bytes = 8388608", "memory.memsw.limit_in_bytes = -1"],
            ["memory.swap.max = max", "memory.max = 8388608"],
        ),
        (
            {"memory": {"limit": 8 * MIB, "swap": 8 * MIB}},
            ["memory.limit_in_bytes = 8388608", "memory.memsw.limit_in_bytes = 8388608"],
            ["memory.swap.max = 0", "memory.max = 8388608"],
        ),
        ({"cpu": {"quota": -1}}, ["cpu.cfs_quota_us = -1"], ["cpu.max = max 100000"]),
        ({"cpu": {"quota": 2000}}, ["cpu.cfs_quota_us = 2000"], ["cpu.max = 2000 100000"]),
        ({"cpu": {"period": 5000}}, ["cpu.cfs_period_us = 5000"], ["cpu.max = max 5000"]),
        ({"cpu": {"burst": 10}}, ["cpu.cfs_burst_us = 10"], ["cpu.max.burst = 10"]),
        ({"cpu": {"idle": 1}}, ["cpu.idle = 1"], ["cpu.idle = 1"]),
        ({"cpu": {"shares": 0}}, [], []),
        ({"pids": {"limit": -1}}, ["pids.max = max"], ["pids.max = max"]),
        ({"pids": {"limit": 0}}, ["pids.max = 1"], ["pids.max = 1"]),
        ({"blockIO": {"weight": 10}}, None, ["io.bfq.weight = 10 or io.weight = 1"]),
        ({"blockIO": {"weight": 1000}}, None, ["io.bfq.weight = 1000 or io.weight = 10000"]),
        ({}, [], []),
    ],
)
def test_values_that_mean_something_special(resources, v1, v2):
    if v1 is not None:
        assert shown(resources, V1) == v1
    assert shown(resources, V2) == v2


@pytest.mark.parametrize(
    ("shares", "weight"), [(1, 1), (2, 1), (1024, 100), (262144, 10000), (10**9, 10000)]
)
def test_a_default_share_is_a_default_weight(shares, weight):
    assert limits.weight_of_shares(shares) == weight


@settings(deadline=None)  # the second host is emulated
@given(st.integers(2, 262_143))
def test_more_shares_are_never_less_weight(shares):
    assert 1 <= limits.weight_of_shares(shares) <= limits.weight_of_shares(shares + 1) <= 10_000


def test_real_time_limits_need_their_ancestors_on_v1():
    writes = limits.files({"cpu": {"realtimeRuntime": 950, "realtimePeriod": 1000}}, V1)
    assert [(repr(write), write.ancestors) for write in writes] == [
        ("cpu.rt_period_us = 1000", False),
        ("cpu.rt_runtime_us = 950", True),
    ]


@pytest.mark.parametrize(
    "resources",
    [
        {"cpu": {"realtimeRuntime": 950}},
        {"memory": {"swap": 8 * MIB}},
        {"memory": {"limit": 8 * MIB, "swap": 4 * MIB}},
        {"unified": {"memory.max/../../x": "1"}},
        {"unified": {"memory": "1"}},
        {"unified": {"cgroup.freeze": "1"}},
        {"unified": {"rdma.max": "1"}},
    ],
)
def test_what_v2_cannot_say_is_an_error_and_not_silence(resources):
    with pytest.raises(RuntimeFault) as caught:
        limits.files(resources, V2)
    assert caught.value.code == "E422"


def test_files_of_v2_can_be_named_as_they_are():
    assert shown({"unified": {"memory.high": "1000", "io.max": "8:0 rbps=1\n8:16 rbps=2"}}, V2) == [
        "memory.high = 1000",
        "io.max = 8:0 rbps=1",
        "io.max = 8:16 rbps=2",
    ]


def test_the_controller_decides_on_a_hybrid_machine():
    hybrid = Hierarchy(unified="/u", controllers=frozenset({"pids"}), legacy={"memory": "/memory"})
    resources = {"memory": {"limit": 8 * MIB}, "pids": {"limit": 5}, "cpu": {"shares": 2}}
    assert shown(resources, hybrid) == ["memory.limit_in_bytes = 8388608", "pids.max = 5"]
    assert limits.discarded(resources, hybrid) == (
        "this machine has no cgroup controller `cpu`: its limits are discarded",
    )


def test_real_time_on_a_machine_without_any_cpu_controller_is_left_to_the_warning():
    assert shown({"cpu": {"realtimeRuntime": 950}}, Hierarchy(unified="/u")) == []
