"""The endpoints of a container, decided before anything of the machine is touched."""

import pytest

from runtime.errors import NotFound, RuntimeFault
from runtime.linux import netlink
from runtime.linux.netlink import Link
from runtime.networks import endpoint
from runtime.networks.addresses import Lease
from runtime.networks.endpoint import EndpointPlan, host_gateways, plan_endpoints
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    ProjectId,
)


def network(name: str, number: int, *, internal: bool = False) -> NetworkRecord:
    return NetworkRecord(
        id=NetworkId(f"{number}" * 64),
        options=NetworkOptions(name=name, internal=internal),
        bridge=f"pcab12beefb000{number}",
        subnet=f"172.{16 + number}.0.0/16",
        gateway=f"172.{16 + number}.0.1",
    )


NETWORKS = {
    one.name: one
    for one in (network("front", 1), network("back", 2), network("inner", 3, internal=True))
}


def plan(
    *endpoints: Endpoint, leases: tuple[Lease, ...] = (), **options: object
) -> list[EndpointPlan]:
    record = ContainerRecord(
        id=ContainerId("c" * 64),
        project_id=ProjectId("beef0000"),
        options=ContainerOptions(
            project="shop", name="shop-web-1", service="web", endpoints=endpoints, **options
        ),
    )
    return list(plan_endpoints(record, NETWORKS, leases, root_hash="ab12"))


def on(name: str, **more: object) -> Endpoint:
    return Endpoint(network=name, **more)


def shown(plans: list[EndpointPlan]) -> list[str]:
    return [
        f"{one.interface} {one.network} {one.ipv4}{' default' * one.routes_ipv4}" for one in plans
    ]


def test_the_host_is_found_by_both_families_on_the_network_that_routes():
    six = NetworkRecord(
        id=NetworkId("4" * 64),
        options=NetworkOptions(name="six", enable_ipv6=True),
        bridge="pcab12beefb0004",
        subnet="172.20.0.0/16",
        gateway="172.20.0.1",
        subnet_ipv6="fd00:20::/64",
        gateway_ipv6="fd00:20::1",
    )
    record = ContainerRecord(
        id=ContainerId("c" * 64),
        project_id=ProjectId("beef0000"),
        options=ContainerOptions(
            project="shop", name="shop-web-1", service="web", endpoints=(on("back"), on("six"))
        ),
    )
    both = plan_endpoints(record, {**NETWORKS, "six": six}, (), root_hash="ab12")
    assert host_gateways(both) == ("172.18.0.1", "fd00:20::1")
    assert host_gateways(plan(on("inner"))) == ("172.19.0.1",)
    assert host_gateways(()) == ("127.0.0.1",)


def test_interfaces_stand_in_the_order_of_priority_then_name_and_the_first_outward_one_routes():
    assert shown(plan(on("inner"), on("front"), on("back"))) == [
        "eth0 back 172.18.0.2/16 default",
        "eth1 front 172.17.0.2/16",
        "eth2 inner 172.19.0.2/16",
    ]
    assert shown(plan(on("inner", priority=5), on("back"), on("front", gw_priority=1))) == [
        "eth0 inner 172.19.0.2/16",
        "eth1 back 172.18.0.2/16",
        "eth2 front 172.17.0.2/16 default",
    ]


def test_an_internal_network_never_routes():
    assert shown(plan(on("inner", gw_priority=9))) == ["eth0 inner 172.19.0.2/16"]


def test_a_container_comes_back_to_its_own_address_and_not_to_anothers():
    mine = Lease(NETWORKS["front"].id, "c" * 64, "172.17.0.9")
    theirs = Lease(NETWORKS["front"].id, "d" * 64, "172.17.0.2")
    assert shown(plan(on("front"), leases=(theirs,))) == ["eth0 front 172.17.0.3/16 default"]
    assert shown(plan(on("front"), leases=(theirs, mine))) == ["eth0 front 172.17.0.9/16 default"]
    moved = Lease(NETWORKS["front"].id, "c" * 64, "10.0.0.9")
    assert shown(plan(on("front"), leases=(moved,))) == ["eth0 front 172.17.0.2/16 default"]


def test_it_is_known_by_its_names_each_once():
    (one,) = plan(on("front", aliases=("web", "store")), hostname="www")
    assert one.names == ("shop-web-1", "web", "store", "c" * 12, "www")
    (oneoff,) = plan(on("front"), oneoff=True)
    assert oneoff.names == ("shop-web-1", "c" * 12)


def test_names_of_interfaces_are_as_asked_and_the_others_count_around_them():
    plans = plan(on("back"), on("front", interface_name="eth0"), on("inner"))
    assert [one.interface for one in plans] == ["eth1", "eth0", "eth2"]


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (on("front", mac_address="02:42"), "shop-web-1: mac_address: `02:42` is none"),
        (on("front", link_local_ips=("ten",)), "shop-web-1: link_local_ips: `ten` is none"),
        (on("front", link_local_ips=("8.8.8.8",)), "shop-web-1: link_local_ips: `8.8.8.8` is none"),
        (on("front", interface_name="a/b"), "`a/b` cannot be the name of a network interface"),
        (
            on("front", ipv4_address="10.0.0.1"),
            "network front: address 10.0.0.1 is outside of its subnet",
        ),
        (on("front", ipv4_address="ten"), "network front: address `ten` does not fit"),
        (
            on("front", ipv6_address="fd00::1"),
            "network front: address fd00::1 is outside of its subnet",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(endpoint: Endpoint, message: str):
    with pytest.raises(RuntimeFault) as caught:
        plan(endpoint)
    assert caught.value.message == message


def test_a_network_that_is_not_there_is_named():
    with pytest.raises(NotFound, match="shop-web-1: network nowhere is not there"):
        plan(on("nowhere"))


def test_a_link_that_goes_with_its_dead_container_is_no_defect_of_ours(
    monkeypatch: pytest.MonkeyPatch,
):
    plans = plan(on("front"))
    bridge = Link(
        name=plans[0].bridge,
        index=7,
        is_up=True,
        kind="bridge",
        master=0,
        peer_index=0,
        alias="",
        mac_address="",
    )
    taken_away: list[str] = []
    monkeypatch.setattr(netlink, "find_links", lambda names: {bridge.name: bridge})
    monkeypatch.setattr(netlink, "commit", lambda requests, *, step: {})
    monkeypatch.setattr(endpoint, "detach_links", taken_away.extend)
    with pytest.raises(RuntimeFault) as caught:
        endpoint.attach(plans, pid=1)
    assert caught.value.code == "E610"
    assert caught.value.answered == f"{plans[0].link} is gone as soon as it was made"
    assert taken_away == [plans[0].link]
