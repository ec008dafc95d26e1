"""Ports of the host that lead into containers: chosen, held by sockets, described for the rules.

A listening socket holds each port, so that a conflict is found before anything starts, and so that
the forwarder can accept where the rules of firewall.py do not reach (::1, flushed rules). Under a
name that says all about it, the descriptor survives the supervisor in the keeper's hands.
Source: DESIGN.md 7; R32.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from runtime.errors import PortTaken, RuntimeFault, describe_errno
from runtime.linux import faults
from runtime.networks import port_holders
from runtime.values import (
    HOST_BINDING,
    ContainerRecord,
    EndpointState,
    NetworkRecord,
    PortBinding,
    PublishedPort,
)

Owner = Callable[[PublishedPort], str]
"""The container of ours that holds the port (`container shop-web-1`), or nothing."""

ANY_IPV4 = "0.0.0.0"
ANY_IPV6 = "::"
_BACKLOG = 4096
_EPHEMERAL_ATTEMPTS = 16
_FAMILY_OFF = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


class Publication(NamedTuple):
    """A port of the host and the address of the container behind it, of either family."""

    port: PublishedPort
    address: str


class Reservation(NamedTuple):
    """A port that is ours as long as the socket is open: listening (TCP) or bound (UDP)."""

    port: PublishedPort
    socket: socket.socket


# --- what the ports lead to


def publications_of(
    endpoints: Sequence[EndpointState], ports: Iterable[PublishedPort]
) -> tuple[Publication, ...]:
    """Each port with the container's address behind it. Pure.

    It leads to the endpoint with the default route, in the port's own family where the container
    has that. A container that is only on internal networks publishes nothing, as with Docker.
    """
    ipv4 = next((one.ipv4_address for one in endpoints if one.gateway), "")
    ipv6 = next((one.ipv6_address for one in endpoints if one.gateway_ipv6), "")
    return tuple(
        Publication(port, address)
        for port in ports
        if (address := (ipv6 or ipv4) if ":" in port.host_ip else (ipv4 or ipv6))
    )


def host_binding(record: ContainerRecord, networks: Mapping[str, NetworkRecord]) -> str:
    """The address that the container's ports without one are published on, as the network says by
    which it reaches outside; or nothing. Pure."""
    ranks = {
        (-endpoint.gw_priority, endpoint.network): networks[endpoint.network].options
        for endpoint in record.options.endpoints
        if endpoint.network in networks and not networks[endpoint.network].options.internal
    }
    return ranks[min(ranks)].driver_opts.get(HOST_BINDING, "") if ranks else ""


# --- holding ports


def reserve_ports(
    bindings: Iterable[PortBinding], *, default_host_ip: str = "", owner: Owner | None = None
) -> list[Reservation]:
    """Hold a socket for each binding: all of them, or none.

    Without a host address IPv4 and IPv6 are held under the same number. `owner` names a holder
    among our own containers, whose sockets are in a supervisor's hands. Raises PortTaken with the
    holder, RuntimeFault.
    """
    reserved: list[Reservation] = []
    try:
        for binding in bindings:
            reserved += _reserve(binding, default_host_ip, owner)
    except BaseException:
        _close(reserved)
        raise
    return reserved


def check_ports(
    bindings: Iterable[PortBinding], *, default_host_ip: str = "", owner: Owner | None = None
) -> None:
    """Whether they could be reserved now. Raises PortTaken; holds nothing afterwards."""
    _close(reserve_ports(bindings, default_host_ip=default_host_ip, owner=owner))


def addresses_of(binding: PortBinding, default_host_ip: str = "") -> tuple[str, ...]:
    """Where on the host it listens: on every address of both families unless one is named. Pure."""
    host_ip = binding.host_ip or default_host_ip
    return (str(ip_address(host_ip.strip("[]"))),) if host_ip else (ANY_IPV4, ANY_IPV6)


def candidates_of(binding: PortBinding) -> Sequence[int]:
    """The host ports to try, in order; 0 lets the kernel choose. Pure."""
    if binding.host_port == 0:
        # The kernel chooses for IPv4, and the number may be taken for IPv6: so several times.
        return [0] * _EPHEMERAL_ATTEMPTS
    return range(binding.host_port, max(binding.host_port, binding.host_port_end) + 1)


def _reserve(binding: PortBinding, default_host_ip: str, owner: Owner | None) -> list[Reservation]:
    if binding.protocol not in _KINDS:
        raise RuntimeFault(
            f"port {binding.container_port}: protocol `{binding.protocol}` cannot be published",
            code="E643",
            hint="tcp and udp can",
        )
    addresses = addresses_of(binding, default_host_ip)
    candidates = candidates_of(binding)
    for number in candidates[:-1]:
        try:
            return _reserve_number(binding, addresses, number)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _refused(binding, addresses, number, error, owner) from error
    try:
        return _reserve_number(binding, addresses, candidates[-1])
    except OSError as error:
        raise _refused(binding, addresses, candidates[-1], error, owner) from error


def _reserve_number(
    binding: PortBinding, addresses: Sequence[str], number: int
) -> list[Reservation]:
    """One socket per address, all under one number. Raises OSError, and holds none then."""
    reserved: list[Reservation] = []
    try:
        for address in addresses:
            opened = _listen(binding.protocol, address, number)
            number = opened.getsockname()[1]
            port = PublishedPort(
                container_port=binding.container_port,
                protocol=binding.protocol,
                host_ip=address,
                host_port=number,
            )
            reserved.append(Reservation(port, opened))
    except OSError as error:
        # A host without IPv6 publishes on IPv4 alone.
        if reserved and error.errno in _FAMILY_OFF:
            return reserved
        _close(reserved)
        raise
    return reserved


def _listen(protocol: str, address: str, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, _KINDS[protocol] | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # R32: a connection of the last run in TIME_WAIT is no holder; a listener still is.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with faults.point("bind port"):
            opened.bind((address, number))
        if protocol == "tcp":
            with faults.point("listen port"):
                opened.listen(_BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _close(reserved: Iterable[Reservation]) -> None:
    for one in reserved:
        one.socket.close()


# --- the error about a taken one


def _refused(
    binding: PortBinding,
    addresses: Sequence[str],
    number: int,
    error: OSError,
    owner: Owner | None,
) -> RuntimeFault:
    address = addresses[0]
    if binding.host_port_end > binding.host_port:
        span = f"{binding.host_port}-{binding.host_port_end}"
    else:
        span = str(number)
    where = f"{f'[{address}]' if ':' in address else address}:{span}/{binding.protocol}"
    at = f" (asked for at {binding.origin})" if binding.origin else ""
    if error.errno != errno.EADDRINUSE:
        return RuntimeFault(
            f"cannot listen on {where}{at}",
            code="E641",
            tried=f"listen on {where}",
            answered=describe_errno(error),
            hint=_hint(error),
        )
    return PortTaken(
        f"port {where} is already in use{at}",
        code="E642",
        tried=f"listen on {where}",
        answered=_describe_holder(binding, addresses, number, owner) or describe_errno(error),
        hint="end what holds it, or publish another host port",
    )


def _hint(error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return "no interface of this host has that address; see `ip address`"
    return ""


def _describe_holder(
    binding: PortBinding, addresses: Sequence[str], number: int, owner: Owner | None
) -> str:
    for address in addresses:
        port = PublishedPort(
            container_port=binding.container_port,
            protocol=binding.protocol,
            host_ip=address,
            host_port=number,
        )
        if owner is not None and (container := owner(port)):
            return f"held by {container}"
        if (holder := port_holders.find_holder(binding.protocol, address, number)) is not None:
            return f"held by {holder}"
    return ""


def clash(one: PublishedPort, other: PublishedPort) -> bool:
    """Whether two published ports exclude each other on a host. Pure, for `Owner` functions."""
    if (one.protocol, one.host_port) != (other.protocol, other.host_port):
        return False
    if (":" in one.host_ip) != (":" in other.host_ip):
        return False
    return one.host_ip == other.host_ip or any(
        ip_address(port.host_ip).is_unspecified for port in (one, other)
    )
