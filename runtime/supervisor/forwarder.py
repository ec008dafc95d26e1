"""Published ports that the kernel's rules do not take: accepted here and carried on.

That is ::1 (IPv6 knows no route_localnet), IPv6 clients of a container that has IPv4 alone, and
everything while somebody has flushed the rules. The sockets are those that hold the ports
(networks/published.py); a connection lives as long as the supervisor, the port longer.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress

from runtime import tasks
from runtime.networks.published import Publication
from runtime.supervisor import plain_sockets as sockets
from runtime.supervisor.plain_sockets import Address

_PIECE = 1 << 17
_DATAGRAM = 65535
_BURST = 64
_CONTROL = 64
_CONNECT = 10.0
_PAUSE = 0.1
# linux/in.h, linux/in6.h
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50
_RESET = struct.pack("ii", 1, 0)


class Forwarder:
    """All ports of a project share one: its limits are for all of them together."""

    def __init__(
        self, *, max_connections: int = 4096, max_sessions: int = 1024, session_idle: float = 90.0
    ) -> None:
        """`max_sessions`: UDP clients of one port at a time. `session_idle`: seconds after which
        such a client is forgotten."""
        self._connections = tasks.limiter(max_connections)
        self._max_sessions = max_sessions
        self._session_idle = session_idle

    async def serve(self, ports: Iterable[tuple[Publication, socket.socket]]) -> None:
        """Carry what arrives at these sockets to their containers until cancelled. They stay the
        caller's."""
        async with tasks.group() as group:
            for publication, handle in ports:
                is_udp = publication.port.protocol == "udp"
                carry = self._carry_datagrams if is_udp else self._carry_streams
                group.start_soon(carry, publication, handle, group)

    # --- TCP

    async def _carry_streams(
        self, publication: Publication, listener: socket.socket, group: tasks.Group
    ) -> None:
        while True:  # forever: until the container ends
            await tasks.wait_readable(listener)
            await self._connections.acquire()  # above the limit, clients wait in the queue
            try:
                client, _peer = listener.accept()
            except OSError as error:
                self._connections.release()
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                    await tasks.sleep(_PAUSE)  # R16: it stays readable, and would spin
                continue
            group.start_soon(self._carry_stream, publication, client)

    async def _carry_stream(self, publication: Publication, client: socket.socket) -> None:
        try:
            with client, suppress(OSError):
                client.setblocking(False)
                container = await _connect(publication)
                if container is None:
                    # As if nobody listened: the client must not take it for an empty answer.
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return
                with container:
                    await _join(client, container)
        finally:
            self._connections.release()

    # --- UDP

    async def _carry_datagrams(
        self, publication: Publication, handle: socket.socket, group: tasks.Group
    ) -> None:
        """Each client gets a socket of its own to the container, so that answers find back."""
        sessions: dict[tuple[Address, bytes], Session] = {}
        _ask_for_destinations(handle)
        while True:  # forever: until the container ends
            await tasks.wait_readable(handle)
            for _datagram in range(_BURST):
                try:
                    data, control, _flags, peer = handle.recvmsg(_DATAGRAM, _CONTROL)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # an earlier answer was not wanted any more
                key = (peer, _local_address(control))
                session = sessions.get(key)
                if session is None and len(sessions) < self._max_sessions:
                    session = Session.open(publication, handle, *key)
                    if session is not None:
                        sessions[key] = session
                        group.start_soon(self._answer, session, sessions, key)
                if session is not None:
                    session.send(data)

    async def _answer(
        self,
        session: Session,
        sessions: dict[tuple[Address, bytes], Session],
        key: tuple[Address, bytes],
    ) -> None:
        try:
            await session.carry_back(self._session_idle)
        finally:
            del sessions[key]
            session.close()


class Session:
    """One UDP client of one port, and the socket that stands for it before the container."""

    def __init__(
        self, container: socket.socket, host: socket.socket, client: Address, local: bytes
    ) -> None:
        self._container = container
        self._host = host
        self._client = client
        self._local = local
        self._used = time.monotonic()

    @classmethod
    def open(
        cls, publication: Publication, host: socket.socket, client: Address, local: bytes
    ) -> Session | None:
        """None when the container cannot be reached: its datagrams are lost, as UDP's may be."""
        family, address = _target(publication)
        try:
            container = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError:
            return None
        try:
            container.connect(address)
        except OSError:
            container.close()
            return None
        return cls(container, host, client, local)

    def send(self, data: bytes) -> None:
        self._used = time.monotonic()
        with suppress(OSError):
            self._container.send(data)

    async def carry_back(self, idle: float) -> None:
        """Until neither side has said anything for `idle` seconds."""
        while True:
            quiet = time.monotonic() - self._used
            if quiet >= idle:
                return
            with tasks.move_on_after(idle - quiet):
                await self._carry_back_one()

    async def _carry_back_one(self) -> None:
        try:
            data = await sockets.receive(self._container, _DATAGRAM)
        except ConnectionRefusedError:
            return  # nobody listens inside, yet
        self._used = time.monotonic()
        with suppress(OSError):
            self._host.sendmsg([data], _source(self._host, self._local), 0, self._client)

    def close(self) -> None:
        self._container.close()


# --- parts


def _target(publication: Publication) -> tuple[socket.AddressFamily, Address]:
    return sockets.numeric_address(publication.address, publication.port.container_port)


async def _connect(publication: Publication) -> socket.socket | None:
    """None when nobody answers inside."""
    family, address = _target(publication)
    container = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with tasks.fail_after(_CONNECT):
            await sockets.connect(container, address)
    except OSError:  # TimeoutError is one
        container.close()
        return None
    except BaseException:
        container.close()
        raise
    return container


async def _join(one: socket.socket, other: socket.socket) -> None:
    """Bytes in both directions until both ends have said all, or one breaks."""
    for handle in (one, other):
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    async with tasks.group() as group:
        group.start_soon(_carry, one, other, group)
        group.start_soon(_carry, other, one, group)


async def _carry(source: socket.socket, sink: socket.socket, group: tasks.Group) -> None:
    try:
        while data := await sockets.receive(source, _PIECE):
            await sockets.send_all(sink, data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        group.cancel()


def _ask_for_destinations(handle: socket.socket) -> None:
    """Have each datagram say to which of the host's addresses it was sent."""
    if handle.family == socket.AF_INET6:
        handle.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
    else:
        handle.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def _local_address(control: list[tuple[int, int, bytes]]) -> bytes:
    """The address of the host that a datagram was sent to, packed."""
    for level, kind, data in control:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return data[8:12]
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO):
            return data[:16]
    return b""


def _source(handle: socket.socket, local: bytes) -> list[tuple[int, int, bytes]]:
    """Answers come from the address that was asked, whichever the route would choose."""
    if len(local) == 4:
        return [(socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=i4s4s", 0, local, bytes(4)))]
    if len(local) == 16:
        return [(socket.IPPROTO_IPV6, _IPV6_PKTINFO, local + struct.pack("=i", 0))]
    return []
