"""Networks from the engine's door to the kernel: names, ports, and what holds when something dies."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from runtime.engine import Engine
from runtime.paths import Paths
from runtime.values import (
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    ExecOptions,
    NetworkOptions,
    PortBinding,
    RunState,
)
from tests.census import census
from tests.conftest import wait_for_end

pytestmark = [pytest.mark.kernel, pytest.mark.anyio]

IDLE = "exec sleep 1000"
SERVE = """exec python3 -c '
import socket
s = socket.create_server(("", 80))
while True:
    connection, peer = s.accept()
    connection.sendall(socket.gethostname().encode() + b" sees " + peer[0].encode())
    connection.close()
'"""
ASK = """python3 -c '
import socket, sys
for attempt in range(300):
    try:
        connection = socket.create_connection(sys.argv[1:3], 5)
        break
    except ConnectionRefusedError:
        __import__("time").sleep(0.05)
print(connection.makefile().read())
' """
RESOLVE = """python3 -c '
import socket, sys
try:
    found = socket.getaddrinfo(sys.argv[1], None, socket.AF_INET, socket.SOCK_STREAM)
    print(*sorted(entry[4][0] for entry in found))
except socket.gaierror as error:
    print(error.strerror)
' """


@pytest.fixture(autouse=True)
def nothing_is_left(paths: Paths) -> Iterator[None]:
    before = census(paths)
    yield
    wait_for_end(paths)
    assert census(paths) == before


class Project:
    """One project's engine, and words for what the tests do with it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    async def network(self, key: str = "default", **options: object) -> str:
        name = f"{self.name}_{key}"
        await self.engine.create_network(NetworkOptions(name=name, project=self.name, **options))
        return name

    async def container(
        self, service: str, *networks: str | Endpoint, number: int = 1, **options: object
    ) -> ContainerRecord:
        endpoints = tuple(
            one if isinstance(one, Endpoint) else Endpoint(network=one) for one in networks
        )
        given = {
            "command": ("sh", "-c", options.pop("script", IDLE)),
            "hostname": f"{service}-{number}",
            **options,
        }
        return await self.engine.create_container(
            ContainerOptions(
                project=self.name,
                name=f"{self.name}-{service}-{number}",
                service=service,
                number=number,
                endpoints=endpoints,
                **given,
            )
        )

    async def start(
        self, service: str, *networks: str | Endpoint, number: int = 1, **options: object
    ) -> tuple[ContainerRecord, RunState]:
        record = await self.container(service, *networks, number=number, **options)
        started = await self.engine.start_container(record.id)
        return record, started.state

    async def inside(self, record: ContainerRecord, script: str) -> str:
        """What a script prints in there."""
        readable, writable = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        options = ExecOptions(command=("sh", "-c", script))
        session = await self.engine.exec(record.id, options, stdio=(null, writable, writable))
        os.close(writable)
        os.close(null)
        await session.wait()
        session.close()
        with open(readable, encoding="utf-8") as file:
            return file.read().strip()

    def address(self, record: ContainerRecord) -> str:
        return address_of(self.engine.container(record.id).state)

    async def remove(self) -> None:
        for record in self.engine.containers(self.name):
            await self.engine.remove_container(record.id, force=True, volumes=True)
        for network in self.engine.networks(self.name):
            await self.engine.remove_network(network.name)
        assert await self.engine.remove_project_row(self.name)
        await self.engine.aclose()


@asynccontextmanager
async def open_project(paths: Paths, name: str) -> AsyncIterator[Project]:
    engine = Engine(paths, project=name, folder=f"/{name}")
    await engine.open()
    project = Project(engine, name)
    try:
        yield project
    finally:
        await project.remove()


@pytest.fixture
async def shop(paths: Paths, anyio_backend: str) -> AsyncIterator[Project]:
    async with open_project(paths, "shop") as project:
        yield project


def address_of(state: RunState, network: str = "") -> str:
    return next(
        one.ipv4_address for one in state.endpoints if not network or one.network == network
    )


def ask(host: str, port: int) -> str:
    """From the host: the answer, or the error's name."""
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            return connection.makefile().read()
    except OSError as error:
        return type(error).__name__


# --- names


async def test_a_container_is_found_by_its_service_its_name_its_alias_its_hostname_and_its_id(
    shop: Project,
):
    network = await shop.network()
    endpoint = Endpoint(network=network, aliases=("store",))
    web, state = await shop.start("web", endpoint, script=SERVE, hostname="front")
    client, _ = await shop.start("client", network)
    for name in ("web", "shop-web-1", "store", "front", web.id[:12], f"web.{network}"):
        assert await shop.inside(client, RESOLVE + name) == address_of(state), name
    assert await shop.inside(client, ASK + "web 80") == f"front sees {shop.address(client)}"


# --- published ports


async def test_a_published_port_answers_on_127_0_0_1_and_on_the_ipv6_loopback(shop: Project):
    ports = (PortBinding(container_port=80),)
    web, state = await shop.start("web", await shop.network(), script=SERVE, ports=ports)
    await shop.inside(web, ASK + "127.0.0.1 80")
    number = state.ports[0].host_port
    gateway = shop.engine.network("shop_default").gateway
    for host in ("127.0.0.1", "::1", gateway):
        assert ask(host, number) == f"web-1 sees {gateway}"
