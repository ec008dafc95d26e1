"""Every rule that we put into the kernel, as `nft list table` prints it."""

from runtime.networks.firewall import FirewallState, table_of
from runtime.networks.published import Publication
from runtime.values import NetworkId, NetworkOptions, NetworkRecord, PublishedPort


def network(
    *, bridge: str = "pcb1", internal: bool = False, ipv6: bool = False, **driver_opts: str
) -> NetworkRecord:
    options = {f"com.docker.network.bridge.{key}": value for key, value in driver_opts.items()}
    return NetworkRecord(
        id=NetworkId("1" * 64),
        options=NetworkOptions(name="shop_default", internal=internal, driver_opts=options),
        bridge=bridge,
        subnet="172.18.0.0/16",
        gateway="172.18.0.1",
        subnet_ipv6="fd00:1::/64" if ipv6 else "",
        gateway_ipv6="fd00:1::1" if ipv6 else "",
    )


def published(host_ip: str = "0.0.0.0", address: str = "172.18.0.2") -> Publication:
    port = PublishedPort(container_port=80, protocol="tcp", host_ip=host_ip, host_port=8080)
    return Publication(port, address)


def rules(state: FirewallState, chain: str) -> list[str]:
    found = next(one for one in table_of("t", state).chains if one.name == chain)
    return [" ".join(part.text for part in rule) for rule in found.rules]


def test_the_whole_table_of_a_network_with_one_published_port():
    state = FirewallState(networks=(network(),), publications=(published(),))
    assert str(table_of("pycompose-ab12-0123abcd", state)) == (
        """\
table inet pycompose-ab12-0123abcd {
	chain raw-prerouting {
		type filter hook prerouting priority raw; policy accept;
		iifname != "lo" ip daddr 127.0.0.0/8 drop
		iifname != "lo" ip saddr 127.0.0.0/8 drop
		iifname != "lo" iifname != "pcb1" ip daddr 172.18.0.0/16 ip daddr != 172.18.0.1 drop
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		oifname "pcb1" jump to-pcb1
	}

	chain to-pcb1 {
		ct state established,related accept
		ct status dnat accept
		iifname "pcb1" accept
		drop
	}

	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local jump published
	}

	chain nat-output {
		type nat hook output priority -100; policy accept;
		fib daddr type local jump published
	}

	chain published {
		meta nfproto ipv4 tcp dport 8080 dnat ip to 172.18.0.2:80
	}

	chain nat-postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 127.0.0.0/8 oifname "pcb1" masquerade
		ip saddr 172.18.0.0/16 oifname != "lo" oifname != "pcb1" masquerade
		ip saddr 172.18.0.0/16 oifname "pcb1" ct status dnat masquerade
	}
}
"""
    )


def test_v40_nothing_leaves_an_internal_network_and_nothing_comes_in():
    state = FirewallState(networks=(network(internal=True),))
    assert rules(state, "forward") == [
        'iifname "pcb1" oifname != "pcb1" drop',
        'oifname "pcb1" jump to-pcb1',
    ]
    assert rules(state, "to-pcb1") == ['iifname "pcb1" accept', "drop"]
    assert rules(state, "nat-postrouting") == []


def test_neighbours_are_kept_apart_without_icc_but_reach_published_ports():
    state = FirewallState(networks=(network(enable_icc="false"),))
    assert rules(state, "to-pcb1") == [
        "ct state established,related accept",
        "ct status dnat accept",
        'iifname "pcb1" drop',
        "drop",
    ]


def test_without_masquerading_only_the_hairpin_is_masked():
    state = FirewallState(networks=(network(enable_ip_masquerade="false"),))
    assert rules(state, "nat-postrouting") == [
        'ip saddr 127.0.0.0/8 oifname "pcb1" masquerade',
        'ip saddr 172.18.0.0/16 oifname "pcb1" ct status dnat masquerade',
    ]


def test_a_network_with_ipv6_is_guarded_and_masked_in_both_families():
    state = FirewallState(networks=(network(ipv6=True),))
    assert rules(state, "raw-prerouting")[2:] == [
        'iifname != "lo" iifname != "pcb1" ip daddr 172.18.0.0/16 ip daddr != 172.18.0.1 drop',
        'iifname != "lo" iifname != "pcb1" ip6 daddr fd00:1::/64 ip6 daddr != fd00:1::1 drop',
    ]
    assert rules(state, "nat-postrouting")[3:] == [
        'ip6 saddr fd00:1::/64 oifname != "lo" oifname != "pcb1" masquerade',
        'ip6 saddr fd00:1::/64 oifname "pcb1" ct status dnat masquerade',
    ]


def test_a_port_on_one_address_is_redirected_for_that_one_alone():
    assert rules(FirewallState(publications=(published("127.0.0.1"),)), "published") == [
        "ip daddr 127.0.0.1 tcp dport 8080 dnat ip to 172.18.0.2:80"
    ]


def test_a_port_on_ipv6_is_left_to_the_forwarder_where_the_container_has_none():
    assert rules(FirewallState(publications=(published("::"),)), "published") == []


def test_a_port_on_ipv6_is_redirected_but_for_the_loopback_address_which_is_not_routed():
    publications = (published("::", "fd00:1::2"), published("::1", "fd00:1::2"))
    assert rules(FirewallState(publications=publications), "published") == [
        "ip6 daddr != ::1 tcp dport 8080 dnat ip6 to [fd00:1::2]:80"
    ]
