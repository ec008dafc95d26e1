"""The name server of containers on real sockets: answers at once, passes on with care."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from runtime.networks.dns_wire import Code
from runtime.networks.names import Member, View, build_zone
from runtime.supervisor.plain_sockets import receive_exactly, send_all
from runtime.supervisor.resolver import Resolver
from runtime.values import NetworkId, NetworkOptions, NetworkRecord
from tests.runtime.networks.dns_text import lines, question, response

pytestmark = pytest.mark.anyio

SERVER = "127.0.0.2"
OTHER_SERVER = "127.0.0.3"
Script = Callable[[bytes], list[bytes]]


def zone():
    record = NetworkRecord(
        id=NetworkId("1" * 64),
        options=NetworkOptions(name="shop_default"),
        subnet="172.18.0.0/16",
        gateway="172.18.0.1",
    )
    web = Member(
        container="shop-web-1", project_id="shop", names=("web",), addresses=("172.18.0.2",)
    )
    return build_zone(record, [web])


def bound(kind: int, address: str = "127.0.0.1", port: int = 0) -> socket.socket:
    handle = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    if kind == socket.SOCK_STREAM:
        # of datagrams it would let the kernel give one port to two of our sockets
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    handle.bind((address, port))
    if kind == socket.SOCK_STREAM:
        handle.listen()
    return handle


class Stand:
    """A resolver for one container, and upstream servers that follow a script."""

    def __init__(self, tasks: anyio.abc.TaskGroup, **limits: float) -> None:
        self.tasks = tasks
        self.asked: list[str] = []
        self._port = 0
        self._limits = {"timeout": 0.2, **limits}
        self.datagrams = bound(socket.SOCK_DGRAM)
        self.streams = bound(socket.SOCK_STREAM)
        self.asking = bound(socket.SOCK_DGRAM)

    def serve(self, *upstreams: str) -> None:
        resolver = Resolver(port=self._port, **self._limits)
        view = View(project_id="shop", zones=(zone(),), upstreams=upstreams)
        self.tasks.start_soon(
            resolver.serve, self.datagrams, self.streams, lambda: view, self.asking
        )

    def upstream(self, script: Script, address: str = SERVER) -> None:
        """A server that sends what the script makes of each question, by UDP and TCP."""
        datagrams = bound(socket.SOCK_DGRAM, address, self._port)
        self._port = datagrams.getsockname()[1]
        streams = bound(socket.SOCK_STREAM, address, self._port)
        self.tasks.start_soon(self._answer_datagrams, datagrams, script, address)
        self.tasks.start_soon(self._answer_streams, streams, script, address)

    async def _answer_datagrams(self, handle: socket.socket, script: Script, address: str) -> None:
        with handle:
            while True:
                await anyio.wait_readable(handle)
                data, peer = handle.recvfrom(65535)
                self.asked.append(f"{address} udp")
                for reply in script(data):
                    handle.sendto(reply, peer)

    async def _answer_streams(self, handle: socket.socket, script: Script, address: str) -> None:
        with handle:
            while True:
                await anyio.wait_readable(handle)
                connection, _peer = handle.accept()
                with connection:
                    connection.setblocking(False)
                    size = int.from_bytes(await receive_exactly(connection, 2), "big")
                    self.asked.append(f"{address} tcp")
                    for reply in script(await receive_exactly(connection, size)):
                        await send_all(connection, len(reply).to_bytes(2, "big") + reply)

    async def ask(self, data: bytes) -> str:
        return lines(await self.exchange(data))

    async def exchange(self, data: bytes) -> bytes:
        with bound(socket.SOCK_DGRAM) as handle, anyio.fail_after(5):
            handle.sendto(data, self.datagrams.getsockname())
            await anyio.wait_readable(handle)
            return handle.recv(65535)

    async def ask_stream(self, *messages: bytes) -> list[str]:
        with anyio.fail_after(5):
            async with await anyio.connect_tcp(*self.streams.getsockname()) as stream:
                for message in messages:
                    await stream.send(len(message).to_bytes(2, "big") + message)
                reader = BufferedByteReceiveStream(stream)
                return [lines(await receive_frame(reader)) for _message in messages]


async def receive_frame(reader: BufferedByteReceiveStream) -> bytes:
    size = int.from_bytes(await reader.receive_exactly(2), "big")
    return await reader.receive_exactly(size)


@asynccontextmanager
async def stand(**limits: float) -> AsyncIterator[Stand]:
    async with anyio.create_task_group() as tasks:
        made = Stand(tasks, **limits)
        with made.datagrams, made.streams, made.asking:
            yield made
            tasks.cancel_scope.cancel()


async def test_a_name_of_ours_is_answered_by_udp_and_tcp_and_never_passed_on():
    async with stand() as here:
        here.upstream(lambda data: [response(data, "192.0.2.66")])
        here.serve(SERVER)
        assert await here.ask(question("web")) == "NOERROR 172.18.0.2"
        assert await here.ask_stream(question("web"), question("WEB")) == [
            "NOERROR 172.18.0.2",
            "NOERROR 172.18.0.2",
        ]
        assert here.asked == []


async def test_the_rest_is_passed_on_and_comes_back_under_the_clients_number():
    async with stand() as here:
        here.upstream(lambda data: [response(data, "192.0.2.1")])
        here.serve(SERVER)
        reply = await here.exchange(question("example.com", number=4242))
        assert lines(reply) == "NOERROR 192.0.2.1"
        assert reply[:2] == (4242).to_bytes(2, "big")
        assert await here.ask_stream(question("example.com")) == ["NOERROR 192.0.2.1"]
        assert here.asked == [f"{SERVER} udp", f"{SERVER} tcp"]


async def test_v41_forged_replies_are_ignored():
    def forge(data: bytes) -> list[bytes]:
        other = question("bank.example", number=int.from_bytes(data[:2], "big"))
        wrong_number = (int.from_bytes(data[:2], "big") + 1) & 0xFFFF
        return [
            response(data, "192.0.2.66", number=wrong_number),
            response(other, "192.0.2.66"),
            data,
            b"\xff" * 3,
            response(data, "192.0.2.1"),
        ]

    async with stand() as here:
        here.upstream(forge)
        here.serve(SERVER)
        assert await here.ask(question("example.com")) == "NOERROR 192.0.2.1"


async def test_v41_the_number_of_a_question_is_not_the_clients():
    numbers = set()

    def note(data: bytes) -> list[bytes]:
        numbers.add(data[:2])
        return [response(data, "192.0.2.1")]

    async with stand() as here:
        here.upstream(note)
        here.serve(SERVER)
        for _time in range(5):
            await here.ask(question("example.com", number=1))
    assert len(numbers) > 1


async def test_r35_a_silent_server_is_left_for_the_next_and_comes_last_from_then_on():
    async with stand() as here:
        here.upstream(lambda _data: [], SERVER)
        here.upstream(lambda data: [response(data, "192.0.2.1")], OTHER_SERVER)
        here.serve(SERVER, OTHER_SERVER)
        assert await here.ask(question("example.com")) == "NOERROR 192.0.2.1"
        assert await here.ask(question("example.org")) == "NOERROR 192.0.2.1"
        assert here.asked == [f"{SERVER} udp", f"{OTHER_SERVER} udp", f"{OTHER_SERVER} udp"]


@pytest.mark.parametrize("code", [Code.SERVER_FAILURE, Code.REFUSED])
async def test_a_server_that_refuses_is_left_for_the_next(code: Code):
    async with stand() as here:
        here.upstream(lambda data: [response(data, code=code)], SERVER)
        here.upstream(lambda data: [response(data, "192.0.2.1")], OTHER_SERVER)
        here.serve(SERVER, OTHER_SERVER)
        assert await here.ask(question("example.com")) == "NOERROR 192.0.2.1"


async def test_what_does_not_exist_is_no_failure():
    async with stand() as here:
        here.upstream(lambda data: [response(data, code=Code.NO_SUCH_NAME)], SERVER)
        here.serve(SERVER, OTHER_SERVER)
        assert await here.ask(question("nowhere.example")) == "NXDOMAIN"
        assert here.asked == [f"{SERVER} udp"]


async def test_r35_when_all_are_silent_the_question_fails_and_at_once_the_next_time():
    async with stand() as here:
        here.upstream(lambda _data: [], SERVER)
        here.serve(SERVER)
        assert await here.ask(question("example.com")) == "SERVFAIL"
        assert await here.ask(question("example.com")) == "SERVFAIL"
        assert here.asked == [f"{SERVER} udp"]


async def test_r35_names_of_ours_do_not_wait_behind_a_silent_server():
    async with stand(timeout=3600) as here:
        here.upstream(lambda _data: [], SERVER)
        here.serve(SERVER)
        with bound(socket.SOCK_DGRAM) as flood:
            for number in range(200):
                flood.sendto(question(f"x{number}.example"), here.datagrams.getsockname())
            assert await here.ask(question("web")) == "NOERROR 172.18.0.2"


async def test_above_the_limit_questions_are_refused():
    async with stand(timeout=3600, limit=2) as here:
        here.upstream(lambda _data: [], SERVER)
        here.serve(SERVER)
        with bound(socket.SOCK_DGRAM) as flood:
            for number in range(2):
                flood.sendto(question(f"x{number}.example"), here.datagrams.getsockname())
            assert await here.ask(question("example.com")) == "REFUSED"


async def test_a_long_reply_is_cut_for_datagrams_and_whole_by_tcp():
    addresses = [f"192.0.2.{number}" for number in range(1, 100)]
    async with stand() as here:
        here.upstream(lambda data: [response(data, *addresses)])
        here.serve(SERVER)
        assert await here.ask(question("example.com")) == "NOERROR truncated"
        (whole,) = await here.ask_stream(question("example.com"))
        assert whole.split() == ["NOERROR", *addresses]


async def test_v41_a_slow_stream_does_not_hold_up_others():
    async with stand() as here:
        here.serve()
        async with await anyio.connect_tcp(*here.streams.getsockname()) as slow:
            await slow.send(b"\x00")
            assert await here.ask_stream(question("web")) == ["NOERROR 172.18.0.2"]


async def test_garbage_ends_a_stream_and_harms_nobody():
    async with stand() as here:
        here.serve()
        async with await anyio.connect_tcp(*here.streams.getsockname()) as stream:
            await stream.send(b"\x00\x03abc")
            with anyio.fail_after(5), pytest.raises(anyio.EndOfStream):
                await stream.receive()
        assert await here.ask(question("web")) == "NOERROR 172.18.0.2"


async def test_d40_a_server_on_the_containers_own_loopback_is_asked_from_inside_by_datagrams():
    async with stand() as here:
        here.upstream(
            lambda data: [response(data, "192.0.2.9", number=1), response(data, "192.0.2.1")]
        )
        here.serve(f"inside:{SERVER}")
        reply = await here.exchange(question("example.com", number=4242))
        assert lines(reply) == "NOERROR 192.0.2.1"
        assert reply[:2] == (4242).to_bytes(2, "big")
        assert await here.ask_stream(question("example.com")) == ["NOERROR 192.0.2.1"]
        assert here.asked == [f"{SERVER} udp"] * 2


async def test_a_server_inside_that_is_silent_or_not_there_is_given_up():
    async with stand() as here:
        here.upstream(lambda data: [])
        here.serve(f"inside:{SERVER}", f"inside:{OTHER_SERVER}")
        assert await here.ask(question("example.com")) == "SERVFAIL"
