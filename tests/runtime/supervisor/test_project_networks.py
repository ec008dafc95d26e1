"""What a hundred ends at once cost, and what stays known of containers that stand still."""

from collections.abc import Collection

import anyio
import pytest

from runtime.errors import RuntimeFault
from runtime.networks import bridge
from runtime.networks.names import find_addresses
from runtime.paths import Paths, ensure_directories
from runtime.state import run_states
from runtime.state.database import Database, EndpointRow
from runtime.supervisor import departures
from runtime.supervisor.known_names import KnownNames, read_zones
from runtime.supervisor.project_networks import ProjectNetworks
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    EndpointState,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    ProjectId,
    RunState,
)

pytestmark = pytest.mark.anyio

NETWORK = NetworkRecord(
    id=NetworkId("1" * 64),
    options=NetworkOptions(name="shop_default", project="shop"),
    project_id="12345678",
    bridge="pc00001234b0001",
    subnet="172.17.0.0/16",
    gateway="172.17.0.1",
)


def container(number: int) -> ContainerRecord:
    return ContainerRecord(
        id=ContainerId(f"{number:064x}"),
        project_id=ProjectId("12345678"),
        options=ContainerOptions(
            project="shop", name=f"shop-web-{number}", endpoints=(Endpoint(network="shop_default"),)
        ),
    )


@pytest.fixture
def database(paths: Paths) -> Database:
    ensure_directories(paths)
    database = Database.open(paths)
    database.ensure_project("shop", new_id="12345678", folder="/x", files=())
    database.add_network(NETWORK)
    for number in range(2, 102):
        record = container(number)
        database.add_container(record, ())
        address, link = f"172.17.0.{number}", f"v{number}"
        database.put_endpoints(
            [EndpointRow(NETWORK.id, record.id, address, "", "", link, ("web",))]
        )
    return database


async def end_all(networks: ProjectNetworks) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(networks.maintain)
        for number in range(2, 102):
            await networks.leave(container(number))
        await networks.remove([])
        tasks.cancel_scope.cancel()


async def test_links_of_a_hundred_containers_that_end_at_once_go_together(
    paths: Paths, database: Database, monkeypatch: pytest.MonkeyPatch
):
    calls: list[Collection[str]] = []
    monkeypatch.setattr(
        bridge, "remove_bridges", lambda records, *, ports: calls.append(set(ports))
    )
    await end_all(ProjectNetworks(paths, "12345678", database))
    assert len(calls) <= 3
    assert set().union(*calls) == {f"v{number}" for number in range(2, 102)}
    rows = database.endpoints(network_id=NETWORK.id)
    assert {row.link for row in rows} == {""}
    assert len({row.ipv4 for row in rows}) == 100


async def test_links_that_the_kernel_did_not_take_are_tried_again_with_the_next(
    paths: Paths, database: Database, monkeypatch: pytest.MonkeyPatch
):
    calls: list[Collection[str]] = []

    def remove(records: object, *, ports: Collection[str]) -> None:
        calls.append(set(ports))
        if len(calls) == 1:
            raise RuntimeFault("cannot delete links", answered="EBUSY")

    monkeypatch.setattr(bridge, "remove_bridges", remove)
    networks = ProjectNetworks(paths, "12345678", database)
    await networks.leave(container(2))
    with pytest.raises(RuntimeFault, match="cannot delete links"):
        await networks.remove([])
    await networks.leave(container(3))
    await networks.remove([])
    assert calls == [{"v2"}, {"v2", "v3"}]


def test_a_container_without_its_link_has_no_address_but_keeps_its_name(database: Database):
    zone = read_zones(database)["shop_default"]
    assert len(zone.names["web"]) == 100
    assert {member.addresses for member in zone.names["web"]} == {()}


def test_a_question_between_a_lease_and_its_link_leaves_no_wrong_answer_behind(
    paths: Paths, database: Database, monkeypatch: pytest.MonkeyPatch
):
    links: list[tuple[int, str]] = []
    monkeypatch.setattr("socket.if_nameindex", lambda: links)
    names = KnownNames(paths)
    assert find_addresses("web", names.view(container(2))) == []
    links.append((9, "v2"))
    database.put_endpoints(database.endpoints(container_id=container(2).id))
    assert find_addresses("web", names.view(container(2))) == ["172.17.0.2"]


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], set[str]]]:
    """(names of bridges, links) of each wait for the kernel."""
    calls: list[tuple[list[str], set[str]]] = []

    def remove(records: Collection[NetworkRecord], *, ports: Collection[str]) -> None:
        calls.append(([record.bridge for record in records], set(ports)))

    monkeypatch.setattr(bridge, "remove_bridges", remove)
    return calls


async def test_a_network_that_is_removed_next_goes_with_the_last_of_its_links(
    paths: Paths, database: Database, removed: list[tuple[list[str], set[str]]]
):
    networks = ProjectNetworks(paths, "12345678", database)
    for number in range(2, 102):
        await networks.leave(container(number), networks_go=True)
    await networks.remove([])
    assert removed == [([NETWORK.bridge], {f"v{number}" for number in range(2, 102)})]


async def test_a_network_stays_while_anybody_runs_on_it(
    paths: Paths, database: Database, removed: list[tuple[list[str], set[str]]]
):
    networks = ProjectNetworks(paths, "12345678", database)
    await networks.leave(container(2), networks_go=True)
    await networks.remove([])
    assert removed == [([], {"v2"})]


async def test_a_network_that_is_not_removed_keeps_its_bridge(
    paths: Paths, database: Database, removed: list[tuple[list[str], set[str]]]
):
    networks = ProjectNetworks(paths, "12345678", database)
    for number in range(2, 102):
        await networks.leave(container(number))
    await networks.remove([])
    assert {name for names, _links in removed for name in names} == set()


def say_that_it_runs(paths: Paths, number: int) -> None:
    project = paths.project("12345678")
    project.states.mkdir(parents=True)
    endpoint = EndpointState(network="shop_default", ipv4_address=f"172.17.0.{number}")
    run_states.write_state(
        project, container(number).id, RunState(status="running", endpoints=(endpoint,))
    )


@pytest.mark.parametrize(("patience", "turns"), [(0.0, [{"v2"}, {"v3"}]), (60.0, [{"v2", "v3"}])])
async def test_those_that_go_with_their_network_wait_for_the_last_but_not_for_ever(
    paths: Paths,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    patience: float,
    turns: list[set[str]],
):
    gone: list[set[str]] = []
    somebody_went = anyio.Event()

    def remove(records: object, *, ports: Collection[str]) -> None:
        gone.append(set(ports))
        anyio.from_thread.run_sync(somebody_went.set)

    monkeypatch.setattr(bridge, "remove_bridges", remove)
    monkeypatch.setattr(departures, "TOGETHER_SECONDS", patience)
    say_that_it_runs(paths, 3)
    networks = ProjectNetworks(paths, "12345678", database)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(networks.maintain)
            await networks.leave(container(2), networks_go=True)
            if not patience:
                await somebody_went.wait()
                somebody_went = anyio.Event()
            await networks.leave(container(3), networks_go=True)
            await somebody_went.wait()
            tasks.cancel_scope.cancel()
    assert gone == turns
