"""Limits and devices, checked as Docker checks them."""

import pytest

from runtime.cgroups.hierarchy import FEATURES
from runtime.containers.spec.resources import parse_cpu_set
from runtime.errors import RuntimeFault
from runtime.values import BlkioOptions, Device, ThrottleDevice, WeightDevice

MIB = 1024 * 1024


def resources(build, **options) -> dict[str, object]:
    made = dict(build(**options).spec["linux"]["resources"])
    del made["devices"]
    return made


def refused(build, *, code="E312", **options) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        build(**options)
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"mem_limit": 6 * MIB}, {"limit": 6 * MIB, "swap": 12 * MIB}),
        ({"mem_limit": 8 * MIB, "memswap_limit": 8 * MIB}, {"limit": 8 * MIB, "swap": 8 * MIB}),
        ({"mem_limit": 8 * MIB, "memswap_limit": -1}, {"limit": 8 * MIB, "swap": -1}),
        ({"mem_limit": 0, "memswap_limit": 0, "mem_reservation": 0}, {}),
        ({"memswap_limit": -1}, {"swap": -1}),
        ({"mem_limit": -1}, {"limit": -1}),
        ({"mem_swappiness": 0}, {"swappiness": 0}),
        ({"mem_swappiness": -1}, {}),
    ],
)
def test_memory_and_swap(build, options, expected):
    """With a limit and nothing said about swap, Docker gives as much of it again."""
    assert resources(build, **options).get("memory", {}) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mem_limit": 6 * MIB - 1}, "`mem_limit` is 6291455 bytes"),
        ({"mem_limit": -2}, "`mem_limit` is -2 bytes"),
        ({"mem_reservation": 1000}, "`mem_reservation` is 1000 bytes"),
        (
            {"mem_limit": 8 * MIB, "mem_reservation": 9 * MIB},
            "`mem_reservation` is above `mem_limit`",
        ),
        ({"memswap_limit": 8 * MIB}, "`memswap_limit` needs a `mem_limit`"),
        ({"mem_limit": 8 * MIB, "memswap_limit": MIB}, "`memswap_limit` is below `mem_limit`"),
        ({"memswap_limit": -2}, "`memswap_limit: -2` is no size"),
        ({"mem_swappiness": 101}, "`mem_swappiness: 101` is out of range"),
        ({"mem_swappiness": -2}, "`mem_swappiness: -2` is out of range"),
        ({"cpu_shares": -1}, "`cpu_shares: -1` is negative"),
        ({"cpus": 2.01}, "`cpus: 2.01` is out of range"),
        ({"cpus": 0.001}, "`cpus: 0.001` is out of range"),
        ({"cpus": -1.0}, "`cpus: -1` is out of range"),
        ({"cpus": 1.0, "cpu_quota": 5000}, "`cpus` and `cpu_quota` exclude each other"),
        ({"cpus": 1.0, "cpu_period": 5000}, "`cpus` and `cpu_period` exclude each other"),
        ({"cpu_period": 999}, "`cpu_period: 999` is out of range"),
        ({"cpu_period": 1_000_001}, "`cpu_period: 1000001` is out of range"),
        ({"cpu_quota": 999}, "`cpu_quota: 999` is too small"),
        ({"cpu_rt_runtime": 2, "cpu_rt_period": 1}, "`cpu_rt_runtime` is above `cpu_rt_period`"),
        ({"cpuset": "0-2"}, "`cpuset: 0-2` names CPUs that are not there: 2"),
        ({"cpuset": "zero"}, "`cpuset: zero` is no list of CPUs"),
        ({"blkio": BlkioOptions(weight=9)}, "`blkio_config`: weight 9 is out of range"),
        (
            {"blkio": BlkioOptions(weight_device=(WeightDevice(path="/dev/x", weight=50),))},
            "`blkio_config`: `/dev/x` is no block device of this machine",
        ),
    ],
)
def test_values_that_mean_nothing_are_refused(build, options, message):
    assert str(refused(build, **options)) == message


def test_a_hint_names_the_cpus_there_are(build):
    assert refused(build, cpus=3.0).hint == "from 0.01 to 2: so many are available"
    assert refused(build, cpuset="7").hint == "online are 0, 1"


@pytest.mark.parametrize(
    ("cpus", "quota"), [(0.01, 1000), (0.29, 29000), (0.5, 50000), (1.9999999, 199999), (2, 200000)]
)
def test_a_share_of_cpus_is_cut_off_below_the_microsecond(build, cpus, quota):
    assert resources(build, cpus=cpus) == {"cpu": {"period": 100000, "quota": quota}}


def test_zero_means_nothing_was_said(build):
    zeros = dict.fromkeys(
        ("cpus", "cpu_shares", "cpu_quota", "cpu_period", "cpu_rt_period", "cpu_rt_runtime"), 0
    )
    assert resources(build, **zeros, blkio=BlkioOptions()) == {}


@pytest.mark.parametrize(("limit", "expected"), [(0, -1), (-1, -1), (-5, -1), (7, 7)])
def test_no_number_of_processes_is_no_limit(build, limit, expected):
    assert resources(build, pids_limit=limit) == {"pids": {"limit": expected}}


def test_every_kind_of_block_limit_has_its_place(build):
    throttle = (ThrottleDevice(path="/dev/sda", rate=7),)
    blkio = BlkioOptions(
        weight=10,
        weight_device=(WeightDevice(path="/dev/sda", weight=1000),),
        device_read_bps=throttle,
        device_read_iops=throttle,
        device_write_bps=throttle,
        device_write_iops=throttle,
    )
    disk = {"major": 8, "minor": 0}
    assert resources(build, blkio=blkio)["blockIO"] == {
        "weight": 10,
        "weightDevice": [{**disk, "weight": 1000}],
        "throttleReadBpsDevice": [{**disk, "rate": 7}],
        "throttleWriteBpsDevice": [{**disk, "rate": 7}],
        "throttleReadIOPSDevice": [{**disk, "rate": 7}],
        "throttleWriteIOPSDevice": [{**disk, "rate": 7}],
    }


ASKED = {
    "mem_limit": 8 * MIB,
    "memswap_limit": 9 * MIB,
    "mem_reservation": 7 * MIB,
    "mem_swappiness": 5,
    "oom_kill_disable": True,
    "cpu_shares": 5,
    "cpu_quota": 5000,
    "cpuset": "0",
    "pids_limit": 5,
    "blkio": BlkioOptions(weight=50),
}


def test_a_machine_without_controllers_discards_with_a_warning_each(build):
    """C01."""
    result = build(host={"features": frozenset()}, **ASKED)
    assert list(result.spec["linux"]["resources"]) == ["devices"]
    discarded = "is discarded: this kernel has no such control"
    assert result.warnings == (
        f"`mem_limit` {discarded}",
        "`memswap_limit` is discarded: this kernel does not account for swap; memory is limited"
        " without it",
        f"`mem_reservation` {discarded}",
        f"`mem_swappiness` {discarded}",
        f"`oom_kill_disable` {discarded}",
        f"`cpu_shares` {discarded}",
        f"`cpu_quota` {discarded}",
        f"`cpuset` {discarded}",
        f"`pids_limit` {discarded}",
        f"`blkio_config` {discarded}",
    )


def test_cgroup_v2_has_neither_swappiness_nor_an_oom_killer_to_disable(build):
    v2 = frozenset(FEATURES) - {"swappiness", "oom_kill_disable", "cpu_realtime", "freezer"}
    result = build(host={"features": v2}, **ASKED)
    assert [warning.split("`")[1] for warning in result.warnings] == [
        "mem_swappiness",
        "oom_kill_disable",
    ]
    refused(build, cpu_rt_runtime=5, host={"features": v2})


def test_cpus_is_an_error_where_it_cannot_be_held_to(build):
    fault = refused(build, cpus=1.0, host={"features": frozenset()})
    assert fault.answered == "this kernel has no CPU quotas"


def test_no_swap_is_given_where_it_is_not_counted_and_nobody_asked(build):
    result = build(mem_limit=8 * MIB, host={"features": frozenset(FEATURES) - {"swap"}})
    assert result.spec["linux"]["resources"]["memory"] == {"limit": 8 * MIB}
    assert result.warnings == ()


def test_disabling_the_oom_killer_without_a_limit_is_dangerous(build):
    result = build(oom_kill_disable=True)
    assert result.warnings == ("`oom_kill_disable` without `mem_limit` can hang the whole machine",)


def devices(build, *wanted: Device, **options):
    linux = build(devices=wanted, **options).spec["linux"]
    nodes = [
        f"{node['path']} {node['type']} {node['major']}:{node['minor']}"
        for node in linux["devices"]
    ]
    return nodes, linux["resources"]["devices"]


def test_a_device_is_a_node_and_a_rule(build):
    nodes, rules = devices(build, Device(source="/dev/fuse", target="/dev/f", permissions="rw"))
    assert nodes == ["/dev/f c 10:229"]
    assert rules[-1] == {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}


def test_a_folder_of_devices_is_each_of_them(build):
    nodes, rules = devices(build, Device(source="/dev/snd", target="/dev/sound"))
    assert nodes == ["/dev/sound/seq c 116:1", "/dev/sound/timer c 116:33"]
    assert [rule["minor"] for rule in rules[-2:]] == [1, 33]


def test_privileged_sees_every_device_and_keeps_those_with_other_names(build):
    """D03."""
    nodes, rules = devices(build, Device(source="/dev/fuse", target="/dev/f"), privileged=True)
    assert nodes == ["/dev/sda b 8:0", "/dev/f c 10:229"]
    assert rules[0] == {"allow": True, "type": "a", "access": "rwm"}


def test_rules_come_after_the_defaults(build):
    _, rules = devices(build, device_cgroup_rules=("c 1:3 mr", "a *:* rwm", "b 7:* w"))
    assert rules[-3:] == [
        {"allow": True, "type": "c", "access": "mr", "major": 1, "minor": 3},
        {"allow": True, "type": "a", "access": "rwm"},
        {"allow": True, "type": "b", "access": "w", "major": 7},
    ]


@pytest.mark.parametrize(
    "rule", ["c 1:3", "d 1:3 r", "c 1 3 r", "c 1:3 rx", "c 1:3 rr", "c -1:3 r", "c 1:3 rwmr", ""]
)
def test_a_rule_of_another_form_is_refused(build, rule):
    refused(build, code="E306", device_cgroup_rules=(rule,))


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (
            Device(source="/dev/none", target="/dev/none"),
            "`devices`: there is no device `/dev/none`",
        ),
        (Device(source="vendor/x=0", target=""), "`devices: vendor/x=0` is a CDI name"),
        (
            Device(source="/dev/fuse", target="/dev/fuse", permissions="rx"),
            "`devices`: `rx` is no device access",
        ),
    ],
)
def test_a_device_that_cannot_be_given_is_refused(build, device, message):
    assert str(refused(build, code="E306", devices=(device,))) == message


def test_lists_of_cpus_are_numbers_and_ranges():
    assert parse_cpu_set("0-2, 5") == frozenset({0, 1, 2, 5})
