"""The engine from its door to the kernel: keeper, supervisor, namespaces, bridge, rules; and back to nothing."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address, ip_network

import pytest

from runtime import start_keeper
from runtime.engine import Engine
from runtime.errors import InUse, NotFound, PortTaken, StartFailed
from runtime.paths import Paths
from runtime.values import (
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    ExecOptions,
    Mount,
    NetworkOptions,
    PortBinding,
    VolumeOptions,
)
from tests.census import census
from tests.conftest import wait_for_end

pytestmark = [pytest.mark.kernel, pytest.mark.anyio]

NETWORK = "shop_default"
LOOP = "trap 'exit 3' TERM; echo started; while :; do sleep 0.1; done"


@pytest.fixture(autouse=True)
def nothing_is_left(paths: Paths) -> Iterator[None]:
    before = census(paths)
    yield
    wait_for_end(paths)
    assert census(paths) == before


@pytest.fixture
async def engine(paths: Paths, anyio_backend: str) -> AsyncIterator[Engine]:
    engine = Engine(paths, project="shop", folder="/x")
    await engine.open()
    await engine.create_network(NetworkOptions(name=NETWORK, project="shop"))
    yield engine
    for record in engine.containers("shop"):
        await engine.remove_container(record.id, force=True, volumes=True)
    for volume in engine.volumes("shop"):
        await engine.remove_volume(volume.name)
    if engine.network(NETWORK):
        await engine.remove_network(NETWORK)
    assert await engine.remove_project_row("shop")
    await engine.aclose()


async def create(engine: Engine, script: str, **options: object) -> ContainerRecord:
    given = {
        "project": "shop",
        "name": "shop-web-1",
        "service": "web",
        "number": 1,
        "image": "host",
        "command": ("sh", "-c", script),
        "endpoints": (Endpoint(network=NETWORK),),
        **options,
    }
    return await engine.create_container(ContainerOptions(**given))


async def run_inside(engine: Engine, record: ContainerRecord, script: str) -> tuple[int, str]:
    """Exit code and output of a further process."""
    readable, writable = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    options = ExecOptions(command=("sh", "-c", script))
    session = await engine.exec(record.id, options, stdio=(null, writable, writable))
    os.close(writable)
    os.close(null)
    code = await session.wait()
    session.close()
    with open(readable, encoding="utf-8") as file:
        return code, file.read()


async def test_a_container_starts_and_says_where_it_is(engine: Engine):
    record = await create(engine, LOOP)
    started = await engine.start_container(record.id)
    assert started.state.status == "running"
    subnet = engine.network(NETWORK).subnet
    (address,) = [one.ipv4_address for one in started.state.endpoints]
    assert ip_address(address) in ip_network(subnet)
    assert engine.container("shop-web-1").state.pid == started.state.pid


async def test_a_supervisor_that_is_not_told_where_packages_are_finds_them_itself(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(start_keeper, "LIBRARIES", ())
    engine = Engine(paths, project="shop", folder="/x")
    await engine.open()
    record = await create(engine, "exit 3", endpoints=(), network_mode="none")
    await engine.start_container(record.id)
    await engine.remove_container(record.id, force=True)
    assert await engine.remove_project_row("shop")
    await engine.aclose()


async def test_the_name_of_one_whose_maker_was_killed_meanwhile_is_free(engine: Engine):
    half_made = await create(engine, "sleep 60")
    engine._write().set_phase(half_made.id, f"creating {os.getpid()} 1")
    made = await create(engine, "sleep 60")
    assert made.id != half_made.id
    assert engine.containers() == (made,)
    await engine.remove_container(made.id)


async def test_stop_returns_the_programs_own_exit_code(engine: Engine):
    record = await create(engine, LOOP)
    await engine.start_container(record.id)
    async with engine.watch():
        await run_inside(engine, record, "until [ -e /proc/1/status ]; do :; done")
    state = await engine.stop_container(record.id)
    assert state.status == "exited"
    assert state.exit_code in (3, 143)  # 143: the signal came before the shell had set its trap


async def test_kill_ends_it_at_once_with_137(engine: Engine):
    record = await create(engine, LOOP)
    await engine.start_container(record.id)
    async with engine.watch() as happenings:
        await engine.kill_container(record.id)
        async for happening in happenings:
            if happening.event.action == "die":
                break
    assert engine.container(record.id).state.exit_code == 137


async def test_exec_runs_beside_it_and_returns_its_exit_code(engine: Engine):
    record = await create(engine, LOOP)
    await engine.start_container(record.id)
    code, output = await run_inside(engine, record, "hostname; exit 5")
    assert (code, output) == (5, f"{record.id[:12]}\n")


async def test_image_host_hides_what_is_private(engine: Engine, root):
    record = await create(engine, LOOP)
    await engine.start_container(record.id)
    script = f"ls -A /root /home /srv; ls {root} /etc/sudoers 2>&1; ls /usr/bin/env"
    _code, output = await run_inside(engine, record, script)
    assert "No such file" in output
    assert "state.db" not in output
    assert output.endswith("/usr/bin/env\n")


async def test_two_containers_reach_each_other(engine: Engine):
    server = await create(engine, "exec python3 -m http.server 8000")
    client = await create(engine, LOOP, name="shop-client-1", service="client")
    started = await engine.start_container(server.id)
    await engine.start_container(client.id)
    (address,) = [one.ipv4_address for one in started.state.endpoints]
    ask = (
        "python3 -c 'import errno, socket, time\n"
        "socket.setdefaulttimeout(10)  # packets that are dropped on the way are an answer, too\n"
        "for _ in range(200):\n"
        f'  answer = socket.socket().connect_ex(("{address}", 8000))\n'
        "  if answer != errno.ECONNREFUSED: raise SystemExit(answer)\n"
        "  time.sleep(0.05)'"
    )
    code, output = await run_inside(engine, client, ask)
    assert (code, output) == (0, "")


async def test_a_published_port_is_reached_from_the_host(engine: Engine):
    record = await create(
        engine,
        "mkdir /www && echo hello > /www/index.html && exec python3 -m http.server -d /www 8000",
        ports=(PortBinding(container_port=8000, host_ip="0.0.0.0"),),
    )
    started = await engine.start_container(record.id)
    (port,) = started.state.ports
    wait = "until python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8000))' 2>/dev/null; do sleep 0.05; done"
    await run_inside(engine, record, wait)
    gateway = engine.network(NETWORK).gateway
    for host in ("127.0.0.1", gateway):
        answer = urllib.request.urlopen(f"http://{host}:{port.host_port}/", timeout=5)
        assert answer.read() == b"hello\n"


async def test_a_taken_port_is_refused_before_anything_starts(engine: Engine):
    first = await create(engine, LOOP, ports=(PortBinding(container_port=80),))
    started = await engine.start_container(first.id)
    number = started.state.ports[0].host_port
    second = await create(
        engine,
        LOOP,
        name="shop-other-1",
        ports=(PortBinding(container_port=80, host_port=number),),
    )
    with pytest.raises(PortTaken, match=f"port 0.0.0.0:{number}/tcp is already in use"):
        await engine.start_container(second.id)
    assert engine.container(second.id).state.status != "running"


async def test_a_program_that_is_not_there_is_127(engine: Engine):
    record = await create(engine, "", command=("nowhere",))
    with pytest.raises(StartFailed, match="executable file not found") as caught:
        await engine.start_container(record.id)
    assert caught.value.exit_code == 127


async def test_a_volume_outlives_its_container(engine: Engine):
    await engine.create_volume(VolumeOptions(name="shop_data", project="shop"))
    mounts = (Mount(type="volume", source="shop_data", target="/data"),)
    first = await create(engine, "echo kept > /data/file; " + LOOP, mounts=mounts)
    await engine.start_container(first.id)
    await run_inside(engine, first, "until [ -e /data/file ]; do sleep 0.02; done")
    with pytest.raises(InUse):
        await engine.remove_volume("shop_data")
    await engine.remove_container(first.id, force=True)
    second = await create(engine, LOOP, mounts=mounts)
    await engine.start_container(second.id)
    assert await run_inside(engine, second, "cat /data/file") == (0, "kept\n")


async def test_what_it_wrote_is_read_back(engine: Engine):
    record = await create(engine, "echo out; echo err >&2")
    async with engine.watch() as happenings:
        await engine.start_container(record.id)
        async for happening in happenings:
            if happening.event.action == "die":
                break
    lines = engine.read_logs(engine.container(record.id))
    assert {(line.stream, line.text) for line in lines} == {("stdout", b"out"), ("stderr", b"err")}


async def test_an_image_that_is_not_there_is_named(engine: Engine):
    with pytest.raises(NotFound, match="no such image: nowhere:1"):
        await create(engine, LOOP, image="nowhere:1")
    assert engine.containers("shop") == ()
