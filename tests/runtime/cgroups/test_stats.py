"""Counters -> the numbers of `stats`."""

import pytest

from runtime.cgroups import apply, limits, stats
from runtime.cgroups.stats import Stats
from runtime.messages import CgroupPlan

MIB = 1024 * 1024

V1 = {
    "cpuacct.usage": "5000000000\n",
    "cpuacct.stat": "user 300\nsystem 150\n",
    "cpu.shares": "1024\n",
    "cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 7000000\n",
    "memory.usage_in_bytes": f"{50 * MIB}\n",
    "memory.limit_in_bytes": f"{64 * MIB}\n",
    "memory.stat": f"inactive_file 1\ntotal_inactive_file {10 * MIB}\n",
    "memory.failcnt": "4\n",
    "pids.current": "7\n",
    "pids.max": "100\n",
    "blkio.throttle.io_service_bytes_recursive": (
        "253:0 Read 4096\n253:0 Write 8192\n253:0 Sync 1\n8:0 Read 4\n8:0 Total 4\nTotal 12292\n"
    ),
}
V2 = {
    "cpu.stat": (
        "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 1500000\n"
        "nr_periods 10\nnr_throttled 3\nthrottled_usec 7000\n"
    ),
    "memory.current": f"{50 * MIB}\n",
    "memory.max": f"{64 * MIB}\n",
    "memory.stat": f"anon 5\ninactive_file {10 * MIB}\n",
    "memory.events": "low 0\noom 4\noom_kill 1\n",
    "pids.current": "7\n",
    "pids.max": "100\n",
    "io.stat": "253:0 rbytes=4096 wbytes=8192 rios=1 wios=2\n8:0 rbytes=4 wbytes=0\n8:16 \n",
}
EXPECTED = {
    "cpu": 5_000_000_000,
    "cpu_user": 3_000_000_000,
    "cpu_system": 1_500_000_000,
    "periods": 10,
    "throttled_periods": 3,
    "throttled": 7_000_000,
    "memory": 40 * MIB,
    "memory_limit": 64 * MIB,
    "memory_failures": 4,
    "pids": 7,
    "pids_limit": 100,
    "read": 4100,
    "written": 8192,
}


def numbers(folder, files, *, version=2):
    for name, text in files.items():
        (folder / name).write_text(text)
    plan = CgroupPlan(unified=str(folder)) if version == 2 else CgroupPlan(legacy=(str(folder),))
    found = stats.read_stats(plan)
    return {name: getattr(found, name) for name in EXPECTED}


def test_both_versions_give_the_same_numbers(tmp_path):
    for version, files in ((1, V1), (2, V2)):
        folder = tmp_path / str(version)
        folder.mkdir()
        assert numbers(folder, files, version=version) == EXPECTED


def test_no_limit_is_the_machines_memory(tmp_path):
    total = stats.read_stats(CgroupPlan()).memory_limit
    assert total > 0
    for number, (version, files) in enumerate(
        (
            (1, {**V1, "memory.limit_in_bytes": "9223372036854771712\n"}),
            (2, {**V2, "memory.max": "max\n"}),
            (2, {**V2, "memory.max": f"{1 << 60}\n"}),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert numbers(folder, files, version=version)["memory_limit"] == total


def test_cache_is_taken_off_only_when_it_is_less_than_all(tmp_path):
    """C34."""
    files = {**V2, "memory.stat": f"inactive_file {60 * MIB}\n", "pids.max": "max\n"}
    found = numbers(tmp_path, files)
    assert (found["memory"], found["pids_limit"]) == (50 * MIB, 0)


def test_a_group_that_has_just_gone_counts_nothing():
    """C36."""
    found = stats.read_stats(CgroupPlan(unified="/sys/fs/cgroup/none", legacy=("/nowhere",)))
    assert (found.cpu, found.memory, found.pids, found.read) == (0, 0, 0, 0)


def test_the_machines_time_leaves_out_guests_which_are_in_user_already():
    text = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
    assert stats.parse_machine_cpu(text) == 28 * 10_000_000


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [
        ((0, 0), (500, 2000), 50.0),
        ((0, 0), (2000, 2000), 200.0),
        ((5, 9), (5, 9), 0.0),
        ((9, 0), (5, 9), 0.0),
    ],
)
def test_a_hundred_percent_is_one_cpu(before, after, percent):
    one, two = (
        Stats(cpu=cpu, machine_cpu=machine, cpu_count=2) for cpu, machine in (before, after)
    )
    assert stats.cpu_percent(one, two) == percent


@pytest.mark.kernel
def test_a_busy_process_shows(real):
    plan = real.create()
    apply.limit(
        plan, limits.files({"pids": {"limit": 9}, "memory": {"limit": 64 * MIB}}, real.hierarchy)
    )
    child = real.run(
        plan,
        "import time\nheld = bytearray(b'x') * (16 << 20)\nend = time.process_time() + 0.2\n"
        "while time.process_time() < end: pass\nprint('done', flush=True)\nsys.stdin.read()",
    )
    before = stats.read_stats(plan)
    assert child.stdout.readline() == "done\n"
    after = stats.read_stats(plan)
    assert after.cpu >= 200_000_000
    assert after.cpu_user > 0
    assert stats.cpu_percent(before, after) > 0
    assert 16 * MIB < after.memory < 64 * MIB
    assert (after.memory_limit, after.pids, after.pids_limit) == (64 * MIB, 1, 9)
