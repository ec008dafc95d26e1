"""Ports of the host: reserved by listening sockets, so that a conflict is found before anything
starts.

A reservation is held for as long as the container lives; the kernel's rules (firewall.py) take the
connections, and what they cannot take arrives at the socket. Source: R32, DESIGN.md 7.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.errors import PortTaken, RuntimeFault, describe_errno
from runtime.linux import faults
from runtime.values import PortBinding, PublishedPort

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}
_BACKLOG = 128


class Publication(NamedTuple):
    """A port of the host and the address of the container behind it."""

    port: PublishedPort
    address: str


class Reservation(NamedTuple):
    """A port that is ours as long as the socket is open."""

    port: PublishedPort
    socket: socket.socket


def reserve_ports(bindings: Sequence[PortBinding]) -> list[Reservation]:
    """All of them or none. Raises PortTaken with the holder's name, RuntimeFault."""
    reserved: list[Reservation] = []
    try:
        for binding in bindings:
            reserved += _reserve(binding)
    except BaseException:
        for one in reserved:
            one.socket.close()
        raise
    return reserved


def check_ports(bindings: Sequence[PortBinding]) -> None:
    """Whether they could be reserved now. Raises PortTaken."""
    for reservation in reserve_ports(bindings):
        reservation.socket.close()


def addresses_of(binding: PortBinding) -> tuple[str, ...]:
    """Where on the host it listens: on every address of both families unless one is named. Pure."""
    return (binding.host_ip.strip("[]"),) if binding.host_ip else ("0.0.0.0", "::")


def candidates_of(binding: PortBinding) -> Sequence[int]:
    """The host ports to try, in order; 0 lets the kernel choose. Pure."""
    if binding.host_port and binding.host_port_end:
        return range(binding.host_port, binding.host_port_end + 1)
    return (binding.host_port,)


def _reserve(binding: PortBinding) -> list[Reservation]:
    candidates = candidates_of(binding)
    for number in candidates:
        try:
            return _reserve_number(binding, number)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and number != candidates[-1]:
                continue
            raise _refused(binding, number, error) from error
    raise RuntimeFault(f"no host port for container port {binding.container_port}", code="E640")


def _reserve_number(binding: PortBinding, number: int) -> list[Reservation]:
    reserved: list[Reservation] = []
    try:
        for address in addresses_of(binding):
            try:
                opened = _listen(binding.protocol, address, number)
            except OSError as error:
                is_family_off = error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                if is_family_off and not binding.host_ip and address == "::":
                    continue  # a host without IPv6
                raise
            # the second family takes the number that the kernel chose for the first
            number = opened.getsockname()[1]
            port = PublishedPort(
                container_port=binding.container_port,
                protocol=binding.protocol,
                host_ip=address,
                host_port=number,
            )
            reserved.append(Reservation(port, opened))
    except BaseException:
        for one in reserved:
            one.socket.close()
        raise
    return reserved


def _listen(protocol: str, address: str, number: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, _KINDS[protocol] | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # a connection of the last run that lingers in TIME_WAIT is no holder
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with faults.point("bind port"):
            opened.bind((address, number))
        if protocol == "tcp":
            opened.listen(_BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened


def _refused(binding: PortBinding, number: int, error: OSError) -> RuntimeFault:
    where = f"{binding.host_ip or '0.0.0.0'}:{number}/{binding.protocol}"
    if error.errno != errno.EADDRINUSE:
        return RuntimeFault(
            f"cannot listen on {where}", code="E641", answered=describe_errno(error)
        )
    at = f" (asked for at {binding.origin})" if binding.origin else ""
    return PortTaken(
        f"port {where} is already in use{at}",
        code="E642",
        tried=f"listen on {where}",
        answered=find_holder(number, binding.protocol) or describe_errno(error),
        hint="end that program, or publish another host port",
    )


# --- who holds it


def find_holder(port: int, protocol: str) -> str:
    """`held by nginx (pid 812)`; empty when /proc does not tell."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port, protocol)}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _holds(entry, wanted):
            name = (entry / "comm").read_text().strip()
            return f"held by {name} (pid {entry.name})"
    return ""


def _inodes(port: int, protocol: str) -> Iterator[str]:
    for name in _TABLES[protocol]:
        yield from parse_inodes(_read(Path("/proc/net") / name), port)


def parse_inodes(table: str, port: int) -> Iterator[str]:
    """Inodes of the sockets bound to a local port and not connected, from /proc/net/tcp or udp.
    Pure."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        _address, _, number = fields[1].rpartition(":")
        _peer, _, peer_port = fields[2].rpartition(":")
        if int(number, 16) == port and int(peer_port, 16) == 0:
            yield fields[9]


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        return any(os.readlink(descriptor) in wanted for descriptor in (process / "fd").iterdir())
    except OSError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
