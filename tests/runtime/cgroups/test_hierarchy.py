"""Which trees a machine has, from its mount table; and where our folders lie in them."""

import pytest

from runtime.cgroups import hierarchy as trees
from runtime.cgroups.hierarchy import Hierarchy
from runtime.errors import RuntimeFault
from runtime.messages import CgroupPlan

PURE_V2 = """\
25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
31 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate
40 25 0:30 / /opt/vpn/net-cls rw - cgroup net_cls rw,net_cls
"""

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:39 / /sys/fs/cgroup/hugetlb rw - tmpfs tmpfs rw
"""


def test_v2_at_the_top_leaves_v1_trees_elsewhere_to_their_owner():
    assert trees.parse_mounts(PURE_V2) == ("/sys/fs/cgroup", {})


def test_hybrid_has_both_and_merged_controllers_share_a_folder():
    assert trees.parse_mounts(HYBRID) == (
        "/sys/fs/cgroup/unified",
        {
            "cpu": "/sys/fs/cgroup/cpu,cpuacct",
            "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
            "memory": "/sys/fs/cgroup/memory",
            "name=systemd": "/sys/fs/cgroup/systemd",
        },
    )


def test_a_folder_that_is_only_named_like_a_controller_is_none():
    """C01: podman leaves a plain tmpfs called hugetlb."""
    assert "hugetlb" not in trees.parse_mounts(HYBRID)[1]


def test_no_cgroup_file_system_is_an_error_that_says_what_to_mount(monkeypatch, tmp_path):
    monkeypatch.setattr(trees, "ROOT", "/nowhere")
    with pytest.raises(RuntimeFault) as caught:
        trees.detect()
    assert (caught.value.code, caught.value.hint) == (
        "E420",
        "mount one: `mount -t cgroup2 cgroup2 /sys/fs/cgroup`",
    )


def features(controllers=(), legacy=(), missing=()):
    return trees.find_features(
        frozenset(controllers),
        {name: f"/{name}" for name in legacy},
        has_file=lambda folder, name: name not in missing,
    )


def test_everything_of_v2_is_a_feature_but_what_only_v1_had():
    found = features(controllers=("cpu", "cpuset", "io", "memory", "pids"))
    assert set(trees.FEATURES) - found == {
        "swappiness",
        "oom_kill_disable",
        "cpu_realtime",
        "freezer",
    }


def test_v1_has_all_that_its_files_say():
    every = ("cpu", "cpuset", "memory", "pids", "blkio", "devices", "freezer")
    assert features(legacy=every) == set(trees.FEATURES)
    assert set(trees.FEATURES) - features(
        legacy=every, missing=("memory.memsw.limit_in_bytes", "cpu.rt_runtime_us")
    ) == {"swap", "cpu_realtime"}


def test_a_v1_machine_without_the_devices_controller_has_no_device_filter():
    assert "devices" not in features(legacy=("memory",))


def test_a_controller_counts_wherever_it_sits():
    found = features(controllers=("pids",), legacy=("memory", "devices"))
    assert {"pids", "memory", "devices"} <= found
    assert "cpu_cfs" not in found


HYBRID_TREES = Hierarchy(
    unified="/sys/fs/cgroup/unified",
    legacy={"cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct"},
)


def test_a_plan_names_each_tree_once():
    assert trees.plan_of(HYBRID_TREES, "beef", "aaaa1111", "c1") == CgroupPlan(
        unified="/sys/fs/cgroup/unified/pycompose-beef/aaaa1111/c1",
        legacy=("/sys/fs/cgroup/cpu,cpuacct/pycompose-beef/aaaa1111/c1",),
    )
    assert HYBRID_TREES.version == 1
    assert Hierarchy(unified="/sys/fs/cgroup").version == 2


@pytest.mark.parametrize(
    ("parent", "path"),
    [
        ("", ""),
        ("/", ""),
        ("work", "/work"),
        ("/work/./deep/", "/work/deep"),
        ("a.slice", "/a.slice"),
        ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
        ("x/a-b.slice", "/x/a-b.slice"),
    ],
)
def test_a_cgroup_parent_is_a_path_and_a_slice_its_whole_chain(parent, path):
    assert trees.expand_parent(parent) == path


@pytest.mark.parametrize(
    "parent", ["..", "a/../../b", "-a.slice", "a--b.slice", "-.slice", "a-.slice"]
)
def test_a_cgroup_parent_that_leads_elsewhere_is_refused(parent):
    """C02."""
    with pytest.raises(RuntimeFault) as caught:
        trees.expand_parent(parent)
    assert caught.value.code == "E421"
