"""Which subnet a network gets and which addresses its containers get (D45)."""

from ipaddress import ip_address, ip_network

import pytest

from runtime.errors import RuntimeFault
from runtime.networks.addresses import (
    HostFacts,
    Lease,
    allocate_network,
    choose_ipv4,
    choose_ipv6,
    derive_mac_address,
    has_lost_its_subnet,
)
from runtime.values import IpamPool, NetworkId, NetworkOptions, NetworkRecord

EMPTY = HostFacts()


def host(*routes: str, resolvers: tuple[str, ...] = ()) -> HostFacts:
    return HostFacts(
        routes=tuple(map(ip_network, routes)), resolvers=tuple(map(ip_address, resolvers))
    )


def options(*ipam: IpamPool, **more: object) -> NetworkOptions:
    return NetworkOptions(name="shop_default", ipam=ipam, **more)


def record(subnet: str, gateway: str = "", *, asked: NetworkOptions | None = None) -> NetworkRecord:
    is_6 = ":" in subnet
    return NetworkRecord(
        id=NetworkId("1" * 64),
        options=asked or options(),
        **{
            "subnet_ipv6" if is_6 else "subnet": subnet,
            "gateway_ipv6" if is_6 else "gateway": gateway,
        },
    )


def subnets(count: int, facts: HostFacts = EMPTY) -> list[str]:
    made: list[NetworkRecord] = []
    for _number in range(count):
        made.append(record(allocate_network(options(), made, facts).subnet))
    return [one.subnet for one in made]


def test_subnets_come_from_the_pools_in_dockers_order():
    assert subnets(31) == [
        *(f"172.{second}.0.0/16" for second in range(17, 32)),
        *(f"192.168.{third}.0/20" for third in range(0, 256, 16)),
    ]


def test_when_all_are_used_up_it_is_said_in_dockers_words():
    with pytest.raises(
        RuntimeFault, match="all predefined address pools have been fully subnetted"
    ):
        subnets(32)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (host("172.17.0.0/16"), "172.18.0.0/16"),
        (host("172.17.200.0/24"), "172.18.0.0/16"),
        (host("172.16.0.0/12"), "192.168.0.0/20"),
        (host(resolvers=("172.17.0.53",)), "172.18.0.0/16"),
        (host("0.0.0.0/0", "::/0", "fe80::/64"), "172.17.0.0/16"),
        (host("0.0.0.0/1", "128.0.0.0/1"), "172.17.0.0/16"),
    ],
    ids=["a bridge", "a part", "a vpn", "a resolver", "default routes", "a vpn's halves"],
)
def test_what_the_machine_uses_is_left_alone(facts: HostFacts, expected: str):
    assert allocate_network(options(), (), facts).subnet == expected


def test_a_subnet_that_was_asked_for_is_taken_even_inside_a_wider_route():
    asked = options(IpamPool(subnet="10.1.2.0/24"))
    allocation = allocate_network(asked, (), host("10.0.0.0/8"))
    assert (allocation.subnet, allocation.gateway) == ("10.1.2.0/24", "10.1.2.1")


@pytest.mark.parametrize("route", ["10.1.2.0/24", "10.1.2.128/25"])
def test_but_not_where_a_route_would_share_its_packets(route: str):
    with pytest.raises(RuntimeFault, match="pool overlaps with other one") as caught:
        allocate_network(options(IpamPool(subnet="10.1.2.0/24")), (), host(route))
    assert caught.value.answered == f"a route of this host has {route}"


def test_ipv6_alone_beside_and_with_a_subnet_of_ones_own():
    both = allocate_network(options(enable_ipv6=True), (), EMPTY)
    assert both.subnet == "172.17.0.0/16"
    assert ip_network(both.subnet_ipv6).subnet_of(ip_network("fd00::/8"))
    assert both == allocate_network(options(enable_ipv6=True), (), EMPTY)
    alone = allocate_network(
        options(IpamPool(subnet="fd00:1::/64"), enable_ipv4=False, enable_ipv6=True), (), EMPTY
    )
    assert (alone.subnet, alone.subnet_ipv6, alone.gateway_ipv6) == (
        "",
        "fd00:1::/64",
        "fd00:1::1",
    )


def test_a_subnet_of_our_choice_is_lost_when_the_machine_takes_it():
    chosen = record("172.17.0.0/16", "172.17.0.1")
    asked = record("10.1.2.0/24", asked=options(IpamPool(subnet="10.1.2.0/24")))
    assert has_lost_its_subnet(chosen, host("172.17.0.0/24"))
    assert not has_lost_its_subnet(chosen, host("172.18.0.0/16", "0.0.0.0/0"))
    assert not has_lost_its_subnet(asked, host("10.1.2.0/24"))


# --- addresses


def choose(network: NetworkRecord, *taken: str, **wishes: object) -> str:
    leases = [Lease(network.id, f"container {number}", one) for number, one in enumerate(taken)]
    return choose_ipv4(network, leases, **wishes)


def test_the_first_free_address_is_given_and_never_the_gateways_or_the_edges():
    small = record("10.1.2.0/29", "10.1.2.1")
    assert choose(small) == "10.1.2.2"
    assert choose(small, "10.1.2.2", "10.1.2.3") == "10.1.2.4"
    with pytest.raises(RuntimeFault, match="no free address left"):
        choose(small, *(f"10.1.2.{number}" for number in range(2, 7)))


def test_from_the_range_and_around_what_is_reserved():
    pool = IpamPool(
        subnet="10.1.2.0/24", ip_range="10.1.2.128/30", aux_addresses={"printer": "10.1.2.129"}
    )
    network = record("10.1.2.0/24", "10.1.2.128", asked=options(pool))
    assert choose(network) == "10.1.2.130"
    assert choose(network, wanted="10.1.2.77") == "10.1.2.77"


def test_freed_ones_are_avoided_while_others_are_free():
    small = record("10.1.2.0/29", "10.1.2.1")
    assert choose(small, avoided=("10.1.2.2",)) == "10.1.2.3"
    assert choose(small, *(f"10.1.2.{n}" for n in range(3, 7)), avoided=("10.1.2.2",)) == "10.1.2.2"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("10.1.2.2", "address 10.1.2.2 is already in use: held by container 0"),
        ("10.1.2.1", "address 10.1.2.1 is already in use: held by the gateway"),
        ("10.9.9.9", "address 10.9.9.9 is outside of its subnet: the subnet is 10.1.2.0/24"),
        ("ten", "address `ten` does not fit: 'ten' does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_a_wanted_address_that_cannot_be_is_said_with_the_reason(wanted: str, message: str):
    with pytest.raises(RuntimeFault) as caught:
        choose(record("10.1.2.0/24", "10.1.2.1"), "10.1.2.2", wanted=wanted)
    assert f"{caught.value.message}: {caught.value.answered}".endswith(message)


def test_ipv6_addresses_follow_the_same_rules():
    network = record("fd00:1::/64", "fd00:1::1")
    assert choose_ipv6(network, []) == "fd00:1::2"
    assert choose_ipv6(network, [], wanted="fd00:1::77") == "fd00:1::77"


def test_a_mac_address_says_the_address():
    assert derive_mac_address("172.17.0.2") == "02:42:ac:11:00:02"
    assert derive_mac_address("fd00::2").startswith("02:42:")
