"""Published ports are reached from everywhere they should be, and from nowhere else (DESIGN.md 7)."""

from collections.abc import Iterator

import pytest

from runtime.values import PublishedPort
from tests.runtime.networks.stage import (
    HOST_ADDRESS,
    HOST_ADDRESS_IPV6,
    LAN_ADDRESS,
    LAN_ADDRESS_IPV6,
    Stage,
    ask_tcp,
    ask_udp,
    serve_tcp,
    serve_udp,
)

pytestmark = pytest.mark.kernel

GATEWAY = "172.30.0.1"


def port(
    number: int = 8080, host_ip: str = "0.0.0.0", *, inside: int = 80, protocol: str = "tcp"
) -> PublishedPort:
    return PublishedPort(
        container_port=inside, protocol=protocol, host_ip=host_ip, host_port=number
    )


@pytest.fixture(params=[0, 1], ids=["bridge-nf-off", "bridge-nf-on"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    stage = Stage()
    try:
        stage.set_bridge_filtering(request.param)
        stage.network("shop_default", "172.30.0.0/16")
        yield stage
    finally:
        stage.close()


@pytest.fixture
def web(stage: Stage) -> Stage:
    """`web` publishes TCP 8080 and UDP 8053 on all addresses, and TCP 8081 on 127.0.0.1."""
    ports = (port(), port(8053, inside=53, protocol="udp"), port(8081, "127.0.0.1"))
    container = stage.container("web", "shop_default", ports=ports)
    container.start(serve_tcp(80, "web"))
    container.start(serve_udp(53, "web"))
    return stage


def test_from_another_machine_which_is_seen_with_its_own_address(web: Stage):
    assert web.lan.run(ask_tcp(HOST_ADDRESS, 8080)) == f"web sees {LAN_ADDRESS}"
    assert web.lan.run(ask_udp(HOST_ADDRESS, 8053)) == f"web sees {LAN_ADDRESS}"


@pytest.mark.parametrize("address", [HOST_ADDRESS, GATEWAY])
def test_from_the_hosts_own_addresses(web: Stage, address: str):
    assert web.host.run(ask_tcp(address, 8080)) == f"web sees {address}"
    assert web.host.run(ask_udp(address, 8053)) == f"web sees {address}"


def test_v16_from_the_loopback_address_which_no_container_ever_sees(web: Stage):
    assert web.host.run(ask_tcp("127.0.0.1", 8080)) == f"web sees {GATEWAY}"
    assert web.host.run(ask_tcp("127.0.0.1", 8081)) == f"web sees {GATEWAY}"
    assert web.host.run(ask_udp("127.0.0.1", 8053)) == f"web sees {GATEWAY}"


def test_from_the_container_itself_through_the_host(web: Stage):
    (itself,) = web.containers
    for address in (HOST_ADDRESS, GATEWAY):
        assert itself.run(ask_tcp(address, 8080)) == f"web sees {GATEWAY}"
        assert itself.run(ask_udp(address, 8053)) == f"web sees {GATEWAY}"


def test_from_a_sibling_through_the_host(web: Stage):
    sibling = web.container("sibling", "shop_default")
    for address in (HOST_ADDRESS, GATEWAY):
        assert sibling.run(ask_tcp(address, 8080)) == f"web sees {GATEWAY}"
        assert sibling.run(ask_udp(address, 8053)) == f"web sees {GATEWAY}"


def test_from_a_container_on_another_network_through_the_host(web: Stage):
    web.network("other", "172.31.0.0/16")
    other = web.container("other", "other")
    for address in (HOST_ADDRESS, GATEWAY, "172.31.0.1"):
        assert other.run(ask_tcp(address, 8080)) == f"web sees {GATEWAY}"


def test_a_sibling_talks_directly_and_is_seen_with_its_own_address(web: Stage):
    sibling = web.container("sibling", "shop_default")
    assert sibling.run(ask_tcp(web.address("web"), 80)) == f"web sees {web.address('sibling')}"


def test_containers_reach_the_world_with_the_hosts_address(web: Stage):
    web.lan.start(serve_tcp(7000, "lan"))
    (container,) = web.containers
    assert container.run(ask_tcp(LAN_ADDRESS, 7000)) == f"lan sees {HOST_ADDRESS}"


# --- what stays closed


def test_v45_a_port_on_the_loopback_address_is_closed_to_other_machines(web: Stage):
    assert web.lan.run(ask_tcp(HOST_ADDRESS, 8081)) == "ConnectionRefusedError"
    web.lan.command("sysctl", "-qw", "net.ipv4.conf.lan0.route_localnet=1")
    web.lan.command("ip", "route", "add", "127.0.0.0/8", "via", HOST_ADDRESS, "src", LAN_ADDRESS)
    assert web.lan.run(ask_tcp("127.0.0.1", 8081)) == "TimeoutError"


def test_the_hosts_own_loopback_services_stay_closed_to_other_machines_and_containers(web: Stage):
    web.host.start(serve_tcp(9000, "secret", "127.0.0.1"))
    assert web.host.run(ask_tcp("127.0.0.1", 9000)) == "secret sees 127.0.0.1"
    (container,) = web.containers
    for outsider, link, gateway in (
        (web.lan, "lan0", HOST_ADDRESS),
        (container, "eth0", GATEWAY),
    ):
        outsider.command("ip", "link", "set", "lo", "down")
        outsider.command("sysctl", "-qw", f"net.ipv4.conf.{link}.route_localnet=1")
        outsider.command("ip", "route", "add", "127.0.0.0/8", "via", gateway, "dev", link)
        assert outsider.run(ask_tcp("127.0.0.1", 9000)) == "TimeoutError"


def test_v45_a_container_is_not_reached_by_its_own_address_from_outside(web: Stage):
    assert web.lan.run(ask_tcp(web.address("web"), 80)) == "TimeoutError"
    web.network("other", "172.31.0.0/16")
    other = web.container("other", "other")
    assert other.run(ask_tcp(web.address("web"), 80)) == "TimeoutError"


def test_a_container_on_two_networks_is_reached_on_both_from_their_own_members(web: Stage):
    web.network("other", "172.31.0.0/16")
    both = web.container("both", "shop_default", "other")
    both.start(serve_tcp(80, "both"))
    other = web.container("other", "other")
    (web_container, *_rest) = web.containers
    addresses = {plan.network: plan.lease.ipv4 for plan in web.plans["both"]}
    assert other.run(ask_tcp(addresses["other"], 80)) == f"both sees {web.address('other')}"
    seen = web_container.run(ask_tcp(addresses["shop_default"], 80))
    assert seen == f"both sees {web.address('web')}"


def test_v40_an_internal_network_reaches_nobody_outside(web: Stage):
    web.network("inside", "172.31.0.0/16", internal=True)
    inner = web.container("inner", "inside", ports=(port(8090),))
    inner.start(serve_tcp(80, "inner"))
    friend = web.container("friend", "inside")
    web.lan.start(serve_tcp(7000, "lan"))
    assert friend.run(ask_tcp(web.address("inner"), 80)) == f"inner sees {web.address('friend')}"
    assert friend.run(ask_tcp(LAN_ADDRESS, 7000)) == "OSError"  # no route
    friend.command("ip", "route", "add", "default", "via", "172.31.0.1")
    assert friend.run(ask_tcp(LAN_ADDRESS, 7000)) == "TimeoutError"
    assert friend.run(ask_tcp(web.address("web"), 80)) == "TimeoutError"
    assert friend.run(ask_tcp(HOST_ADDRESS, 8080)) == "TimeoutError"
    assert web.lan.run(ask_tcp(HOST_ADDRESS, 8090)) == "ConnectionRefusedError"


# --- changes


def test_the_listing_of_the_kernel_is_the_text_of_the_table(web: Stage):
    from runtime.networks.firewall import FirewallState, table_of

    web.network("inside", "172.31.0.0/16", internal=True)
    state = FirewallState(
        networks=tuple(web.networks.values()), publications=tuple(web.publications)
    )
    listing = web.host.command("nft", "list", "ruleset")
    assert listing == str(table_of("pycompose-ab12-beef0000", state))


def test_a_udp_client_reaches_the_new_container_from_the_same_port(web: Stage):
    assert web.lan.run(ask_udp(HOST_ADDRESS, 8053, own_port=5353)) == f"web sees {LAN_ADDRESS}"
    before = list(web.publications)
    web.publications.clear()
    second = web.container("second", "shop_default", ports=(port(8053, inside=53, protocol="udp"),))
    second.start(serve_udp(53, "second"))
    assert before != web.publications
    assert web.lan.run(ask_udp(HOST_ADDRESS, 8053, own_port=5353)) == f"second sees {LAN_ADDRESS}"


@pytest.fixture
def ipv6(stage: Stage) -> Stage:
    stage.network("six", "172.31.0.0/16", ipv6=True)
    ports = (port(), port(host_ip="::"))
    stage.container("web", "six", ports=ports).start(serve_tcp(80, "web"))
    return stage


def test_ipv6_from_another_machine_the_host_itself_and_a_sibling(ipv6: Stage):
    assert ipv6.lan.run(ask_tcp(HOST_ADDRESS_IPV6, 8080)) == f"web sees {LAN_ADDRESS_IPV6}"
    own = ipv6.host.run(ask_tcp(HOST_ADDRESS_IPV6, 8080))
    assert own == f"web sees {HOST_ADDRESS_IPV6}"
    (itself,) = ipv6.containers
    assert itself.run(ask_tcp(HOST_ADDRESS_IPV6, 8080)) == "web sees fd00:2::1"


def test_ipv6_out_to_the_world_and_not_in(ipv6: Stage):
    ipv6.lan.start(serve_tcp(7000, "lan"))
    (container,) = ipv6.containers
    answer = container.run(ask_tcp(LAN_ADDRESS_IPV6, 7000))
    assert answer == f"lan sees {HOST_ADDRESS_IPV6}"
    assert ipv6.lan.run(ask_tcp(ipv6.plans["web"][0].lease.ipv6, 80)) == "TimeoutError"
