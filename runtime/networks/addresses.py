"""Which subnet a network gets and which addresses its containers get. Pure.

A subnet is never one that a route, a resolver or another network already covers; the caller holds
the lock of host_facts.py from the moment the facts are read until the bridge stands. Source: D45;
the ipam chapter of the Compose specification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from itertools import chain
from typing import NamedTuple

from runtime.errors import RuntimeFault
from runtime.frozen import dataclass
from runtime.values import IpamPool, NetworkOptions, NetworkRecord

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

POOLS = (
    # (range, prefix length of a piece), in the order in which they are used up (D45)
    *((IPv4Network(f"172.{second}.0.0/16"), 16) for second in (17, 18, 19)),
    *((IPv4Network(f"172.{second}.0.0/14"), 16) for second in (20, 24, 28)),
    (IPv4Network("192.168.0.0/16"), 20),
)
# VPNs split the default route into a few halves and quarters; those claim no address of ours.
_WIDEST_ROUTE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What the machine already uses: destinations of its routes, addresses of its resolvers."""

    routes: tuple[Network, ...] = ()
    resolvers: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The fields of a NetworkRecord; empty where the family is off."""

    subnet: str = ""
    gateway: str = ""
    subnet_ipv6: str = ""
    gateway_ipv6: str = ""


class Lease(NamedTuple):
    """An address that a container has on a network, and the link that carries it."""

    network_id: str
    container_id: str
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""
    link: str = ""
    names: tuple[str, ...] = ()


# --- subnets


def allocate_network(
    options: NetworkOptions, existing: Iterable[NetworkRecord], host: HostFacts
) -> Allocation:
    """The subnets of a new network. Raises RuntimeFault when they are taken or wrongly written."""
    others = tuple(existing)
    _refuse_several(options)
    subnet = gateway = subnet_ipv6 = gateway_ipv6 = ""
    if options.enable_ipv4:
        subnet, gateway = _allocate(4, options, others, host)
    if options.enable_ipv6:
        subnet_ipv6, gateway_ipv6 = _allocate(6, options, others, host)
    return Allocation(
        subnet=subnet, gateway=gateway, subnet_ipv6=subnet_ipv6, gateway_ipv6=gateway_ipv6
    )


def _allocate(
    version: int, options: NetworkOptions, others: tuple[NetworkRecord, ...], host: HostFacts
) -> tuple[str, str]:
    pool = find_pool(options, version)
    if pool is not None and pool.subnet:
        subnet = _parse_subnet(pool.subnet, options.name)
        _refuse_overlap(subnet, options.name, others, host)
    else:
        subnet = _find_free(version, options.name, others, host)
    _check_pool(pool, subnet, options.name)
    return str(subnet), str(_gateway(pool, subnet))


def _refuse_several(options: NetworkOptions) -> None:
    """A bridge has one subnet of each family, as Docker's: a second would be left out unsaid."""
    for version in (4, 6):
        asked = [pool.subnet for pool in options.ipam if (":" in pool.subnet) == (version == 6)]
        if len([subnet for subnet in asked if subnet]) > 1:
            raise RuntimeFault(
                f"network {options.name}: a bridge network has one IPv{version} subnet",
                code="E622",
                tried=f"subnets {', '.join(filter(None, asked))}",
                hint="make a network for each",
            )


def has_lost_its_subnet(record: NetworkRecord, host: HostFacts) -> bool:
    """A subnet that we chose, not the user, is by now in use by somebody else on the machine.

    The network's own bridge is not there, so no route of the machine is its own.
    """
    return any(
        _overlap(ip_network(text), claimed)
        for version, text in ((4, record.subnet), (6, record.subnet_ipv6))
        if text and not _asked_subnet(record.options, version)
        for claimed in _claims(host, version)
    )


def _asked_subnet(options: NetworkOptions, version: int) -> str:
    pool = find_pool(options, version)
    return pool.subnet if pool is not None else ""


def find_pool(options: NetworkOptions, version: int) -> IpamPool | None:
    """The first ipam entry of the family; one without a subnet speaks of IPv4."""
    for pool in options.ipam:
        text = pool.subnet or pool.ip_range or pool.gateway
        if (6 if ":" in text else 4) == version:
            return pool
    return None


def _find_free(
    version: int, name: str, others: tuple[NetworkRecord, ...], host: HostFacts
) -> Network:
    taken = [*_subnets(others), *(_claims(host, version))]
    candidates = _pieces() if version == 4 else _local_prefixes(name)
    for candidate in candidates:
        if not any(_overlap(candidate, other) for other in taken):
            return candidate
    raise RuntimeFault(
        f"network {name}: all predefined address pools have been fully subnetted",
        code="E620",
        tried=", ".join(f"{pool} in /{length}" for pool, length in POOLS),
        hint="remove networks that are not used, or give this one a subnet under `ipam`",
    )


def _claims(host: HostFacts, version: int) -> Iterator[Network]:
    for route in host.routes:
        if route.prefixlen > _WIDEST_ROUTE and route.version == version:
            yield route
    for resolver in host.resolvers:
        yield ip_network(resolver)


def _pieces() -> Iterator[Network]:
    return chain.from_iterable(pool.subnets(new_prefix=length) for pool, length in POOLS)


def _local_prefixes(name: str) -> Iterator[Network]:
    """Unique local /64s (RFC 4193), always the same ones for a name."""
    for attempt in range(256):
        digest = hashlib.sha256(f"{name}/{attempt}".encode()).digest()
        yield IPv6Network((b"\xfd" + digest[:7] + bytes(8), 64))


def _subnets(records: Iterable[NetworkRecord]) -> Iterator[Network]:
    for record in records:
        for text in (record.subnet, record.subnet_ipv6):
            if text:
                yield ip_network(text)


def _overlap(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


def _refuse_overlap(
    subnet: Network, name: str, others: tuple[NetworkRecord, ...], host: HostFacts
) -> None:
    for record in others:
        if any(_overlap(subnet, other) for other in _subnets([record])):
            raise _overlap_fault(subnet, name, f"network {record.name}", record.subnet)
    for route in host.routes:
        # A wider route (a VPN's 10.0.0.0/8) loses to ours, as the user asked; an equal or narrower
        # one would share its packets with us, without any error of the kernel.
        if _overlap(subnet, route) and route.prefixlen >= subnet.prefixlen:
            raise _overlap_fault(subnet, name, "a route of this host", str(route))


def _overlap_fault(subnet: Network, name: str, holder: str, its_subnet: str) -> RuntimeFault:
    return RuntimeFault(
        f"network {name}: pool overlaps with other one on this address space",
        code="E621",
        tried=f"subnet {subnet}",
        answered=f"{holder} has {its_subnet}",
        hint="choose another subnet, or leave it out and a free one is found",
    )


def _parse_subnet(text: str, name: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise _wrong_pool(name, "subnet", text, str(error)) from error


def _check_pool(pool: IpamPool | None, subnet: Network, name: str) -> None:
    """Everything that the pool names lies in its subnet. Raises RuntimeFault."""
    if pool is None:
        return
    singles = [("gateway", pool.gateway), *(pool.aux_addresses.items())]
    for what, text in singles:
        if text and _parse_address(text, name, what) not in subnet:
            raise _wrong_pool(name, what, text, f"outside of subnet {subnet}")
    if pool.ip_range and not _is_within(_parse_subnet(pool.ip_range, name), subnet):
        raise _wrong_pool(name, "ip_range", pool.ip_range, f"outside of subnet {subnet}")


def _is_within(inner: Network, outer: Network) -> bool:
    return _overlap(inner, outer) and inner.prefixlen >= outer.prefixlen


def _parse_address(text: str, name: str, what: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise _wrong_pool(name, what, text, str(error)) from error


def _wrong_pool(name: str, what: str, text: str, reason: str) -> RuntimeFault:
    return RuntimeFault(
        f"network {name}: {what} `{text}` does not fit",
        code="E622",
        answered=reason,
        hint="see `ipam` of the network",
    )


def _gateway(pool: IpamPool | None, subnet: Network) -> Address:
    """As asked, else the first address of the range (or subnet) that is free to be one."""
    if pool is not None and pool.gateway:
        return ip_address(pool.gateway)
    reserved = {ip_address(text) for text in pool.aux_addresses.values()} if pool else set()
    area = ip_network(pool.ip_range) if pool and pool.ip_range else subnet
    return next(address for address in _hosts(area, subnet) if address not in reserved)


def _hosts(area: Network, subnet: Network) -> Iterator[Address]:
    """Addresses of the area that a host may have: not the subnet's own name, not its broadcast."""
    has_edges = subnet.version == 4 and subnet.prefixlen < 31
    for address in area:
        is_edge = has_edges and address in (subnet.network_address, subnet.broadcast_address)
        if not is_edge and not (subnet.version == 6 and address == subnet.network_address):
            yield address


# --- addresses


def choose_ipv4(
    network: NetworkRecord,
    leases: Iterable[Lease],
    *,
    wanted: str = "",
    avoided: Collection[str] = (),
) -> str:
    """An address on the network: the wanted one, else the first free one.

    `avoided` are used only when nothing else is free: those freed a moment ago (a peer may still
    talk to the old holder) and those that a container not yet started has fixed. Raises
    RuntimeFault when the wanted one is taken or outside, or when all are taken.
    """
    taken = {lease.ipv4: lease.container_id for lease in leases if lease.network_id == network.id}
    return _choose(4, network, taken, wanted, avoided)


def choose_ipv6(
    network: NetworkRecord,
    leases: Iterable[Lease],
    *,
    wanted: str = "",
    avoided: Collection[str] = (),
) -> str:
    """The same for the IPv6 side."""
    taken = {lease.ipv6: lease.container_id for lease in leases if lease.network_id == network.id}
    return _choose(6, network, taken, wanted, avoided)


def _choose(
    version: int,
    network: NetworkRecord,
    taken: dict[str, str],
    wanted: str,
    avoided: Collection[str],
) -> str:
    pool = find_pool(network.options, version)
    if wanted:
        return _take_wanted(version, network, taken, wanted)
    blocked = {*taken, _gateway_of(network, version)}
    if pool is not None:
        blocked |= {str(ip_address(text)) for text in pool.aux_addresses.values()}
    subnet = ip_network(_subnet_of(network, version))
    area = ip_network(pool.ip_range) if pool and pool.ip_range else subnet
    second_choice = ""
    for address in map(str, _hosts(area, subnet)):
        if address in blocked:
            continue
        if address not in avoided:
            return address
        second_choice = second_choice or address
    return second_choice or _exhausted(network, area)


def _take_wanted(version: int, network: NetworkRecord, taken: dict[str, str], wanted: str) -> str:
    subnet = ip_network(
        _subnet_of(network, version) or ("0.0.0.0/32" if version == 4 else "::/128")
    )
    address = _parse_address(wanted, network.name, "address")
    if address not in subnet:
        raise RuntimeFault(
            f"network {network.name}: address {wanted} is outside of its subnet",
            code="E623",
            answered=f"the subnet is {subnet}" if _subnet_of(network, version) else "it has none",
            hint="give the network a subnet under `ipam` that holds the address",
        )
    holder = taken.get(str(address))
    if str(address) == _gateway_of(network, version):
        holder = "the gateway"
    if holder:
        raise RuntimeFault(
            f"network {network.name}: address {wanted} is already in use",
            code="E624",
            answered=f"held by {holder[:12]}",
            hint="choose another address for this service",
        )
    return str(address)


def _exhausted(network: NetworkRecord, area: Network) -> str:
    raise RuntimeFault(
        f"network {network.name}: no free address left",
        code="E625",
        answered=f"all of {area} are taken",
        hint="remove containers, or give the network a larger subnet under `ipam`",
    )


def _subnet_of(network: NetworkRecord, version: int) -> str:
    return network.subnet if version == 4 else network.subnet_ipv6


def _gateway_of(network: NetworkRecord, version: int) -> str:
    return network.gateway if version == 4 else network.gateway_ipv6


def derive_mac_address(address: str) -> str:
    """02:42 and the IPv4 address: neighbours' caches stay right when another gets the address.

    Of an IPv6 address a digest.
    """
    parsed = ip_address(address)
    tail = parsed.packed if parsed.version == 4 else hashlib.sha256(parsed.packed).digest()[:4]
    return (b"\x02\x42" + tail).hex(":")
