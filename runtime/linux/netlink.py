"""Links, addresses and routes: requests as values, sent as one batch, with a word for each refusal.

pyroute2's message classes encode addresses and routes. Its package import costs 155 ms, so only
these two are loaded, without the package's `__init__`, at the first request: the adapter is this
module alone. Its class for links brings seventeen plug-ins, 25 ms, and takes a millisecond for each
veth; so links are encoded here, and a test compares the bytes. Which links there should be is
decided in networks/. Source: rtnetlink(7), linux/if_link.h.
"""

from __future__ import annotations

import errno
import functools
import importlib
import importlib.util
import socket
import struct
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_network
from typing import Any

from runtime.errors import RuntimeFault
from runtime.frozen import dataclass
from runtime.linux import faults, netlink_socket
from runtime.linux.netlink_socket import NetlinkError, Reply, attribute

Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

LOOPBACK_INDEX = 1
MAX_NAME = 15

_NEW_LINK, _DELETE_LINK, _GET_LINK = 16, 17, 18
_NEW_ADDRESS = 20
_NEW_ROUTE, _GET_ROUTE = 24, 26
_CREATE = netlink_socket.NLM_F_CREATE
_EXCLUSIVE = netlink_socket.NLM_F_EXCL
_REPLACE = 0x100
_IFF_UP = 1
_NO_DAD = 0x02
_TABLE_MAIN, _PROTOCOL_BOOT, _UNICAST = 254, 3, 1
_NUMBER = struct.Struct("=I")
_LINK_HEADER = struct.Struct("=BxHiII")
_ROUTE_HEADER = struct.Struct("=BBBBBBBBI")
_NOT_FOR_HOSTS = (3, 4, 5)  # broadcast, anycast, multicast
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
_IFLA_LINKINFO, _IFLA_NET_NS_PID, _IFLA_IFALIAS = 18, 19, 20
_IFLA_AF_SPEC, _IFLA_GROUP, _IFLA_NET_NS_FD = 26, 27, 28
_IFLA_NUM_TX_QUEUES, _IFLA_NUM_RX_QUEUES = 31, 32
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_INFO_PEER = 1
_BRIDGE_PORT_MODE = 4
_INET6_ADDRESS_GENERATION = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One message. An errno in `tolerated` means that what is wanted is so already."""

    data: bytes
    what: str
    """`create link pc12ab34cdb0001`, for the message about a refusal."""
    tolerated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of this network namespace, as the kernel has it."""

    name: str
    index: int
    is_up: bool
    kind: str
    """bridge, veth ...; empty for hardware and loopback."""
    master: int
    peer_index: int
    """Of a veth: the index of its other end, in that end's namespace."""
    alias: str
    mac_address: str


# --- requests about links


def create_bridge(name: str, *, mac_address: str, mtu: int = 0) -> Request:
    """A bridge, still down. Its own address stays what it is whichever ports come and go."""
    data = _link(
        _text(_IFLA_IFNAME, name),
        _mac_address(mac_address),
        attribute(_IFLA_LINKINFO, _text(_INFO_KIND, "bridge")),
        _mtu(mtu),
        flags=_CREATE | _EXCLUSIVE,
    )
    return Request(data=data, what=f"create bridge {name}", tolerated=(errno.EEXIST,))


def set_alias(name: str, alias: str) -> Request:
    """What `ip link` shows beside the name; says whose link it is."""
    data = _link(_text(_IFLA_IFNAME, name), _text(_IFLA_IFALIAS, alias))
    return Request(data=data, what=f"set alias of {name}")


@functools.cache
def set_up(name: str) -> Request:
    return Request(data=_link(_text(_IFLA_IFNAME, name), up=True), what=f"set {name} up")


def create_veth(
    name: str,
    *,
    bridge_index: int,
    peer_name: str,
    peer_mac_address: str,
    pid: int = 0,
    namespace_fd: int = -1,
    mtu: int = 0,
) -> Request:
    """A pair: this end a port of the bridge, the other end born in the namespace of pid or fd."""
    # said, or the kernel makes one for each processor, and takes them away again while all wait
    queues = _word(_IFLA_NUM_TX_QUEUES, 1) + _word(_IFLA_NUM_RX_QUEUES, 1)
    peer = _link_body(
        _text(_IFLA_IFNAME, peer_name),
        queues,
        _mac_address(peer_mac_address),
        _word(_IFLA_NET_NS_PID, pid) if pid else _word(_IFLA_NET_NS_FD, namespace_fd),
        _mtu(mtu),
    )
    kind = _text(_INFO_KIND, "veth")
    data = _link(
        _text(_IFLA_IFNAME, name),
        queues,
        _word(_IFLA_MASTER, bridge_index),
        _mtu(mtu),
        attribute(_IFLA_LINKINFO, kind + attribute(_INFO_DATA, attribute(_VETH_INFO_PEER, peer))),
        flags=_CREATE | _EXCLUSIVE,
    )
    return Request(data=data, what=f"create veth {name}")


def set_bridge_port(name: str, *, alias: str) -> Request:
    """Up, without an IPv6 address of its own (V15).

    Hairpin, or a container does not reach its own published port where br_netfilter is off.
    """
    no_address = attribute(_INET6_ADDRESS_GENERATION, b"\1")
    hairpin = attribute(_INFO_SLAVE_DATA, attribute(_BRIDGE_PORT_MODE, b"\1"))
    data = _link(
        _text(_IFLA_IFNAME, name),
        _text(_IFLA_IFALIAS, alias),
        attribute(_IFLA_AF_SPEC, attribute(socket.AF_INET6, no_address)),
        attribute(_IFLA_LINKINFO, _text(_INFO_SLAVE_KIND, "bridge") + hairpin),
        up=True,
    )
    return Request(data=data, what=f"set bridge port {name}")


def get_link(name: str) -> Request:
    """`commit` returns what the kernel says to it."""
    return Request(data=_query(name, 0), what=f"find link {name}")


def delete_link(name: str) -> Request:
    """Waits about 20 ms for the kernel; many at once: `set_group` and `delete_group`."""
    data = _link(_text(_IFLA_IFNAME, name), kind=_DELETE_LINK)
    return Request(data=data, what=f"delete link {name}", tolerated=(errno.ENODEV,))


def set_group(name: str, group: int) -> Request:
    data = _link(_text(_IFLA_IFNAME, name), _word(_IFLA_GROUP, group))
    return Request(data=data, what=f"set group of {name}", tolerated=(errno.ENODEV,))


def delete_group(group: int) -> Request:
    """All links of the group, with one wait for all of them."""
    data = _link(_word(_IFLA_GROUP, group), kind=_DELETE_LINK)
    return Request(data=data, what=f"delete links of group {group}", tolerated=(errno.ENODEV,))


# --- requests about addresses and routes


def add_address(index: int, address: Interface) -> Request:
    """Without duplicate address detection: ours are unique, and IPv6 would wait a second for it."""
    message = _message("ifaddrmsg")
    message["family"] = socket.AF_INET if address.version == 4 else socket.AF_INET6
    message["prefixlen"] = address.network.prefixlen
    message["index"] = index
    message["flags"] = 0 if address.version == 4 else _NO_DAD
    attributes = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]
    if address.version == 4 and address.network.prefixlen < 31:
        attributes.append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    data = _encode(message, _NEW_ADDRESS, attributes, flags=_CREATE | _REPLACE)
    return Request(data=data, what=f"add address {address}")


def add_default_route(gateway: str, *, index: int) -> Request:
    message = _message("rtmsg")
    message["family"] = socket.AF_INET6 if ":" in gateway else socket.AF_INET
    message["table"] = _TABLE_MAIN
    message["proto"] = _PROTOCOL_BOOT
    message["type"] = _UNICAST
    attributes = [("RTA_GATEWAY", gateway), ("RTA_OIF", index)]
    data = _encode(message, _NEW_ROUTE, attributes, flags=_CREATE | _REPLACE)
    return Request(data=data, what=f"add default route by {gateway}")


# --- sending


def commit(requests: Sequence[Request], *, step: str) -> dict[str, Link]:
    """Send them in order, all in one datagram; the links that `get_link` asked for. Raises
    NetlinkError for the first refusal.

    The kernel goes on after a refused message: nothing is rolled back here.
    """
    with faults.point(step), netlink_socket.open_socket(netlink_socket.ROUTE) as handle:
        replies = netlink_socket.transmit(handle, encode(requests))
    for reply in replies:
        if reply.is_acknowledgement and reply.error:
            _judge(requests[reply.sequence - 1], reply)
    return {link.name: link for link in _links(replies)}


def _judge(request: Request, reply: Reply) -> None:
    if reply.error not in request.tolerated:
        explanation = f"{request.what}: {reply.explanation}".rstrip(": ")
        raise NetlinkError(reply.error, sequence=reply.sequence, explanation=explanation)


def encode(requests: Sequence[Request]) -> bytes:
    """The datagram: numbered from 1, each message acknowledged. For us or for an init to send."""
    return b"".join(_numbered(request.data, number) for number, request in enumerate(requests, 1))


def _numbered(data: bytes, number: int) -> bytes:
    (flags,) = struct.unpack_from("=H", data, 6)
    return data[:6] + struct.pack("=HI", flags | netlink_socket.NLM_F_ACK, number) + data[12:]


# --- questions


def find_links(names: Iterable[str]) -> dict[str, Link]:
    """The links that exist among these, asked for in one datagram."""
    queries = [_query(name, number) for number, name in enumerate(names, 1)]
    if not queries:
        return {}
    with netlink_socket.open_socket(netlink_socket.ROUTE) as handle:
        replies = netlink_socket.transmit(handle, b"".join(queries))
    return {link.name: link for link in _links(replies)}


def list_links() -> list[Link]:
    """All links of this network namespace."""
    replies = netlink_socket.dump(netlink_socket.ROUTE, _GET_LINK, _LINK_HEADER.pack(0, 0, 0, 0, 0))
    return list(_links(replies))


def list_routes() -> list[Network]:
    """Destinations of all routes of all tables, both families; default routes have length 0."""
    return [
        network
        for family in (socket.AF_INET, socket.AF_INET6)
        for reply in _dump_routes(family)
        if (network := _parse_route(reply.payload)) is not None
    ]


def _dump_routes(family: int) -> list[Reply]:
    try:
        request = _ROUTE_HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)
        return netlink_socket.dump(netlink_socket.ROUTE, _GET_ROUTE, request)
    except NetlinkError as error:
        # A kernel without IPv6 has none of its routes.
        if family == socket.AF_INET6 and error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
            return []
        raise


def _parse_route(payload: bytes) -> Network | None:
    family, length, *_others, kind, _flags = _ROUTE_HEADER.unpack_from(payload)
    if kind in _NOT_FOR_HOSTS:
        return None
    attributes = netlink_socket.parse_attributes(payload[_ROUTE_HEADER.size :])
    size = 4 if family == socket.AF_INET else 16
    return ip_network((attributes.get(1, bytes(size)), length))


def _query(name: str, number: int) -> bytes:
    body = _LINK_HEADER.pack(0, 0, 0, 0, 0)
    body += netlink_socket.attribute(_IFLA_IFNAME, name.encode() + b"\0")
    flags = netlink_socket.NLM_F_REQUEST
    return netlink_socket.message(_GET_LINK, flags, body, sequence=number)


def _links(replies: Iterable[Reply]) -> Iterator[Link]:
    for reply in replies:
        if reply.kind == _NEW_LINK:
            yield _parse_link(reply.payload)


def _parse_link(payload: bytes) -> Link:
    _family, _type, index, flags, _change = _LINK_HEADER.unpack_from(payload)
    attributes = netlink_socket.parse_attributes(payload[_LINK_HEADER.size :])
    details = netlink_socket.parse_attributes(attributes.get(_IFLA_LINKINFO, b""))
    return Link(
        name=_untext(attributes[_IFLA_IFNAME]),
        index=index,
        is_up=bool(flags & _IFF_UP),
        kind=_untext(details.get(1, b"")),
        master=_number(attributes.get(_IFLA_MASTER)),
        peer_index=_number(attributes.get(_IFLA_LINK)),
        alias=_untext(attributes.get(_IFLA_IFALIAS, b"")),
        mac_address=attributes.get(_IFLA_ADDRESS, b"").hex(":"),
    )


def _number(value: bytes | None) -> int:
    return int(struct.unpack("=i", value)[0]) if value else 0


def _untext(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


# --- encoding


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def _word(kind: int, number: int) -> bytes:
    return attribute(kind, _NUMBER.pack(number & 0xFFFFFFFF))


def _mac_address(text: str) -> bytes:
    return attribute(_IFLA_ADDRESS, bytes.fromhex(text.replace(":", "")))


def _mtu(mtu: int) -> bytes:
    """0: the kernel's own."""
    return _word(_IFLA_MTU, mtu) if mtu else b""


def _link_body(*attributes: bytes, up: bool = False) -> bytes:
    flags = _IFF_UP if up else 0
    return _LINK_HEADER.pack(0, 0, 0, flags, flags) + b"".join(attributes)


def _link(*attributes: bytes, kind: int = _NEW_LINK, flags: int = 0, up: bool = False) -> bytes:
    flags |= netlink_socket.NLM_F_REQUEST
    return netlink_socket.message(kind, flags, _link_body(*attributes, up=up))


def _encode(message: Any, kind: int, attributes: list[Any], *, flags: int = 0) -> bytes:
    message["header"] = {"type": kind, "flags": netlink_socket.NLM_F_REQUEST | flags}
    message["attrs"] = attributes
    message.encode()
    return bytes(message.data)


def load() -> None:
    """Import what encodes, which costs 20 ms, at a moment when nobody waits for it."""
    for name in ("ifaddrmsg", "rtmsg"):
        _message_class(name)


def _message(name: str) -> Any:
    return _message_class(name)()


@functools.cache
def _message_class(name: str) -> Any:
    with _without_package_init():
        return getattr(importlib.import_module(f"pyroute2.netlink.rtnl.{name}"), name)


@contextmanager
def _without_package_init() -> Iterator[None]:
    """Let `pyroute2` be an empty package for a moment, so that its submodules load alone.

    Afterwards the name is free again: whoever imports the whole of pyroute2 later gets the whole.
    """
    if "pyroute2" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        raise RuntimeFault(
            "the Python package `pyroute2` is missing", code="E611", hint="install it with pip"
        )
    bare = types.ModuleType("pyroute2")
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules["pyroute2"] = bare
    try:
        yield
    finally:
        del sys.modules["pyroute2"]
