"""Ports of the host that lead into containers: chosen, held by sockets, described for the rules.

A listening socket holds each port, so that a conflict is found before anything starts, and so that
the forwarder can accept where the rules of firewall.py do not reach (::1, flushed rules). Under a
name that says all about it, the descriptor survives the supervisor in the keeper's hands.
Source: DESIGN.md 7; R32.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from runtime.errors import PortTaken, RuntimeFault, describe_errno
from runtime.linux import faults
from runtime.networks import port_holders
from runtime.networks.endpoint import EndpointPlan
from runtime.values import PortBinding, PublishedPort

Address = IPv4Address | IPv6Address
Owner = Callable[[PublishedPort], str]
"""The container of ours that publishes this port (`shop-web-1`), or nothing."""

HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
ANY_IPV4 = "0.0.0.0"
ANY_IPV6 = "::"
_BACKLOG = 4096
_EPHEMERAL_ATTEMPTS = 16
_ABSENT = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A port of the host and where it leads: a rule for the kernel, a target for the forwarder."""

    protocol: str
    host_ip: str
    """`0.0.0.0`, `::` or an address."""
    host_port: int
    container_port: int
    bridge: str
    ipv4: str = ""
    ipv6: str = ""


@dataclass(slots=True)
class Reservation:
    """Held ports of one container. The sockets are its content; close it to give them back."""

    ports: tuple[PublishedPort, ...] = ()
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    """By `socket_name`."""

    def close(self) -> None:
        for handle in self.sockets.values():
            handle.close()

    def detach(self) -> dict[str, int]:
        """The descriptors by name, now the caller's to close."""
        return {name: handle.detach() for name, handle in self.sockets.items()}


# --- names of sockets


def socket_name(port: PublishedPort) -> str:
    """`port/tcp/0.0.0.0/8080/80`: host address, host port, container port."""
    return f"port/{port.protocol}/{port.host_ip}/{port.host_port}/{port.container_port}"


def parse_socket_name(name: str) -> PublishedPort | None:
    """None for a descriptor that is something else."""
    words = name.split("/")
    if len(words) != 5 or words[0] != "port":
        return None
    _port, protocol, host_ip, host_port, container_port = words
    return PublishedPort(
        protocol=protocol,
        host_ip=host_ip,
        host_port=int(host_port),
        container_port=int(container_port),
    )


# --- what the ports lead to


def plan_publications(
    ports: Iterable[PublishedPort], plans: Sequence[EndpointPlan]
) -> tuple[Publication, ...]:
    """Where each port leads: to the endpoint with the default route. Pure.

    A container that is only on internal networks publishes nothing, as with Docker.
    """
    ipv4 = next((plan for plan in plans if plan.routes_ipv4), None)
    ipv6 = next((plan for plan in plans if plan.routes_ipv6), None)
    carrier = ipv4 or ipv6
    if carrier is None:
        return ()
    return tuple(
        Publication(
            protocol=port.protocol,
            host_ip=port.host_ip,
            host_port=port.host_port,
            container_port=port.container_port,
            bridge=carrier.bridge,
            ipv4=ipv4.lease.ipv4 if ipv4 else "",
            ipv6=ipv6.lease.ipv6 if ipv6 else "",
        )
        for port in ports
    )


# --- holding ports


def reserve_ports(
    bindings: Iterable[PortBinding], *, default_host_ip: str = "", owner: Owner | None = None
) -> Reservation:
    """Hold a socket for each binding: all of them, or none.

    Without a host address IPv4 and IPv6 are held under the same number. Hold the address lock, so
    that a range is not searched by two at once. Raises PortTaken, naming the holder.
    """
    reservation = Reservation()
    try:
        for binding in bindings:
            _reserve(reservation, binding, default_host_ip, owner)
    except BaseException:
        reservation.close()
        raise
    reservation.ports = tuple(
        port for name in reservation.sockets if (port := parse_socket_name(name)) is not None
    )
    return reservation


def check_ports(
    bindings: Iterable[PortBinding], *, default_host_ip: str = "", owner: Owner | None = None
) -> None:
    """Could they be held now? Raises PortTaken; holds nothing afterwards."""
    reserve_ports(bindings, default_host_ip=default_host_ip, owner=owner).close()


def _reserve(
    reservation: Reservation, binding: PortBinding, default_host_ip: str, owner: Owner | None
) -> None:
    if binding.protocol not in _KINDS:
        raise RuntimeFault(
            f"{binding.origin or binding.container_port}: protocol `{binding.protocol}`"
            " cannot be published",
            code="E640",
            hint="tcp and udp can",
        )
    addresses = _addresses(binding.host_ip or default_host_ip)
    refusal: OSError | None = None
    for number in _candidates(binding):
        try:
            sockets = _bind_all(binding, addresses, number)
        except OSError as error:
            refusal = error
            continue
        reservation.sockets.update(sockets)
        return
    raise _taken(binding, addresses, refusal, owner)


def _addresses(host_ip: str) -> tuple[str, ...]:
    return (str(ip_address(host_ip.strip("[]"))),) if host_ip else (ANY_IPV4, ANY_IPV6)


def _candidates(binding: PortBinding) -> Iterable[int]:
    if binding.host_port == 0:
        # Picked by the kernel for IPv4, and then perhaps taken for IPv6: so several times.
        return [0] * _EPHEMERAL_ATTEMPTS
    return range(binding.host_port, max(binding.host_port, binding.host_port_end) + 1)


def _bind_all(
    binding: PortBinding, addresses: Sequence[str], number: int
) -> Mapping[str, socket.socket]:
    """One socket per address under one number. Raises OSError, and holds none then."""
    sockets: dict[str, socket.socket] = {}
    with ExitStack() as undo:
        for address in addresses:
            try:
                handle = _bind(binding.protocol, address, number)
            except OSError as error:
                # A host without IPv6 publishes on IPv4 alone.
                if sockets and address == ANY_IPV6 and error.errno in _ABSENT:
                    continue
                raise
            undo.callback(handle.close)
            number = handle.getsockname()[1]
            sockets[_name_for(binding, address, number)] = handle
        undo.pop_all()
    return sockets


def _name_for(binding: PortBinding, address: str, number: int) -> str:
    return socket_name(
        PublishedPort(
            protocol=binding.protocol,
            host_ip=address,
            host_port=number,
            container_port=binding.container_port,
        )
    )


def _bind(protocol: str, address: str, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    handle = socket.socket(family, _KINDS[protocol] | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # Connections of the last run in TIME_WAIT do not hold the port; a listener still does.
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with faults.point("bind port"):
            handle.bind((address, number))
        if protocol == "tcp":
            with faults.point("listen port"):
                handle.listen(_BACKLOG)
    except BaseException:
        handle.close()
        raise
    return handle


# --- the error about a taken one


def _taken(
    binding: PortBinding, addresses: Sequence[str], error: OSError | None, owner: Owner | None
) -> RuntimeFault:
    where = f"{binding.origin}: " if binding.origin else ""
    span = str(binding.host_port)
    if binding.host_port_end > binding.host_port:
        span = f"{binding.host_port}-{binding.host_port_end}"
    shown = addresses[0] if ":" not in addresses[0] else f"[{addresses[0]}]"
    tried = f"bind {shown}:{span}/{binding.protocol}"
    answered = describe_errno(error) if error else ""
    if error is None or error.errno != errno.EADDRINUSE:
        return RuntimeFault(
            f"{where}cannot publish port {shown}:{span}/{binding.protocol}",
            code="E641",
            tried=tried,
            answered=answered,
            hint=_hint(error),
        )
    holder = _describe_holder(binding, addresses, owner)
    return PortTaken(
        f"{where}port {shown}:{span}/{binding.protocol} is already in use{holder}",
        code="E642",
        tried=tried,
        answered=answered,
        hint="stop what holds it, or publish another port",
    )


def _hint(error: OSError | None) -> str:
    if error is not None and error.errno == errno.EADDRNOTAVAIL:
        return "no interface of this host has that address; see `ip address`"
    return ""


def _describe_holder(binding: PortBinding, addresses: Sequence[str], owner: Owner | None) -> str:
    for address in addresses:
        port = PublishedPort(
            protocol=binding.protocol,
            host_ip=address,
            host_port=binding.host_port,
            container_port=binding.container_port,
        )
        if owner is not None and (container := owner(port)):
            return f" by container {container}"
        holder = port_holders.find_holder(binding.protocol, address, binding.host_port)
        if holder is not None:
            return f" by {holder}"
    return ""


def clashes(one: PublishedPort, other: PublishedPort) -> bool:
    """Whether two published ports exclude each other on a host. Pure, for `Owner` functions."""
    if (one.protocol, one.host_port) != (other.protocol, other.host_port):
        return False
    if (":" in one.host_ip) != (":" in other.host_ip):
        return False
    return one.host_ip == other.host_ip or any(
        ip_address(port.host_ip).is_unspecified for port in (one, other)
    )


def iterate_published(names: Iterable[str]) -> Iterator[PublishedPort]:
    """The published ports among the names of held descriptors."""
    for name in names:
        if (port := parse_socket_name(name)) is not None:
            yield port
