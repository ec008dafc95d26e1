"""Connections that the kernel tracks: found and forgotten, by hand-encoded ctnetlink.

A tracked UDP flow keeps following the rule that was there when it began; a container that is gone
leaves entries behind for days. Source: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from ipaddress import ip_address

from runtime.frozen import dataclass
from runtime.linux import faults, netlink_socket
from runtime.linux.netlink_socket import NetlinkError, attribute, parse_attributes

_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_NESTED = 0x8000
_TUPLE_ORIGIN, _TUPLE_REPLY, _ID, _ZONE = 1, 2, 12, 18
_UDP = 17
# Requests of one datagram: its answers have to fit into the receive buffer.
_BATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tracked connection. The reply's source is where it was really sent."""

    family: int
    protocol: int
    source: str
    destination: str
    destination_port: int
    reply_source: str
    reply_destination: str
    identity: bytes
    """The attributes that name it in a deletion."""

    @property
    def is_passing_through(self) -> bool:
        """Only its source was translated: somebody behind us talks to another machine."""
        return self.destination == self.reply_source and self.source != self.reply_destination


def forget_udp(ports: Collection[int]) -> int:
    """Let the next datagram to these ports of the host meet the rules of now; how many flows.

    Forgotten are flows that some rule redirected and those that none did.
    """
    wanted = frozenset(ports)

    def is_meant(entry: Entry) -> bool:
        is_to_port = entry.protocol == _UDP and entry.destination_port in wanted
        return is_to_port and not entry.is_passing_through

    packed = [struct.pack(">H", port) for port in wanted]
    return _forget(is_meant, packed) if wanted else 0


def forget_addresses(addresses: Collection[str]) -> int:
    """Forget all that containers with these addresses had open; how many entries that were."""
    wanted = {address for address in addresses if address}
    packed = [ip_address(address).packed for address in wanted]

    def is_meant(entry: Entry) -> bool:
        return entry.source in wanted or entry.reply_source in wanted

    return _forget(is_meant, packed) if wanted else 0


def list_entries(mentioning: Collection[bytes] = ()) -> list[Entry]:
    """Everything tracked in this network namespace, both families; or what contains one of these
    byte strings: a busy router tracks 100,000 connections, and reading them takes seconds."""
    return [
        entry
        for family in (socket.AF_INET, socket.AF_INET6)
        for payload in _dump(family)
        if not mentioning or any(one in payload for one in mentioning)
        if (entry := _parse(payload)) is not None
    ]


def _forget(is_meant: Callable[[Entry], bool], mentioning: Collection[bytes] = ()) -> int:
    meant = [entry for entry in list_entries(mentioning) if is_meant(entry)]
    for start in range(0, len(meant), _BATCH):
        _delete(meant[start : start + _BATCH])
    return len(meant)


def _delete(entries: Iterable[Entry]) -> None:
    requests = b"".join(
        netlink_socket.message(
            _DELETE,
            netlink_socket.NLM_F_REQUEST | netlink_socket.NLM_F_ACK,
            _header(entry.family) + entry.identity,
            sequence=number,
        )
        for number, entry in enumerate(entries, 1)
    )
    with (
        faults.point("forget connections"),
        netlink_socket.open_socket(netlink_socket.NETFILTER) as handle,
    ):
        for reply in netlink_socket.transmit(handle, requests):
            # It may have ended by itself meanwhile.
            if reply.is_acknowledgement and reply.error not in (0, errno.ENOENT):
                raise NetlinkError(reply.error, explanation=reply.explanation)


def _dump(family: int) -> Iterator[bytes]:
    try:
        replies = netlink_socket.dump(netlink_socket.NETFILTER, _GET, _header(family))
    except NetlinkError as error:
        # No connection was ever tracked here: the module is not even loaded.
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT):
            return
        raise
    for reply in replies:
        yield reply.payload


def _header(family: int) -> bytes:
    return struct.pack(">BBH", family, 0, 0)


def _parse(payload: bytes) -> Entry | None:
    attributes = parse_attributes(payload[4:])
    if _TUPLE_ORIGIN not in attributes or _TUPLE_REPLY not in attributes:
        return None
    origin = _parse_tuple(attributes[_TUPLE_ORIGIN])
    reply = _parse_tuple(attributes[_TUPLE_REPLY])
    identity = attribute(_TUPLE_ORIGIN | _NESTED, attributes[_TUPLE_ORIGIN])
    for kind in (_ID, _ZONE):
        if kind in attributes:
            identity += attribute(kind, attributes[kind])
    return Entry(
        family=payload[0],
        protocol=origin[2],
        source=origin[0],
        destination=origin[1],
        destination_port=origin[3],
        reply_source=reply[0],
        reply_destination=reply[1],
        identity=identity,
    )


def _parse_tuple(data: bytes) -> tuple[str, str, int, int]:
    """(source, destination, protocol, destination port); no port is 0."""
    parts = parse_attributes(data)
    addresses = parse_attributes(parts.get(1, b""))
    protocol = parse_attributes(parts.get(2, b""))
    source = addresses.get(1) or addresses.get(3) or bytes(4)
    destination = addresses.get(2) or addresses.get(4) or bytes(4)
    port = struct.unpack(">H", protocol[3])[0] if 3 in protocol else 0
    number = protocol[1][0] if 1 in protocol else 0
    return str(ip_address(source)), str(ip_address(destination)), number, port
