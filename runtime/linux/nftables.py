"""nf_tables without the `nft` program: tables, chains and rules as values, and their netlink bytes.

A rule is a tuple of `Part`s; each carries the bytes for the kernel and the words that `nft list`
prints for it, so `str(table)` can be compared with the kernel's own listing. Which rules there
should be is decided in networks/firewall.py. A batch takes effect whole or not at all.

Standard library only: the init sends `dns_redirect_batch` from inside a container.
Source: linux/netfilter/nf_tables.h; nft(8) for the words.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from runtime.frozen import dataclass
from runtime.linux import faults, netlink_socket
from runtime.linux.netlink_socket import NetlinkError, attribute, message

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

GROUP_MASK = 1 << 6
"""Multicast group NFNLGRP_NFTABLES: every change of any ruleset in this network namespace."""

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _GET_TABLE, _DELETE_TABLE, _NEW_CHAIN, _GET_CHAIN = 0, 1, 2, 3, 4
_NEW_RULE, _GET_RULE, _DELETE_RULE, _DELETE_CHAIN = 6, 7, 8, 5
_NESTED = 0x8000
_INET, _IPV4, _IPV6, _UNSPECIFIED = 1, 2, 10, 0
_FAMILY_NAMES = {_INET: "inet", _IPV4: "ip", _IPV6: "ip6"}

_REGISTER_VERDICT, _REGISTER_1, _REGISTER_2 = 0, 1, 2
_DROP, _ACCEPT, _JUMP = 0, 1, -3
_EQUAL, _NOT_EQUAL = 0, 1


class Hook(IntEnum):
    """Where in the path of a packet a base chain stands."""

    PREROUTING = 0
    INPUT = 1
    FORWARD = 2
    OUTPUT = 3
    POSTROUTING = 4


class Part(NamedTuple):
    """A match or a statement: nft's words for it, and the expressions it is made of."""

    text: str
    code: bytes


Rule = tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """With `kind` (filter, nat) a base chain on a hook, policy accept; without, one to jump to."""

    name: str
    kind: str = ""
    hook: Hook = Hook.PREROUTING
    priority: int = 0
    rules: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        lines = [f"\tchain {self.name} {{"]
        if self.kind:
            hook = self.hook.name.lower()
            priority = _priority_word(self.hook, self.priority)
            lines.append(f"\t\ttype {self.kind} hook {hook} priority {priority}; policy accept;")
        lines += ["\t\t" + " ".join(part.text for part in rule) for rule in self.rules]
        return "\n".join([*lines, "\t}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of our own, of family inet. `str()` is what `nft list table` prints."""

    name: str
    chains: tuple[Chain, ...] = ()

    def __str__(self) -> str:
        body = "\n\n".join(str(chain) for chain in self.chains)
        return f"table inet {self.name} {{\n{body}\n}}\n"

    @property
    def rule_count(self) -> int:
        return sum(len(chain.rules) for chain in self.chains)


def _priority_word(hook: Hook, priority: int) -> str:
    words = {-300: "raw", -150: "mangle", 0: "filter"}
    if hook is Hook.PREROUTING:
        words[-100] = "dstnat"
    if hook is Hook.POSTROUTING:
        words[100] = "srcnat"
    return words.get(priority, str(priority))


# --- matches


def input_interface(name: str, *, negated: bool = False) -> Part:
    return _interface("iifname", 6, name, negated)


def output_interface(name: str, *, negated: bool = False) -> Part:
    return _interface("oifname", 7, name, negated)


def _interface(word: str, key: int, name: str, negated: bool) -> Part:
    padded = name.encode().ljust(16, b"\0")
    code = _meta(key) + _compare(padded, negated=negated)
    return Part(f'{word} {"!= " if negated else ""}"{name}"', code)


def is_ipv4() -> Part:
    """Needed before a statement for IPv4 alone: the table sees both families."""
    return Part("meta nfproto ipv4", _nfproto(_IPV4))


def is_ipv6() -> Part:
    return Part("meta nfproto ipv6", _nfproto(_IPV6))


def source(network: Network, *, negated: bool = False) -> Part:
    return _network_part("saddr", 12, 8, network, negated)


def destination(network: Network, *, negated: bool = False) -> Part:
    return _network_part("daddr", 16, 24, network, negated)


def _network_part(word: str, offset4: int, offset6: int, network: Network, negated: bool) -> Part:
    is_version_4 = network.version == 4
    family, offset = (_IPV4, offset4) if is_version_4 else (_IPV6, offset6)
    packed = network.network_address.packed
    code = _nfproto(family) + _payload(base=1, offset=offset, length=len(packed))
    shown: object = network
    if network.prefixlen == network.max_prefixlen:
        shown = network.network_address
    else:
        code += _mask(network.netmask.packed)
    code += _compare(packed, negated=negated)
    return Part(f"{'ip' if is_version_4 else 'ip6'} {word} {'!= ' if negated else ''}{shown}", code)


def destination_port(protocol: str, port: int) -> Part:
    code = _meta(16) + _compare(bytes([_PROTOCOLS[protocol]]))
    code += _payload(base=2, offset=2, length=2) + _compare(struct.pack(">H", port))
    return Part(f"{protocol} dport {port}", code)


_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


def to_this_host() -> Part:
    """The destination is an address of the host itself, whichever."""
    fib = (
        attribute(1, _be32(_REGISTER_1)) + attribute(2, _be32(3)) + attribute(3, _be32(2))
    )  # register; result: address type; flags: of the destination
    return Part("fib daddr type local", _expression("fib", fib) + _compare(struct.pack("=I", 2)))


def is_established() -> Part:
    """Belongs to a connection that was let through before, or is an error about one."""
    return Part("ct state established,related", _conntrack_bits(key=0, bits=2 | 4))


def was_redirected() -> Part:
    """A DNAT rule sent the connection here: it was published."""
    return Part("ct status dnat", _conntrack_bits(key=2, bits=1 << 5))


# --- statements


def accept() -> Part:
    return Part("accept", _verdict(_ACCEPT))


def drop() -> Part:
    return Part("drop", _verdict(_DROP))


def jump(chain: str) -> Part:
    return Part(f"jump {chain}", _verdict(_JUMP, chain))


def masquerade() -> Part:
    return Part("masquerade", _expression("masq", b""))


def redirect_to(address: Address, port: int) -> Part:
    """DNAT."""
    is_version_4 = address.version == 4
    body = (
        attribute(1, _be32(1))
        + attribute(2, _be32(_IPV4 if is_version_4 else _IPV6))
        + attribute(3, _be32(_REGISTER_1))
        + attribute(5, _be32(_REGISTER_2))
    )
    code = _immediate(_REGISTER_1, address.packed)
    code += _immediate(_REGISTER_2, struct.pack(">H", port)) + _expression("nat", body)
    shown = f"{address}:{port}" if is_version_4 else f"[{address}]:{port}"
    return Part(f"dnat {'ip' if is_version_4 else 'ip6'} to {shown}", code)


# --- batches


def replace_table(table: Table) -> bytes:
    """The batch after which the table is exactly this one, whatever it was before.

    Added first so that the deletion cannot fail; all in one transaction, so no packet meets a gap.
    """
    return _batch(
        [
            _add_table(table),
            _delete_table(table.name),
            _add_table(table),
            *(_add_chain(table, chain) for chain in table.chains),
            *(_add_rule(table, chain, rule) for chain in table.chains for rule in chain.rules),
        ]
    )


def make_table(table: Table) -> bytes:
    """The batch that makes a table that is not there; refused (EEXIST) when it is.

    Whatever a transaction deletes is waited for when its socket is closed, 10 ms and more.
    """
    return _batch(
        [
            _add_table(table, flags=netlink_socket.NLM_F_EXCL),
            *(_add_chain(table, chain) for chain in table.chains),
            *(_add_rule(table, chain, rule) for chain in table.chains for rule in chain.rules),
        ]
    )


def delete_table(name: str) -> bytes:
    """The batch that removes the table with all in it; it need not exist."""
    return _batch([_add_table(Table(name=name)), _delete_table(name)])


def dns_redirect_batch(udp_port: int, tcp_port: int) -> bytes:
    """For a container's own namespace: 127.0.0.11:53 leads to these ports of 127.0.0.11 (D43).

    Sent by the init, which opened the sockets. Replies find the way back by connection tracking.
    """
    resolver = ipaddress.IPv4Address("127.0.0.11")
    network = ipaddress.IPv4Network(resolver)
    rules = tuple(
        (destination(network), destination_port(protocol, 53), redirect_to(resolver, port))
        for protocol, port in (("udp", udp_port), ("tcp", tcp_port))
    )
    output = Chain(name="resolver", kind="nat", hook=Hook.OUTPUT, priority=-100, rules=rules)
    return make_table(Table(name="pycompose", chains=(output,)))


def open_socket() -> socket.socket:
    """To the netfilter of this network namespace. To close one takes 10 ms or more after something
    was deleted, by whomever: the kernel then waits until it is freed."""
    return netlink_socket.open_socket(netlink_socket.NETFILTER)


def send(handle: socket.socket, batch: bytes, *, step: str) -> None:
    """Raises NetlinkError (an OSError)."""
    with faults.point(step):
        netlink_socket.converse(handle, batch)


# --- questions


def count_rules(name: str) -> int | None:
    """How many rules our inet table has now; None when it is not there."""
    payload = _nfgenmsg(_INET) + attribute(1, _text(name))
    try:
        rules = netlink_socket.dump(netlink_socket.NETFILTER, _kind(_GET_RULE), payload)
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    if not rules and name not in list_tables():
        return None
    return sum(_belongs_to(reply.payload, name) for reply in rules)


def list_tables() -> list[str]:
    """Names of the inet tables, everybody's."""
    replies = netlink_socket.dump(netlink_socket.NETFILTER, _kind(_GET_TABLE), _nfgenmsg(_INET))
    return [
        _untext(netlink_socket.parse_attributes(reply.payload[4:])[1])
        for reply in replies
        if reply.payload[0] == _INET
    ]


def open_notices() -> socket.socket:
    """Readable when anybody changes any table of this network namespace; see `read_removals`."""
    return netlink_socket.open_socket(netlink_socket.NETFILTER, groups=GROUP_MASK)


def read_removals(notices: socket.socket) -> set[str] | None:
    """Read all that waits there: names of the tables from which something was removed; None when
    more happened than the kernel kept, so that it may have been any."""
    found: set[str] = set()
    is_whole = True
    while True:
        try:
            data = notices.recv(1 << 20)
        except BlockingIOError:
            return found if is_whole else None
        except OSError:
            is_whole = False  # ENOBUFS
            continue
        found.update(_removals(data))


def _removals(data: bytes) -> Iterator[str]:
    kinds = {_kind(_DELETE_TABLE), _kind(_DELETE_CHAIN), _kind(_DELETE_RULE)}
    for reply in netlink_socket.parse_replies(data):
        if reply.kind in kinds:
            # the table's name is the first attribute of all three
            yield _untext(netlink_socket.parse_attributes(reply.payload[4:])[1])


class BaseChain(NamedTuple):
    """A chain on a hook, as the kernel has it."""

    family: str
    table: str
    name: str
    hook: int
    drops: bool


def list_base_chains() -> list[BaseChain]:
    """Every base chain of the families that see forwarded IP packets."""
    replies = netlink_socket.dump(
        netlink_socket.NETFILTER, _kind(_GET_CHAIN), _nfgenmsg(_UNSPECIFIED)
    )
    return [chain for reply in replies if (chain := _parse_base_chain(reply.payload)) is not None]


def _parse_base_chain(payload: bytes) -> BaseChain | None:
    attributes = netlink_socket.parse_attributes(payload[4:])
    if payload[0] not in _FAMILY_NAMES or 4 not in attributes:
        return None
    hook = netlink_socket.parse_attributes(attributes[4])
    return BaseChain(
        family=_FAMILY_NAMES[payload[0]],
        table=_untext(attributes[1]),
        name=_untext(attributes[3]),
        hook=struct.unpack(">I", hook[1])[0],
        drops=5 in attributes and struct.unpack(">I", attributes[5])[0] == _DROP,
    )


def chain_mentions(chain: BaseChain, text: str) -> bool:
    """Whether a rule of the chain compares something with this text (the name of an interface)."""
    family = next(code for code, name in _FAMILY_NAMES.items() if name == chain.family)
    query = _nfgenmsg(family) + attribute(1, _text(chain.table)) + attribute(2, _text(chain.name))
    for reply in netlink_socket.dump(netlink_socket.NETFILTER, _kind(_GET_RULE), query):
        attributes = netlink_socket.parse_attributes(reply.payload[4:])
        is_its = _untext(attributes[1]) == chain.table and _untext(attributes[2]) == chain.name
        if is_its and text.encode() in reply.payload:
            return True
    return False


def _belongs_to(payload: bytes, table: str) -> bool:
    # Kernels that do not filter the dump send the rules of all tables.
    attributes = netlink_socket.parse_attributes(payload[4:])
    return payload[0] == _INET and _untext(attributes[1]) == table


# --- encoding


def _batch(requests: Iterable[bytes]) -> bytes:
    return b"".join(_frame(list(requests)))


def _frame(requests: list[bytes]) -> Iterator[bytes]:
    """Requests between begin and end; the last one is acknowledged.

    The kernel reports every failure unasked; one acknowledgement is enough to know that it is done.
    """
    edge = struct.pack(">BBH", 0, 0, _SUBSYSTEM)
    request = netlink_socket.NLM_F_REQUEST
    yield message(_BATCH_BEGIN, request, edge, sequence=0)
    yield from requests[:-1]
    yield _acknowledged(requests[-1])
    yield message(_BATCH_END, request, edge, sequence=0)


def _acknowledged(request: bytes) -> bytes:
    (flags,) = struct.unpack_from("=H", request, 6)
    changed = bytearray(request)
    struct.pack_into("=H", changed, 6, flags | netlink_socket.NLM_F_ACK)
    return bytes(changed)


def _request(number: int, body: bytes, flags: int = 0) -> bytes:
    flags |= netlink_socket.NLM_F_REQUEST
    return message(_kind(number), flags, _nfgenmsg(_INET) + body, sequence=1)


def _add_table(table: Table, *, flags: int = 0) -> bytes:
    body = attribute(1, _text(table.name)) + attribute(2, _be32(0))
    return _request(_NEW_TABLE, body, netlink_socket.NLM_F_CREATE | flags)


def _delete_table(name: str) -> bytes:
    return _request(_DELETE_TABLE, attribute(1, _text(name)))


def _add_chain(table: Table, chain: Chain) -> bytes:
    body = attribute(1, _text(table.name)) + attribute(3, _text(chain.name))
    if chain.kind:
        priority = struct.pack(">i", chain.priority)
        hook = attribute(1, _be32(chain.hook)) + attribute(2, priority)
        body += attribute(4 | _NESTED, hook)
        body += attribute(5, _be32(_ACCEPT)) + attribute(7, _text(chain.kind))
    return _request(_NEW_CHAIN, body, netlink_socket.NLM_F_CREATE)


def _add_rule(table: Table, chain: Chain, rule: Rule) -> bytes:
    expressions = b"".join(part.code for part in rule)
    body = attribute(1, _text(table.name)) + attribute(2, _text(chain.name))
    body += attribute(4 | _NESTED, expressions)
    flags = netlink_socket.NLM_F_CREATE | netlink_socket.NLM_F_APPEND
    return _request(_NEW_RULE, body, flags)


def _expression(name: str, body: bytes) -> bytes:
    inner = attribute(1, _text(name)) + attribute(2 | _NESTED, body)
    return attribute(1 | _NESTED, inner)


def _meta(key: int) -> bytes:
    return _expression("meta", attribute(2, _be32(key)) + attribute(1, _be32(_REGISTER_1)))


def _nfproto(family: int) -> bytes:
    return _meta(15) + _compare(bytes([family]))


def _payload(*, base: int, offset: int, length: int) -> bytes:
    body = attribute(1, _be32(_REGISTER_1)) + attribute(2, _be32(base))
    return _expression("payload", body + attribute(3, _be32(offset)) + attribute(4, _be32(length)))


def _mask(mask: bytes) -> bytes:
    body = attribute(1, _be32(_REGISTER_1)) + attribute(2, _be32(_REGISTER_1))
    body += attribute(3, _be32(len(mask))) + attribute(4 | _NESTED, attribute(1, mask))
    return _expression("bitwise", body + attribute(5 | _NESTED, attribute(1, bytes(len(mask)))))


def _compare(value: bytes, *, negated: bool = False) -> bytes:
    body = attribute(1, _be32(_REGISTER_1))
    body += attribute(2, _be32(_NOT_EQUAL if negated else _EQUAL))
    return _expression("cmp", body + attribute(3 | _NESTED, attribute(1, value)))


def _conntrack_bits(*, key: int, bits: int) -> bytes:
    load = _expression("ct", attribute(2, _be32(key)) + attribute(1, _be32(_REGISTER_1)))
    return load + _mask(struct.pack("=I", bits)) + _compare(bytes(4), negated=True)


def _immediate(register: int, value: bytes) -> bytes:
    body = attribute(1, _be32(register)) + attribute(2 | _NESTED, attribute(1, value))
    return _expression("immediate", body)


def _verdict(code: int, chain: str = "") -> bytes:
    verdict = attribute(1, struct.pack(">i", code))
    if chain:
        verdict += attribute(2, _text(chain))
    data = attribute(2 | _NESTED, attribute(2 | _NESTED, verdict))
    return _expression("immediate", attribute(1, _be32(_REGISTER_VERDICT)) + data)


def _kind(number: int) -> int:
    return _SUBSYSTEM << 8 | number


def _nfgenmsg(family: int) -> bytes:
    return struct.pack(">BBH", family, 0, 0)


def _be32(number: int) -> bytes:
    return struct.pack(">I", number)


def _text(text: str) -> bytes:
    return text.encode() + b"\0"


def _untext(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")
