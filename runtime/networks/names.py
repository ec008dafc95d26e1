"""A container asks for a name: what is answered, or who is to be asked. Pure.

Every network has a zone, the same for all its members; a container's view is the zones of its
networks, its links, and the servers that may be asked about the rest. Names of a zone are never
forwarded, not even those of containers that stand still (V41). Names on a shared network that the
asker's own project uses mean its own containers. Source: D43, V40, V41.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from runtime.frozen import dataclass, field
from runtime.networks import dns_wire
from runtime.networks.dns_wire import CLASS_ANY, CLASS_INTERNET, Code, Query, Record, Type
from runtime.networks.hosts_file import RESOLVER_ADDRESS, user_ndots
from runtime.values import ContainerRecord, NetworkRecord

Address = IPv4Address | IPv6Address
Shuffle = Callable[[list[str]], list[str]]
"""Another order of the addresses of a name: `random.sample`-like."""

TTL = 5
"""Seconds. Docker says 600, and clients then go on with the address of a container long gone."""

INSIDE = "inside:"
"""Before a server's address: it is on the loopback of the container itself."""

# V41: what a container calls itself must not take these from the others.
RESERVED = frozenset({"localhost", "host.docker.internal", "gateway.docker.internal"})
_REVERSE = {".in-addr.arpa": 4, ".ip6.arpa": 6}


# --- tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A container on a network, as far as names go. Without addresses it does not run."""

    container: str
    """Its name; what PTR answers."""
    project_id: str
    names: tuple[str, ...]
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The names of one network."""

    network: str
    subnets: tuple[str, ...] = ()
    is_internal: bool = False
    names: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
    """Lower case -> who is called so."""
    pointers: Mapping[str, str] = field(default_factory=dict)
    """Address -> container name."""


def build_zone(network: NetworkRecord, members: Iterable[Member]) -> Zone:
    """The zone of a network with these containers on it."""
    names: dict[str, tuple[Member, ...]] = {}
    pointers: dict[str, str] = {}
    for member in members:
        for name in dict.fromkeys(name.lower().rstrip(".") for name in member.names):
            if name not in RESERVED:
                names[name] = (*names.get(name, ()), member)
        pointers.update(dict.fromkeys(member.addresses, member.container))
    return Zone(
        network=network.name,
        subnets=tuple(text for text in (network.subnet, network.subnet_ipv6) if text),
        is_internal=network.options.internal,
        names=names,
        pointers=pointers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one container may know, and whom it may have asked."""

    project_id: str = ""
    zones: tuple[Zone, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """alias -> name, both lower case; known to this container alone."""
    upstreams: tuple[str, ...] = ()
    ndots: int = 0
    """As the user set it; above 0, names without a dot are not forwarded (D43)."""


def build_view(
    record: ContainerRecord, zones: Sequence[Zone], host_nameservers: Sequence[str]
) -> View:
    """The view of a container on these networks, in the order of its endpoints."""
    options = record.options
    links = {
        alias.lower(): target.lower()
        for endpoint in options.endpoints
        for alias, target in endpoint.links.items()
    }
    return View(
        project_id=record.project_id,
        zones=tuple(zones),
        links=links,
        upstreams=choose_upstreams(zones, own=options.dns, host=host_nameservers),
        ndots=user_ndots(options.dns_opt),
    )


def choose_upstreams(
    zones: Sequence[Zone], *, own: Sequence[str], host: Sequence[str]
) -> tuple[str, ...]:
    """Servers that may be asked about names that are not ours.

    V40: a container that is only on internal networks reaches the outside by no name either; a
    server of its own inside of them is asked. One on its own loopback is marked with INSIDE: it is
    asked from there (D40).
    """
    is_inside = bool(zones) and all(zone.is_internal for zone in zones)
    if not own:
        return () if is_inside else tuple(host)
    subnets = [ip_network(text) for zone in zones for text in zone.subnets]
    found = []
    for server in own:
        if is_own_loopback(server):
            found.append(f"{INSIDE}{server}")
        elif not _parse_server(server).is_loopback and (
            not is_inside or any(_parse_server(server) in subnet for subnet in subnets)
        ):
            found.append(server)
    return tuple(found)


def is_own_loopback(server: str) -> bool:
    """Something that the container runs itself; not our own resolver."""
    address = _parse_server(server)
    return address.version == 4 and address.is_loopback and server != RESOLVER_ADDRESS


def _parse_server(server: str) -> Address:
    return ip_address(server.partition("%")[0])


# --- answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Not a name of ours: these servers are asked, in this order, with the client's own message."""

    query: Query
    upstreams: tuple[str, ...]


def decide(
    data: bytes, view: View, *, shuffle: Shuffle, stream: bool = False
) -> bytes | Forward | None:
    """The response to a client's message, or whom to ask; None where none is owed.

    `stream`: it came by TCP, so the response may be of any length.
    """
    try:
        query = dns_wire.parse_query(data)
    except dns_wire.WireError as error:
        return dns_wire.bare_error(data, error.code)
    limit = 65535 if stream else query.datagram_limit
    if query.klass not in (CLASS_INTERNET, CLASS_ANY):
        return dns_wire.answer(query, code=Code.REFUSED, limit=limit)
    found = _pointers(query, view) if query.type == Type.PTR else _addresses(query, view, shuffle)
    if found is not None:
        code, records = found
        return dns_wire.answer(query, records, code=code, limit=limit)
    return _elsewhere(query, view, limit)


Found = tuple[Code, list[Record]]


def _addresses(query: Query, view: View, shuffle: Shuffle) -> Found | None:
    if query.name == "localhost" or query.name.endswith(".localhost"):
        return Code.OK, _address_records(query, ["127.0.0.1", "::1"])
    addresses = find_addresses(query.name, view)
    if addresses is None:
        return None
    if not addresses:
        return Code.NO_SUCH_NAME, []
    return Code.OK, _address_records(query, shuffle(addresses))


def _address_records(query: Query, addresses: Iterable[str]) -> list[Record]:
    """Those of the family that was asked for; none is an answer too, and never a reason to ask
    somebody else."""
    kinds = ((address, Type.AAAA if ":" in address else Type.A) for address in addresses)
    return [
        Record(type=kind, value=address, ttl=TTL)
        for address, kind in kinds
        if query.type in (kind, Type.ANY)
    ]


def find_addresses(name: str, view: View) -> list[str] | None:
    """Addresses behind a name; none for a container that stands still; None for a name that is
    not ours."""
    members = _find_members(view.links.get(name, name), view)
    if members is None:
        return None
    return list(dict.fromkeys(address for member in members for address in member.addresses))


def _find_members(name: str, view: View) -> list[Member] | None:
    """Our own project's first: nobody on a shared network takes a name from us (V41)."""
    known = [(zone, members) for zone in view.zones if (members := _in_zone(name, zone))]
    if not known:
        return None
    for _zone, members in known:
        own = [member for member in members if member.project_id == view.project_id]
        if own:
            return own
    return list(known[0][1])


def _in_zone(name: str, zone: Zone) -> tuple[Member, ...]:
    """By the name itself, or by NAME.NETWORK."""
    suffix = f".{zone.network.lower()}"
    bare = name.removesuffix(suffix) if name.endswith(suffix) else name
    return zone.names.get(name) or zone.names.get(bare) or ()


def _pointers(query: Query, view: View) -> Found | None:
    address = parse_reverse(query.name)
    if address is None:
        return None
    for zone in view.zones:
        if str(address) in zone.pointers:
            return _name_record(f"{zone.pointers[str(address)]}.{zone.network}")
    # The addresses of our networks mean nothing to anybody else.
    subnets = (ip_network(text) for zone in view.zones for text in zone.subnets)
    return (Code.NO_SUCH_NAME, []) if any(address in subnet for subnet in subnets) else None


def _name_record(name: str) -> Found:
    try:
        dns_wire.write_name(name)
    except dns_wire.WireError:
        # A container's name may be longer than a label of DNS.
        return Code.NO_SUCH_NAME, []
    return Code.OK, [Record(type=Type.PTR, value=name, ttl=TTL)]


def parse_reverse(name: str) -> Address | None:
    """`2.0.18.172.in-addr.arpa` -> 172.18.0.2; None for another name."""
    for suffix, version in _REVERSE.items():
        if name.endswith(suffix):
            parts = name.removesuffix(suffix).split(".")[::-1]
            return _join(parts, version)
    return None


def _join(parts: Sequence[str], version: int) -> Address | None:
    try:
        if version == 4:
            return IPv4Address(".".join(parts))
        digits = "".join(parts)
        if len(parts) != 32 or len(digits) != 32:
            return None
        return IPv6Address(bytes.fromhex(digits))
    except ValueError:
        return None


def _elsewhere(query: Query, view: View, limit: int) -> bytes | Forward:
    is_single = "." not in query.name
    if is_single and query.name and view.ndots > 0:
        return dns_wire.answer(query, code=Code.NO_SUCH_NAME, limit=limit)
    if not view.upstreams:
        return dns_wire.answer(query, code=Code.SERVER_FAILURE, limit=limit)
    return Forward(query=query, upstreams=view.upstreams)
