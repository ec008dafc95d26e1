"""Networks from the engine's door to the kernel: names, ports, and what holds when something dies."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import anyio
import pytest

from runtime.engine import Engine
from runtime.errors import InUse, PortTaken
from runtime.linux import nftables
from runtime.linux.conntrack import list_entries
from runtime.linux.nftables import list_tables
from runtime.networks import published
from runtime.networks.firewall import project_table_name
from runtime.paths import Paths, find_paths
from runtime.values import (
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    ExecOptions,
    IpamPool,
    NetworkOptions,
    PortBinding,
    RunState,
)
from tests.census import census
from tests.conftest import TOP, wait_for_end
from tests.runtime.networks.upstream import Upstream

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
DIG = """python3 -c '
import socket, struct, sys
transport, name, kind, *times = sys.argv[1:]
question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + bytes(1)
question = struct.pack(">6H", 4711, 256, 1, 0, 0, 0) + question + struct.pack(">2H", int(kind), 1)
def ask():
    if transport == "tcp":
        with socket.create_connection(("127.0.0.11", 53), 20) as asker:
            asker.sendall(struct.pack(">H", len(question)) + question)
            stream = asker.makefile("rb")
            return stream.read(struct.unpack(">H", stream.read(2))[0])
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.settimeout(20)
    asker.sendto(question, ("127.0.0.11", 53))
    reply, peer = asker.recvfrom(4096)
    assert peer == ("127.0.0.11", 53), peer
    return reply
for _ in range(int(*times or [1])):
    reply = ask()
    number, flags, _, answers, _, _ = struct.unpack(">6H", reply[:12])
    assert number == 4711
    found = []
    rest = reply[len(question):]
    while answers:
        length = struct.unpack(">H", rest[10:12])[0]
        found.append(socket.inet_ntop({4: 2, 16: 10}[length], rest[12:12 + length]))
        rest = rest[12 + length:]
        answers -= 1
    print({0: "ok", 2: "failed", 3: "unknown", 5: "refused"}[flags & 15], *found)
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


@pytest.fixture
def other_paths() -> Iterator[Paths]:
    with tempfile.TemporaryDirectory(prefix="pct-", dir="/var/tmp") as folder:
        paths = find_paths({"PYCOMPOSE_ROOT": folder})
        yield paths
        wait_for_end(paths)


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


async def test_replicas_share_a_name_and_each_asker_begins_with_another_one(shop: Project):
    network = await shop.network()
    replicas = [(await shop.start("web", network, number=number)) for number in (1, 2, 3)]
    addresses = sorted(address_of(state) for _record, state in replicas)
    client, _ = await shop.start("client", network)
    for transport in ("udp", "tcp"):
        said = await shop.inside(client, f"{DIG} {transport} web 1 60")
        answers = [line.split() for line in said.splitlines()]
        assert {(answer[0], *sorted(answer[1:])) for answer in answers} == {("ok", *addresses)}
        assert {answer[1] for answer in answers} == set(addresses)


async def test_who_stands_still_has_no_address_and_is_asked_for_nowhere_else(shop: Project):
    network = await shop.network()
    first, _ = await shop.start("web", network, number=1)
    second, state = await shop.start("web", network, number=2)
    client, _ = await shop.start("client", network)
    await shop.engine.kill_container(first.id)
    await shop.engine.stop_container(first.id, grace=0)
    assert await shop.inside(client, DIG + "udp web 1") == f"ok {address_of(state)}"
    await shop.engine.stop_container(second.id, grace=0)
    assert await shop.inside(client, DIG + "udp web 1") == "unknown"
    again = await shop.engine.start_container(second.id)
    assert address_of(again.state) == address_of(state)
    assert await shop.inside(client, DIG + "tcp web 1") == f"ok {address_of(state)}"
    assert await shop.inside(client, DIG + "udp web 28") == "ok"


async def test_a_container_may_serve_port_53_itself(shop: Project):
    script = "exec python3 -c 'import socket, time; a = socket.create_server((\"\", 53)); time.sleep(1000)'"
    server, state = await shop.start("server", await shop.network(), script=script)
    assert await shop.inside(server, DIG + "udp server 1") == f"ok {address_of(state)}"


async def test_names_of_a_network_are_known_to_its_members_alone(shop: Project):
    front, back = await shop.network("front"), await shop.network("back")
    _web, web = await shop.start("web", front)
    both, at_both = await shop.start("both", front, back)
    _db, db = await shop.start("db", back)
    outsider, _ = await shop.start("outsider", back)
    assert await shop.inside(both, DIG + "udp web 1") == f"ok {address_of(web)}"
    assert await shop.inside(both, DIG + "udp db 1") == f"ok {address_of(db)}"
    assert await shop.inside(outsider, DIG + "udp both 1") == f"ok {address_of(at_both, back)}"
    assert await shop.inside(outsider, RESOLVE + "web") != address_of(web)


async def test_an_external_network_leads_from_project_to_project(shop: Project, paths: Paths):
    shared = NetworkOptions(name="shared")
    await shop.engine.create_network(shared)
    try:
        async with open_project(paths, "books") as books:
            own = await books.network()
            shop_web, ours = await shop.start("web", "shared", script=SERVE)
            _library, theirs = await books.start("web", own, "shared", hostname="library")
            client, _ = await books.start("client", Endpoint(network="shared"))
            # each project's own comes first under a name that both use
            assert await books.inside(client, RESOLVE + "web") == address_of(theirs, "shared")
            for name in ("shop-web-1", "web-1"):
                assert await books.inside(client, RESOLVE + name) == address_of(ours)
            assert "web-1 sees" in await books.inside(client, ASK + "shop-web-1 80")
            seen = await shop.inside(shop_web, RESOLVE + "library")
            assert seen == address_of(theirs, "shared")
            with pytest.raises(InUse, match="network shared has active endpoints"):
                await shop.engine.remove_network("shared")
            # the supervisor of one ends: the other's names and rules go on
            await shop.engine.remove_container(shop_web.id, force=True)
            assert await books.inside(client, DIG + "udp shop-web-1 1") != "ok"
            assert await books.inside(client, DIG + "udp library 1") == (
                f"ok {address_of(theirs, 'shared')}"
            )
            assert shared_tables(paths) == 1
    finally:
        for record in shop.engine.containers("shop"):
            await shop.engine.remove_container(record.id, force=True)
        assert shared_tables(paths) == 0
        await shop.engine.remove_network("shared")


def shared_tables(paths: Paths) -> int:
    return sum(name.startswith(f"pycompose-{paths.root_hash}-net-") for name in list_tables())


# --- the rest of the names


async def test_other_names_are_asked_for_at_the_containers_own_servers(shop: Project):
    network = await shop.network()
    server = shop.engine.network(network).gateway
    client, _ = await shop.start("client", network, dns=(server,))
    upstream = Upstream(server)
    try:
        for transport in ("udp", "tcp"):
            assert await shop.inside(client, f"{DIG} {transport} www.example.org 1") == (
                "ok 192.0.2.80"
            )
        assert await shop.inside(client, DIG + "udp client 28") == "ok"
        assert await shop.inside(client, RESOLVE + "www.example.org") == "192.0.2.80"
    finally:
        upstream.close()
    assert set(upstream.asked) == {"www.example.org"}


# --- published ports


async def test_a_published_port_answers_on_127_0_0_1_and_on_the_ipv6_loopback(shop: Project):
    ports = (PortBinding(container_port=80),)
    web, state = await shop.start("web", await shop.network(), script=SERVE, ports=ports)
    await shop.inside(web, ASK + "127.0.0.1 80")
    number = state.ports[0].host_port
    gateway = shop.engine.network("shop_default").gateway
    for host in ("127.0.0.1", "::1", gateway):
        assert ask(host, number) == f"web-1 sees {gateway}"
    assert await shop.inside(web, ASK + f"{gateway} {number}") == f"web-1 sees {gateway}"
    sibling, _ = await shop.start("sibling", "shop_default")
    answer = await shop.inside(sibling, ASK + f"{gateway} {number}")
    assert answer in (f"web-1 sees {gateway}", f"web-1 sees {shop.address(sibling)}")


async def test_rules_that_somebody_removed_come_back_and_ports_answer_all_the_while(
    shop: Project, paths: Paths
):
    ports = (PortBinding(container_port=80),)
    web, state = await shop.start("web", await shop.network(), script=SERVE, ports=ports)
    await shop.inside(web, ASK + "127.0.0.1 80")
    table = project_table_name(paths.root_hash, web.project_id)
    before = nft("list", "table", "inet", table)
    for removal in (("flush", "table"), ("delete", "table")):
        with closing(nftables.open_notices()) as notices:
            nft(*removal, "inet", table)
            assert ask("127.0.0.1", state.ports[0].host_port) == f"web-1 sees {gateway_of(shop)}"
            while nft("list", "table", "inet", table, check=False) != before:
                assert select.select([notices], [], [], 30)[0], "nobody mends it"
                nftables.read_removals(notices)
        assert ask("::1", state.ports[0].host_port) == f"web-1 sees {gateway_of(shop)}"
    log = paths.project(web.project_id).engine_log.read_text()
    assert f"somebody removed rules from the firewall table {table}: they are back" in log


def gateway_of(project: Project) -> str:
    return project.engine.network(f"{project.name}_default").gateway


def nft(*words: str, check: bool = True) -> str:
    run = subprocess.run(["nft", *words], capture_output=True, text=True)
    assert not check or run.returncode == 0, run.stderr
    return run.stdout


async def test_a_port_that_another_project_holds_is_named_with_its_container(
    shop: Project, paths: Paths
):
    _web, state = await shop.start(
        "web", await shop.network(), ports=(PortBinding(container_port=80),)
    )
    number = state.ports[0].host_port
    wanted = (PortBinding(container_port=80, host_port=number, origin="compose.yaml:4:7"),)
    async with open_project(paths, "books") as books:
        for attempt in (
            lambda: books.engine.check_ports(wanted),
            lambda: published.check_ports(wanted),
        ):
            with pytest.raises(PortTaken) as caught:
                attempt()
            assert caught.value.message == (
                f"port 0.0.0.0:{number}/tcp is already in use (asked for at compose.yaml:4:7)"
            )
        record = await books.container("web", await books.network(), ports=wanted)
        with pytest.raises(PortTaken) as caught:
            await books.engine.start_container(record.id)
        assert caught.value.answered == "held by container shop-web-1"


async def test_nothing_is_tracked_of_a_port_whose_container_is_gone(shop: Project):
    ports = (PortBinding(container_port=80),)
    web, state = await shop.start("web", await shop.network(), script=SERVE, ports=ports)
    await shop.inside(web, ASK + "127.0.0.1 80")

    def tracked() -> bool:
        return any(address_of(state) in (e.source, e.reply_source) for e in list_entries())

    assert ask(gateway_of(shop), state.ports[0].host_port).startswith("web-1 sees")
    assert tracked()
    await shop.engine.stop_container(web.id, grace=0)
    assert not tracked()


# --- subnets


async def test_networks_of_two_roots_never_keep_the_same_subnet(shop: Project, other_paths: Paths):
    """Each root knows only its own rows: the second one to make its bridge chooses again."""
    async with open_project(other_paths, "shop") as other:
        for project in (shop, other):
            await project.network()
        states = [(await project.start("web", "shop_default"))[1] for project in (shop, other)]
        subnets = [project.engine.network("shop_default").subnet for project in (shop, other)]
        assert subnets[0] != subnets[1]
        for state, subnet in zip(states, subnets, strict=True):
            assert ip_address(address_of(state)) in ip_network(subnet)


async def test_a_network_without_a_container_is_not_in_the_way_of_another_root(
    shop: Project, other_paths: Paths
):
    """Both have the same subnet, and the other one makes its bridge: no rule of ours may speak of it."""
    pool = (IpamPool(subnet="10.231.7.0/24"),)
    await shop.network(ipam=pool)
    await shop.start("web", await shop.network("back"))
    async with open_project(other_paths, "shop") as other:
        network = await other.network(ipam=pool)
        _server, state = await other.start("server", network, script=SERVE)
        client, at = await other.start("client", network)
        said = await other.inside(client, ASK + f"{address_of(state)} 80")
        assert said == f"server-1 sees {address_of(at)}"


async def test_many_networks_made_at_once_have_subnets_of_their_own(shop: Project, root: Path):
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from runtime.engine import Engine\n"
        "from runtime.paths import find_paths\n"
        "from runtime.values import NetworkOptions\n"
        "engine = Engine(find_paths({'PYCOMPOSE_ROOT': sys.argv[1]}))\n"
        "for number in range(3):\n"
        "    asyncio.run(engine.create_network(NetworkOptions(name=f'{sys.argv[2]}{number}')))\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", script, str(root), name], cwd=TOP)
        for name in ("a", "b", "c")
    ]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    records = [one for one in shop.engine.networks() if not one.project_id]
    assert len({record.subnet for record in records}) == 9
    for record in records:
        await shop.engine.remove_network(record.name)


# --- deaths


async def test_names_and_forwarded_ports_survive_the_supervisor(shop: Project, paths: Paths):
    ports = (PortBinding(container_port=80), PortBinding(container_port=53, protocol="udp"))
    network = await shop.network()
    web, state = await shop.start("web", network, script=SERVE, ports=ports)
    client, _ = await shop.start("client", network)
    await shop.inside(web, ASK + "127.0.0.1 80")
    for _time in range(2):
        record = json.loads(paths.project(web.project_id).keeper_record.read_text())
        supervisor = record["supervisor_pid"]
        os.kill(supervisor, signal.SIGKILL)
        await gone(supervisor)
        assert await shop.inside(client, DIG + "udp web 1") == f"ok {address_of(state)}"
        assert await shop.inside(client, DIG + "tcp web 1") == f"ok {address_of(state)}"
        for host in ("127.0.0.1", "::1"):
            assert ask(host, state.ports[0].host_port) == f"web-1 sees {gateway_of(shop)}"
    await shop.engine.stop_container(web.id, grace=0)
    assert await shop.inside(client, DIG + "udp web 1") == "unknown"
    assert ask("127.0.0.1", state.ports[0].host_port) == "ConnectionRefusedError"


async def gone(pid: int) -> None:
    with suppress(ProcessLookupError), open(os.pidfd_open(pid)) as pidfd:
        with anyio.fail_after(30):
            await anyio.wait_readable(pidfd)
