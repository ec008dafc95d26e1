"""Requests about links are the bytes that pyroute2 would send for the same wish."""

from __future__ import annotations

from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from runtime.linux import netlink
from runtime.linux.netlink import Request

NEW, DELETE = 16, 17
ONLY_NEW = 0x400 | 0x200
MAC = "02:42:ac:12:00:02"


def kind(name: str, **data: Any) -> tuple[str, Any]:
    attributes: list[Any] = [("IFLA_INFO_KIND", name)]
    if data:
        attributes.append(("IFLA_INFO_DATA", {"attrs": list(data.items())}))
    return ("IFLA_LINKINFO", {"attrs": attributes})


def veth(*peer: tuple[str, Any]) -> tuple[str, Any]:
    return kind("veth", VETH_INFO_PEER={"attrs": list(peer)})


NAME = ("IFLA_IFNAME", "pc0")
QUEUES = (("IFLA_NUM_TX_QUEUES", 1), ("IFLA_NUM_RX_QUEUES", 1))
PEER = (("IFLA_IFNAME", "eth0"), *QUEUES, ("IFLA_ADDRESS", MAC))
MTU = ("IFLA_MTU", 1300)
PORT = (
    NAME,
    ("IFLA_IFALIAS", "web"),
    ("IFLA_AF_SPEC", {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", 1)]})]}),
    (
        "IFLA_LINKINFO",
        {
            "attrs": [
                ("IFLA_INFO_SLAVE_KIND", "bridge"),
                ("IFLA_INFO_SLAVE_DATA", {"attrs": [("IFLA_BRPORT_MODE", 1)]}),
            ]
        },
    ),
)


@pytest.mark.parametrize(
    ("request_", "type_", "flags", "up", "attributes"),
    [
        (
            netlink.create_bridge("pc0", mac_address=MAC, mtu=1300),
            NEW,
            ONLY_NEW,
            False,
            [NAME, ("IFLA_ADDRESS", MAC), kind("bridge"), MTU],
        ),
        (netlink.set_alias("pc0", "web"), NEW, 0, False, [NAME, ("IFLA_IFALIAS", "web")]),
        (netlink.set_up("pc0"), NEW, 0, True, [NAME]),
        (
            netlink.create_veth(
                "pc0", bridge_index=7, peer_name="eth0", peer_mac_address=MAC, pid=44
            ),
            NEW,
            ONLY_NEW,
            False,
            [NAME, *QUEUES, ("IFLA_MASTER", 7), veth(*PEER, ("IFLA_NET_NS_PID", 44))],
        ),
        (
            netlink.create_veth(
                "pc0",
                bridge_index=7,
                peer_name="eth0",
                peer_mac_address=MAC,
                namespace_fd=9,
                mtu=1300,
            ),
            NEW,
            ONLY_NEW,
            False,
            [NAME, *QUEUES, ("IFLA_MASTER", 7), MTU, veth(*PEER, ("IFLA_NET_NS_FD", 9), MTU)],
        ),
        (netlink.set_bridge_port("pc0", alias="web"), NEW, 0, True, PORT),
        (netlink.delete_link("pc0"), DELETE, 0, False, [NAME]),
        (netlink.set_group("pc0", 2**31 + 5), NEW, 0, False, [NAME, ("IFLA_GROUP", 2**31 + 5)]),
        (netlink.delete_group(5), DELETE, 0, False, [("IFLA_GROUP", 5)]),
    ],
    ids=lambda value: value.what if isinstance(value, Request) else "",
)
def test_a_request_is_what_pyroute2_encodes(
    request_: Request, type_: int, flags: int, up: bool, attributes: Any
):
    message = ifinfmsg()
    message["header"] = {"type": type_, "flags": 1 | flags}
    message["flags"] = message["change"] = int(up)
    message["attrs"] = list(attributes)
    message.encode()
    assert request_.data == bytes(message.data)
