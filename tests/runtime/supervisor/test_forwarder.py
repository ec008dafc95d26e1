"""Published ports carried by hand: streams with both their ends, datagrams with their clients."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from runtime.networks.published import Publication
from runtime.supervisor.forwarder import Forwarder
from runtime.values import PublishedPort

pytestmark = pytest.mark.anyio

INSIDE = "127.0.0.2"


def bound(kind: int, address: str = "127.0.0.1", port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    handle = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    handle.bind((address, port))
    if kind == socket.SOCK_STREAM:
        handle.listen()
    return handle


class Stand:
    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        self.tasks = tasks

    def publish(
        self, kind: int, inside: int, *, host_ip: str = "127.0.0.1", **limits: float
    ) -> tuple[str, int]:
        """Forward a new port of the host to `inside`; returns its address."""
        handle = bound(kind, host_ip)
        port = PublishedPort(
            container_port=inside,
            protocol="tcp" if kind == socket.SOCK_STREAM else "udp",
            host_ip=host_ip,
            host_port=handle.getsockname()[1],
        )
        forwarder = Forwarder(**limits)
        self.tasks.start_soon(forwarder.serve, [(Publication(port, INSIDE), handle)])
        return host_ip, port.host_port

    async def upper_case_server(self) -> int:
        """Reads to the end, then answers in capitals: both directions are closed one by one."""
        listener = await anyio.create_tcp_listener(local_host=INSIDE)

        async def answer(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                data = b"".join([piece async for piece in stream])
                await stream.send(data.upper())

        self.tasks.start_soon(listener.serve, answer)
        return listener.extra(anyio.abc.SocketAttribute.local_port)

    async def upper_case_datagrams(self) -> int:
        handle = await anyio.create_udp_socket(local_host=INSIDE)

        async def answer() -> None:
            async with handle:
                async for data, peer in handle:
                    await handle.sendto(data.upper(), *peer)

        self.tasks.start_soon(answer)
        return handle.extra(anyio.abc.SocketAttribute.local_port)


@asynccontextmanager
async def stand() -> AsyncIterator[Stand]:
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(10):
            yield Stand(tasks)
        tasks.cancel_scope.cancel()


async def talk(address: tuple[str, int], data: bytes) -> bytes:
    async with await anyio.connect_tcp(*address) as stream:
        await stream.send(data)
        await stream.send_eof()
        return b"".join([piece async for piece in stream])


@pytest.mark.parametrize("host_ip", ["127.0.0.1", "::1"])
async def test_a_stream_is_carried_both_ways_to_its_ends(host_ip: str):
    async with stand() as here:
        address = here.publish(socket.SOCK_STREAM, await here.upper_case_server(), host_ip=host_ip)
        assert await talk(address, b"hello") == b"HELLO"


async def test_megabytes_arrive_whole():
    async with stand() as here:
        address = here.publish(socket.SOCK_STREAM, await here.upper_case_server())
        data = bytes(range(97, 123)) * 200_000
        assert await talk(address, data) == data.upper()


async def test_where_nobody_listens_the_client_is_reset_and_not_answered_with_nothing():
    async with stand() as here:
        with bound(socket.SOCK_STREAM, INSIDE) as closed:
            free = closed.getsockname()[1]
        address = here.publish(socket.SOCK_STREAM, free)
        async with await anyio.connect_tcp(*address) as stream:
            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()


async def test_above_the_limit_a_client_waits_for_another_to_end():
    async with stand() as here:
        inside = await here.upper_case_server()
        address = here.publish(socket.SOCK_STREAM, inside, max_connections=1)
        async with await anyio.connect_tcp(*address) as first:
            await first.send(b"first")
            results = []

            async def second() -> None:
                results.append(await talk(address, b"second"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(second)
                await anyio.wait_all_tasks_blocked()
                assert results == []
                await first.send_eof()
                assert await first.receive() == b"FIRST"
                await first.aclose()
            assert results == [b"SECOND"]


@pytest.mark.parametrize("host_ip", ["127.0.0.1", "::1"])
async def test_datagrams_find_their_own_clients(host_ip: str):
    async with stand() as here:
        address = here.publish(
            socket.SOCK_DGRAM, await here.upper_case_datagrams(), host_ip=host_ip
        )
        async with (
            await anyio.create_connected_udp_socket(*address) as one,
            await anyio.create_connected_udp_socket(*address) as other,
        ):
            await one.send(b"one")
            await other.send(b"other")
            assert await one.receive() == b"ONE"
            assert await other.receive() == b"OTHER"
            await one.send(b"again")
            assert await one.receive() == b"AGAIN"


async def test_a_datagram_is_answered_from_the_address_that_was_asked():
    async with stand() as here:
        inside = await here.upper_case_datagrams()
        _any, port = here.publish(socket.SOCK_DGRAM, inside, host_ip="0.0.0.0")
        async with await anyio.create_connected_udp_socket("127.0.0.77", port) as client:
            await client.send(b"hello")
            assert await client.receive() == b"HELLO"


async def test_a_silent_udp_client_is_forgotten_and_makes_room():
    async with stand() as here:
        inside = await here.upper_case_datagrams()
        address = here.publish(socket.SOCK_DGRAM, inside, max_sessions=1, session_idle=0.05)
        async with await anyio.create_connected_udp_socket(*address) as one:
            await one.send(b"one")
            assert await one.receive() == b"ONE"
        async with await anyio.create_connected_udp_socket(*address) as other:
            answered = anyio.Event()

            async def ask() -> None:
                while not answered.is_set():
                    await other.send(b"other")
                    with anyio.move_on_after(0.05):
                        assert await other.receive() == b"OTHER"
                        answered.set()

            await ask()
