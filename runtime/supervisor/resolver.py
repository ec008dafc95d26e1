"""The containers' name server: sockets for networks/names.py, and questions passed on to others.

One pair of sockets per container, opened by its init on 127.0.0.11 inside (D43). What names.py
answers goes out at once; a question for the rest waits for its upstream server in a task of its
own, under a limit, so that a dead server never delays a name of ours (R35). Servers are asked from
the host's namespace, but those on the container's own loopback from inside (asker.py). A reply
counts only when it comes from the server asked, to the port and number of that one question, and
repeats it (V41).
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable

from runtime import tasks
from runtime.frozen import dataclass, field
from runtime.networks import dns_wire, names
from runtime.networks.dns_wire import Code
from runtime.networks.names import Forward, View
from runtime.supervisor import plain_sockets as sockets
from runtime.supervisor.asker import Asker
from runtime.supervisor.plain_sockets import Address

ViewNow = Callable[[], View]
"""What the container may know at this moment; called for each question, so it must be quick."""

PORT = 53
_DATAGRAM = 65535
_BURST = 64
_LENGTH = 2
_IDLE = 10.0
_STREAMS_EACH = 32
_FAILURES_KEPT = 1024
_SHORT = 1.0
_AVOIDED = 5.0
_TRY_NEXT = (Code.SERVER_FAILURE, Code.REFUSED, Code.NOT_IMPLEMENTED)


@dataclass(slots=True, kw_only=True)
class Client:
    """One container's sockets while they are served."""

    view: ViewNow
    group: tasks.Group
    asker: Asker | None = None
    streams: int = 0
    waiting: int = 0
    """Questions on their way to an upstream server."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """What went wrong a moment ago, so that it is not waited for again and again (R35)."""

    failed: dict[tuple[bytes, tuple[str, ...]], float] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)

    def has_failed(self, forward: Forward, now: float) -> bool:
        return self.failed.get(_key(forward), 0.0) > now

    def note_failure(self, forward: Forward, now: float) -> None:
        if len(self.failed) >= _FAILURES_KEPT:
            self.failed.clear()
        self.failed[_key(forward)] = now + _SHORT

    def order(self, servers: tuple[str, ...], now: float) -> list[str]:
        """As given, but those that were silent lately come last."""
        return sorted(servers, key=lambda server: self.silent.get(server, 0.0) > now)


def _key(forward: Forward) -> tuple[bytes, tuple[str, ...]]:
    return forward.query.question.lower(), forward.upstreams


class Resolver:
    """All containers of a project share one: its limits are for all of them together."""

    def __init__(
        self, *, port: int = PORT, timeout: float = 4.0, limit: int = 1024, limit_each: int = 256
    ) -> None:
        """`timeout`: seconds for each server. `limit`: questions under way, of all and of each
        container; those above are refused."""
        self._port = port
        self._timeout = timeout
        self._limit = limit
        self._limit_each = limit_each
        self._waiting = 0
        self._memory = Memory()

    async def serve(
        self,
        datagrams: socket.socket,
        streams: socket.socket,
        view: ViewNow,
        asking: socket.socket | None = None,
    ) -> None:
        """Answer on a container's sockets until cancelled. They stay the caller's. `asking`: a
        socket from inside, for servers on the container's own loopback."""
        async with tasks.group() as group:
            asker = None if asking is None else Asker(asking)
            if asker is not None:
                group.start_soon(asker.serve)
            client = Client(view=view, group=group, asker=asker)
            group.start_soon(self._serve_datagrams, datagrams, client)
            group.start_soon(self._serve_streams, streams, client)

    # --- datagrams

    async def _serve_datagrams(self, handle: socket.socket, client: Client) -> None:
        while True:  # forever: until the container ends
            await tasks.wait_readable(handle)
            for _question in range(_BURST):
                try:
                    data, peer = handle.recvfrom(_DATAGRAM)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # an earlier answer was not wanted any more
                self._take_datagram(handle, client, data, peer)

    def _take_datagram(
        self, handle: socket.socket, client: Client, data: bytes, peer: Address
    ) -> None:
        decision = names.decide(data, client.view(), shuffle=shuffled)
        if isinstance(decision, bytes):
            _reply(handle, decision, peer)
        elif decision is not None:
            if self._refuses(client):
                _reply(handle, dns_wire.answer(decision.query, code=Code.REFUSED), peer)
                return
            self._enter(client)
            client.group.start_soon(self._pass_on_datagram, handle, client, decision, data, peer)

    async def _pass_on_datagram(
        self, handle: socket.socket, client: Client, forward: Forward, data: bytes, peer: Address
    ) -> None:
        try:
            _reply(handle, await self._pass_on(client, forward, data, stream=False), peer)
        finally:
            self._leave(client)

    # --- streams

    async def _serve_streams(self, handle: socket.socket, client: Client) -> None:
        while True:  # forever: until the container ends
            await tasks.wait_readable(handle)
            try:
                connection, _peer = handle.accept()
            except BlockingIOError:
                continue  # gone again before it was accepted
            except OSError:
                await tasks.sleep(_SHORT)  # R16: no descriptor is free, and it stays readable
                continue
            if client.streams >= _STREAMS_EACH:
                connection.close()
            else:
                client.streams += 1
                client.group.start_soon(self._serve_stream, connection, client)

    async def _serve_stream(self, connection: socket.socket, client: Client) -> None:
        try:
            with connection:
                connection.setblocking(False)
                while await self._answer_in_stream(connection, client):
                    pass
        except (OSError, EOFError):
            return  # the client went away
        finally:
            client.streams -= 1

    async def _answer_in_stream(self, connection: socket.socket, client: Client) -> bool:
        """One question of a connection; False when there is no more to be said."""
        data = b""
        with tasks.move_on_after(_IDLE):
            data = await _receive_frame(connection)
        reply = await self._decide_in_stream(client, data) if data else None
        if reply is None:
            return False
        with tasks.move_on_after(_IDLE) as sending:
            await sockets.send_all(connection, len(reply).to_bytes(_LENGTH, "big") + reply)
        return not sending.cancelled_caught

    async def _decide_in_stream(self, client: Client, data: bytes) -> bytes | None:
        decision = names.decide(data, client.view(), shuffle=shuffled, stream=True)
        if not isinstance(decision, Forward):
            return decision
        if self._refuses(client):
            return dns_wire.answer(decision.query, code=Code.REFUSED)
        self._enter(client)
        try:
            return await self._pass_on(client, decision, data, stream=True)
        finally:
            self._leave(client)

    # --- limits (D43)

    def _refuses(self, client: Client) -> bool:
        return self._waiting >= self._limit or client.waiting >= self._limit_each

    def _enter(self, client: Client) -> None:
        self._waiting += 1
        client.waiting += 1

    def _leave(self, client: Client) -> None:
        self._waiting -= 1
        client.waiting -= 1

    # --- upstream

    async def _pass_on(
        self, client: Client, forward: Forward, data: bytes, *, stream: bool
    ) -> bytes:
        """The reply of the first server that knows; what the last one said when none does."""
        limit = 65535 if stream else forward.query.datagram_limit
        refusal = b""
        if not self._memory.has_failed(forward, time.monotonic()):
            for server in self._memory.order(forward.upstreams, time.monotonic()):
                reply = await self._ask(client, server, forward, data, stream=stream)
                if reply and dns_wire.reply_code(reply) not in _TRY_NEXT:
                    return dns_wire.pass_on(forward.query, reply, limit=limit)
                refusal = reply or refusal
            if not refusal:
                self._memory.note_failure(forward, time.monotonic())
        if refusal:
            return dns_wire.pass_on(forward.query, refusal, limit=limit)
        return dns_wire.answer(forward.query, code=Code.SERVER_FAILURE, limit=limit)

    async def _ask(
        self, client: Client, server: str, forward: Forward, data: bytes, *, stream: bool
    ) -> bytes:
        """Empty when it does not answer in time, or cannot be reached."""
        if server.startswith(names.INSIDE):
            return await self._ask_inside(client, server, forward, data)
        ask = _ask_by_stream if stream else _ask_by_datagram
        with tasks.move_on_after(self._timeout):
            try:
                return await ask(server, self._port, forward, data)
            except (OSError, EOFError):
                return b""
        self._memory.silent[server] = time.monotonic() + _AVOIDED
        return b""

    async def _ask_inside(
        self, client: Client, server: str, forward: Forward, data: bytes
    ) -> bytes:
        """One container's silence says nothing of another's server at the same address."""
        if client.asker is not None:
            address = server.removeprefix(names.INSIDE), self._port
            with tasks.move_on_after(self._timeout):
                return await client.asker.ask(address, forward, data)
        return b""


async def _ask_by_datagram(server: str, port: int, forward: Forward, data: bytes) -> bytes:
    # V41: a socket of its own for each question: a port nobody can guess, one sender accepted.
    family, address = sockets.numeric_address(server, port)
    number = _random_number()
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as handle:
        handle.connect(address)
        handle.send(dns_wire.renumber(data, number))
        while True:
            reply = await sockets.receive(handle, _DATAGRAM)
            if dns_wire.is_reply_to(forward.query, number, reply):
                return reply


async def _ask_by_stream(server: str, port: int, forward: Forward, data: bytes) -> bytes:
    family, address = sockets.numeric_address(server, port)
    number = _random_number()
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as handle:
        await sockets.connect(handle, address)
        question = dns_wire.renumber(data, number)
        await sockets.send_all(handle, len(question).to_bytes(_LENGTH, "big") + question)
        reply = await _receive_frame(handle)
    return reply if dns_wire.is_reply_to(forward.query, number, reply) else b""


def _random_number() -> int:
    return int.from_bytes(os.urandom(2), "big")


async def _receive_frame(handle: socket.socket) -> bytes:
    length = int.from_bytes(await sockets.receive_exactly(handle, _LENGTH), "big")
    return await sockets.receive_exactly(handle, length)


def _reply(handle: socket.socket, data: bytes, peer: Address) -> None:
    try:
        handle.sendto(data, peer)
    except OSError:
        return  # its buffer is full or it is gone: it asks again


def shuffled(addresses: list[str]) -> list[str]:
    """Round robin over replicas: each asker begins with another one."""
    return random.sample(addresses, len(addresses))
