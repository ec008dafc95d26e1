"""What stands in a container's /etc/hosts and /etc/resolv.conf (D40-D44), and what never gets in (V46)."""

import pytest

from runtime.errors import RuntimeFault
from runtime.networks.hosts_file import (
    find_nameservers,
    hosts_text,
    plain_resolv_conf_text,
    reachable_resolv_conf,
    resolv_conf_text,
)

HOST = "# made by hand\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch lan\noptions edns0\n"


def test_the_hosts_file_names_the_machine_its_extra_hosts_and_the_container_itself():
    assert hosts_text(
        hostname="web",
        domainname="example.org",
        addresses=("172.17.0.2", "fd00::2"),
        extra_hosts=(("printer", "192.0.2.9"), ("gate", "host-gateway")),
        gateways=("172.17.0.1",),
    ) == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\n"
        "ff02::1\tip6-allnodes\n"
        "ff02::2\tip6-allrouters\n"
        "192.0.2.9\tprinter\n"
        "172.17.0.1\tgate\n"
        "172.17.0.2\tweb.example.org web\n"
        "fd00::2\tweb.example.org web\n"
    )


def test_the_host_has_a_line_for_each_family():
    text = hosts_text(
        hostname="web", extra_hosts=(("gate", "host-gateway"),), gateways=("172.17.0.1", "fd00::1")
    )
    assert [line for line in text.splitlines() if "gate" in line] == [
        "172.17.0.1\tgate",
        "fd00::1\tgate",
    ]


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("a\n10.0.0.1 evil", "192.0.2.9"),
        ("a b", "192.0.2.9"),
        ("a", "ten"),
        ("a", "1.2.3.4\n5.6.7.8 b"),
    ],
)
def test_v46_a_line_cannot_be_smuggled_in(name: str, address: str):
    with pytest.raises(RuntimeFault, match=r"extra_hosts: `.*` is no"):
        hosts_text(hostname="web", extra_hosts=((name, address),))


def test_resolv_conf_names_our_resolver_and_the_hosts_search_and_options():
    assert resolv_conf_text(HOST) == (
        "nameserver 127.0.0.11\nsearch lan\noptions edns0 ndots:0\n"
        "\n# upstream servers: host(192.0.2.1), host(192.0.2.2)\n"
    )


def test_without_our_resolver_it_is_the_hosts_own_unless_something_was_set():
    assert plain_resolv_conf_text(HOST) == HOST
    assert plain_resolv_conf_text(HOST, dns=("192.0.2.3",)) == (
        "nameserver 192.0.2.3\nsearch lan\noptions edns0\n"
    )


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        (HOST, HOST),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\n"),
        ("nameserver ::1\nsearch lan", "search lan\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
        ("", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
    ],
)
def test_d41_a_server_on_the_hosts_loopback_is_not_there_on_the_machines_bridge(host, inside):
    assert reachable_resolv_conf(host) == inside


@pytest.mark.parametrize("write", [resolv_conf_text, plain_resolv_conf_text])
@pytest.mark.parametrize(
    "wish", [{"dns": ("ten",)}, {"dns": ("1.2.3.4\nnameserver 5.6.7.8",)}, {"search": ("a\nb",)}]
)
def test_v46_what_is_no_server_and_no_word_is_refused(write, wish):
    with pytest.raises(RuntimeFault, match=r"dns: `.*` (is no address|does not fit)"):
        write(HOST, **wish)


def test_three_servers_are_taken_and_what_is_no_address_is_left_out():
    text = "nameserver one\n" + "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6))
    assert find_nameservers(text) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert find_nameservers("nameserver fe80::1%eth0\n") == ["fe80::1%eth0"]
