"""Every rule that we put into the kernel, as `nft list table` prints it."""

from runtime.networks.firewall import FirewallState, table_of
from runtime.networks.published import Publication
from runtime.values import NetworkId, NetworkOptions, NetworkRecord, PublishedPort


def network(*, internal: bool = False) -> NetworkRecord:
    return NetworkRecord(
        id=NetworkId("1" * 64),
        options=NetworkOptions(name="shop_default", internal=internal),
        bridge="pcb1",
        subnet="172.18.0.0/16",
        gateway="172.18.0.1",
    )


def published(host_ip: str = "0.0.0.0") -> Publication:
    port = PublishedPort(container_port=80, protocol="tcp", host_ip=host_ip, host_port=8080)
    return Publication(port, "172.18.0.2")


def rules(state: FirewallState, chain: str) -> list[str]:
    found = next(one for one in table_of("t", state).chains if one.name == chain)
    return [" ".join(part.text for part in rule) for rule in found.rules]


def test_the_hosts_loopback_services_stay_closed_to_the_outside():
    assert rules(FirewallState(), "raw-prerouting") == [
        'iifname != "lo" meta nfproto ipv4 ip daddr 127.0.0.0/8 drop'
    ]


def test_v45_a_containers_address_is_reached_from_its_bridge_alone():
    assert rules(FirewallState(networks=(network(),)), "raw-prerouting")[1:] == [
        'iifname != "pcb1" iifname != "lo" meta nfproto ipv4 ip daddr 172.18.0.0/16 drop'
    ]


def test_into_a_bridge_go_answers_neighbours_and_published_connections():
    assert rules(FirewallState(networks=(network(),)), "to-pcb1") == [
        "ct state established,related accept",
        'iifname "pcb1" accept',
        "ct status dnat accept",
        "drop",
    ]


def test_v40_nothing_leaves_an_internal_network():
    assert rules(FirewallState(networks=(network(internal=True),)), "forward") == [
        'oifname "pcb1" jump to-pcb1',
        'iifname "pcb1" oifname "pcb1" accept',
        'iifname "pcb1" ct state established,related accept',
        'iifname "pcb1" drop',
    ]


def test_a_port_on_all_addresses_is_redirected_whatever_the_address():
    assert rules(FirewallState(publications=(published(),)), "published") == [
        "meta nfproto ipv4 tcp dport 8080 dnat ip to 172.18.0.2:80"
    ]


def test_a_port_on_one_address_is_redirected_for_that_one_alone():
    assert rules(FirewallState(publications=(published("127.0.0.1"),)), "published") == [
        "meta nfproto ipv4 ip daddr 127.0.0.1 tcp dport 8080 dnat ip to 172.18.0.2:80"
    ]


def test_a_port_on_ipv6_is_left_to_the_forwarder_where_the_container_has_none():
    assert rules(FirewallState(publications=(published("::"),)), "published") == []


def test_what_leaves_by_another_interface_and_what_comes_back_in_is_masqueraded():
    assert rules(FirewallState(networks=(network(),)), "nat-postrouting") == [
        'meta nfproto ipv4 ip saddr 172.18.0.0/16 oifname != "pcb1" masquerade',
        'meta nfproto ipv4 ip saddr 172.18.0.0/16 oifname "pcb1" ct status dnat masquerade',
        'meta nfproto ipv4 ip saddr 127.0.0.0/8 oifname "pcb1" masquerade',
    ]
