"""Each attribute about networks, from the Compose file to what a program inside the container sees of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.scenarios.stage import run_all, shell, stage

pytestmark = pytest.mark.kernel

ADDRESSES = "ip -o address show scope global | awk '{print $2, $4}' | sort"
ROUTE = "ip route show default | cut -d' ' -f1-5"
LINK = "ip -o link show eth0"
RESOLV = "grep -v '^#' /etc/resolv.conf"
NAMES = "grep -v 'localhost\\|^f[ef]' /etc/hosts"

OWN_SERVER = """
import socket, threading
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 53))
def serve():
    while True:
        question, peer = server.recvfrom(999)
        answer = question[:2] + bytes.fromhex('81800001000100000000') + question[12:]
        server.sendto(answer + bytes.fromhex('c00c00010001000000050004c0000250'), peer)
threading.Thread(target=serve, daemon=True).start()
print(socket.gethostbyname('www.example.org'))
"""

NETWORKS: dict[str, Any] = {
    "front": {"ipam": {"config": [{"subnet": "10.213.1.0/24", "gateway": "10.213.1.254"}]}},
    "back": {
        "enable_ipv6": True,
        "driver_opts": {
            "com.docker.network.driver.mtu": "1400",
            "com.docker.network.container_iface_prefix": "net",
        },
        "ipam": {
            "config": [
                {
                    "subnet": "10.213.2.0/24",
                    "ip_range": "10.213.2.128/25",
                    "aux_addresses": {"printer": "10.213.2.130"},
                },
                {"subnet": "fd00:213:2::/64"},
            ]
        },
    },
    "inner": {"internal": True, "ipam": {"config": [{"subnet": "10.213.3.0/24"}]}},
}


class Case(NamedTuple):
    script: str
    expected: str
    attributes: dict[str, Any] = {}


FRONT, BACK, INNER = ({"networks": [name]} for name in NETWORKS)


def on(**networks: Any) -> dict[str, Any]:
    return {"networks": networks}


CASES: dict[str, Case] = {
    "fixed-address": Case(
        f"{ADDRESSES}; {ROUTE}",
        "eth0 10.213.1.77/24 default via 10.213.1.254 dev eth0",
        on(front={"ipv4_address": "10.213.1.77"}),
    ),
    "range-and-reserved-address": Case(
        "ip -o -4 address show net0 | grep -c '10.213.2.1\\(29\\|[3-9][1-9]\\)'; ip link show net0 | grep -o 'mtu 1400'",
        "1 mtu 1400",
        BACK,
    ),
    "fixed-ipv6": Case(
        "ip -6 -o address show net0 scope global | awk '{print $4}'; ip -6 route show default | cut -d' ' -f1-5",
        "fd00:213:2::77/64 default via fd00:213:2::1 dev net0",
        on(back={"ipv6_address": "fd00:213:2::77"}),
    ),
    "internal": Case(
        f"{ADDRESSES}; {ROUTE}", "eth0 10.213.3.33/24", on(inner={"ipv4_address": "10.213.3.33"})
    ),
    "several": Case(
        f"{ADDRESSES}; {ROUTE}",
        "eth0 10.213.1.41/24 eth1 10.213.3.41/24 default via 10.213.1.254 dev eth0",
        on(inner={"ipv4_address": "10.213.3.41"}, front={"ipv4_address": "10.213.1.41"}),
    ),
    "priority-orders-interfaces": Case(
        ADDRESSES,
        "eth0 10.213.3.42/24 eth1 10.213.1.42/24",
        on(
            front={"ipv4_address": "10.213.1.42"},
            inner={"ipv4_address": "10.213.3.42", "priority": 10},
        ),
    ),
    "gateway-priority": Case(
        "ip route show default | cut -d' ' -f1-3",
        "default via 10.213.1.254",
        on(back={}, front={"gw_priority": 1}),
    ),
    "gateway-without-priority": Case(
        "ip route show default | cut -d' ' -f1-3",
        "default via 10.213.2.128",
        on(front={}, back={}),
    ),
    "mac-address": Case(
        f"{LINK} | grep -o '02:42:00:00:aa:[0-9a-f]*'",
        "02:42:00:00:aa:01",
        {**FRONT, "mac_address": "02:42:00:00:aa:01"},
    ),
    "mac-address-of-a-network": Case(
        f"{LINK} | grep -o '02:42:00:00:aa:[0-9a-f]*'",
        "02:42:00:00:aa:02",
        on(front={"mac_address": "02:42:00:00:aa:02"}),
    ),
    "interface-name": Case(
        ADDRESSES, "uplink 10.213.1.43/24", on(front={"ipv4_address": "10.213.1.43", "interface_name": "uplink"})
    ),
    "link-local": Case(
        "ip -o address show eth0 | grep -c 169.254.8.8", "1", on(front={"link_local_ips": ["169.254.8.8"]})
    ),
    "endpoint-sysctls": Case(
        "cat /proc/sys/net/ipv4/conf/eth0/log_martians",
        "1",
        on(front={"driver_opts": {"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1"}}),
    ),
    "mode-host": Case(
        "hostname; tail -1 /etc/hosts; ip -o link show lo | wc -l",
        f"{socket.gethostname()} 127.0.0.1 gate 1",
        {"network_mode": "host", "extra_hosts": ["gate:host-gateway"]},
    ),
    "mode-none": Case("ip -o link | wc -l; ip -o -4 address show lo | wc -l", "1 1", {"network_mode": "none"}),
    "hostname": Case(
        f"hostname; cat /etc/hostname; {NAMES}",
        "front-1 front-1 10.213.1.44 front-1",
        {**on(front={"ipv4_address": "10.213.1.44"}), "hostname": "front-1"},
    ),
    "domainname": Case(
        f"hostname -f; cat /proc/sys/kernel/domainname; {NAMES}",
        "www.example.org example.org 10.213.1.45 www.example.org www",
        {**on(front={"ipv4_address": "10.213.1.45"}), "hostname": "www", "domainname": "example.org"},
    ),
    "extra-hosts": Case(
        "grep 'printer\\|gate\\|six' /etc/hosts",
        "192.0.2.9 printer 10.213.1.254 gate 2001:db8::9 six",
        {**FRONT, "extra_hosts": ["printer:192.0.2.9", "gate=host-gateway", "six=[2001:db8::9]"]},
    ),
    "extra-hosts-of-an-internal-network": Case(
        "grep gate /etc/hosts", "10.213.3.1 gate", {**INNER, "extra_hosts": {"gate": "host-gateway"}}
    ),
    "dns": Case(
        f"{RESOLV}; grep -o 'upstream.*' /etc/resolv.conf",
        "nameserver 127.0.0.11 search example.org corp options ndots:2 use-vc upstream servers: 192.0.2.53",
        {
            **FRONT,
            "dns": "192.0.2.53",
            "dns_search": ["example.org", "corp"],
            "dns_opt": ["ndots:2", "use-vc"],
        },
    ),
    "dns-of-its-own": Case(
        f'python3 -c "{OWN_SERVER}"', "192.0.2.80", {**FRONT, "dns": ["127.0.0.1"]}
    ),
    "dns-search-none": Case(RESOLV, "nameserver 127.0.0.11 options ndots:0", {**FRONT, "dns_search": "."}),
    "dns-without-a-network": Case(
        f"{RESOLV}",
        "nameserver 192.0.2.53 search example.org",
        {"network_mode": "none", "dns": "192.0.2.53", "dns_search": "example.org"},
    ),
    "link": Case(
        "getent hosts store | awk '{print $1}'", "10.213.1.10", {**FRONT, "links": ["anchor:store"]}
    ),
    "alias": Case("getent hosts mooring | awk '{print $1}'", "10.213.1.10", FRONT),
    "service": Case("getent hosts anchor | awk '{print $1}'", "10.213.1.10", FRONT),
    "no-alias-elsewhere": Case("getent hosts mooring || echo unknown", "unknown", INNER),
    "mode-service": Case(
        f"{ADDRESSES}; hostname; getent hosts anchor | awk '{{print $1}}'",
        "eth0 10.213.1.10/24 eth1 10.213.3.10/24 anchor 10.213.1.10 10.213.3.10",
        {"network_mode": "service:anchor"},
    ),
    "reverse": Case(
        "getent hosts 10.213.1.10 | awk '{print $2}'", "moored.project_front", FRONT
    ),
}  # fmt: skip
ANCHOR = {
    "image": "host",
    "container_name": "moored",
    "hostname": "anchor",
    "networks": {
        "front": {"ipv4_address": "10.213.1.10", "aliases": ["mooring"]},
        "inner": {"ipv4_address": "10.213.3.10"},
    },
    "command": ["sleep", "1000"],
}


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, str]]:
    services = {
        name: shell(case.script, image="host", **case.attributes) for name, case in CASES.items()
    }
    for name, service in services.items():
        if "network_mode" not in service:
            service["depends_on"] = ["anchor"]
        assert name != "anchor"
    with stage() as pycompose:
        yield run_all(pycompose, services, others={"anchor": ANCHOR}, networks=NETWORKS)


@pytest.mark.parametrize("name", CASES)
def test_it_is_seen_inside(seen: dict[str, str], name: str):
    assert seen[name] == CASES[name].expected
