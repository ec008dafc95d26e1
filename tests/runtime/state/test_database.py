"""What exists survives as rows, and a half-made thing is never seen as made."""

import sqlite3
import threading
import time
from collections import Counter
from random import Random

import pytest

from runtime import frozen
from runtime.errors import AlreadyExists, RuntimeFault
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database, EndpointRow
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Event,
    Mount,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    ProjectId,
    ProjectRecord,
    VolumeOptions,
    VolumeRecord,
)


@pytest.fixture
def database(paths: Paths) -> Database:
    ensure_directories(paths)
    return Database.open(paths)


@pytest.fixture
def shop(database: Database) -> ProjectRecord:
    return database.ensure_project("shop", new_id="12345678", folder="/x", files=("/x/c.yaml",))


def container(name: str = "shop-web-1", first: str = "a") -> ContainerRecord:
    return ContainerRecord(
        id=ContainerId(first * 64),
        project_id=ProjectId("12345678"),
        options=ContainerOptions(
            project="shop", name=name, mounts=(Mount(type="volume", source="v", target="/v"),)
        ),
        created_at=1.5,
    )


def network(name: str = "shop_default", number: str = "1") -> NetworkRecord:
    return NetworkRecord(
        id=NetworkId(number * 64),
        options=NetworkOptions(name=name, project="shop"),
        project_id="12345678",
        bridge=f"pc0000123{number}",
        subnet="172.17.0.0/16",
        gateway="172.17.0.1",
    )


def test_a_container_comes_back_as_it_was_put_in(database: Database, shop: ProjectRecord):
    database.add_container(container(), ())
    database.set_phase(container().id, "there")
    assert database.containers(shop.id) == (container(),)


def test_a_container_that_is_being_made_is_not_seen(database: Database, shop: ProjectRecord):
    database.add_container(container(), ())
    assert database.containers() == ()
    assert database.find_container("shop-web-1") is None
    assert database.unfinished_containers(shop.id) == (("a" * 64, "creating"),)


def test_a_container_name_is_given_once(database: Database, shop: ProjectRecord):
    database.add_container(container(), ())
    with pytest.raises(
        AlreadyExists, match='container name "shop-web-1" is already in use'
    ) as caught:
        database.add_container(container(first="b"), ())
    assert caught.value.answered == "project shop has it"
    assert caught.value.hint == ("`pycompose -p shop down`, or choose another `container_name`")


def test_a_container_is_not_given_the_name_of_another(database: Database, shop: ProjectRecord):
    database.add_container(container(), (), phase="there")
    database.add_container(container("shop-web-2", first="b"), (), phase="there")
    with pytest.raises(AlreadyExists, match='container name "shop-web-1" is already in use'):
        database.rename_container("b" * 64, container().options)
    database.rename_container("a" * 64, container().options)


@pytest.mark.parametrize("words", ["shop-web-1", "a" * 64, "aaa"])
def test_a_container_is_found_by_name_by_id_and_by_the_beginning_of_its_id(
    database: Database, shop: ProjectRecord, words: str
):
    database.add_container(container(), (), phase="there")
    assert database.find_container(words) == container()


@pytest.mark.parametrize("words", ["", "aa", "shop", "*", "a?a"])
def test_nothing_else_finds_a_container(database: Database, shop: ProjectRecord, words: str):
    database.add_container(container(), (), phase="there")
    assert database.find_container(words) is None


def test_the_beginning_of_two_ids_finds_neither(database: Database, shop: ProjectRecord):
    database.add_container(container(), (), phase="there")
    other = ContainerRecord(
        id=ContainerId("a" * 63 + "b"),
        project_id=ProjectId("12345678"),
        options=ContainerOptions(project="shop", name="other"),
    )
    database.add_container(other, (), phase="there")
    assert database.find_container("aaaa") is None


def test_a_network_with_an_endpoint_stays(database: Database, shop: ProjectRecord):
    database.add_container(container(), (), phase="there")
    database.add_network(network())
    database.put_endpoints([EndpointRow("1" * 64, "a" * 64, "172.17.0.2")])
    assert database.delete_network("1" * 64) is False
    database.delete_containers([("a" * 64, False)])
    assert database.delete_network("1" * 64) is True
    assert database.networks() == ()


def test_an_address_is_given_once_in_a_network(database: Database, shop: ProjectRecord):
    database.add_network(network())
    for name, first in (("one", "a"), ("two", "b")):
        database.add_container(container(name, first), (), phase="there")
    database.put_endpoints([EndpointRow("1" * 64, "a" * 64, "172.17.0.2")])
    with pytest.raises(sqlite3.IntegrityError):
        with database.transaction("endpoints") as connection:
            connection.execute(
                "INSERT INTO endpoint (network_id, container_id, ipv4) VALUES (?,?,?)",
                ("1" * 64, "b" * 64, "172.17.0.2"),
            )


def test_a_volume_that_is_mounted_stays(database: Database, shop: ProjectRecord):
    database.add_volume(VolumeRecord(options=VolumeOptions(name="v"), path="/v"))
    database.add_container(container(), ["v"], phase="there")
    assert database.delete_volume("v") is False
    assert database.volume_users("v") == ("shop-web-1",)
    database.delete_containers([("a" * 64, False)])
    assert database.delete_volume("v") is True


def test_a_project_is_forgotten_when_nothing_of_it_is_left(database: Database, shop: ProjectRecord):
    database.add_network(network())
    assert database.forget_project(shop.id) is False
    database.delete_network("1" * 64)
    assert database.forget_project(shop.id) is True
    assert database.projects() == ()


def test_events_come_back_in_order_and_within_their_times(database: Database, shop: ProjectRecord):
    events = [
        Event(time=float(i), type="container", action="start", id="a", project_id=shop.id)
        for i in range(5)
    ]
    for event in events:
        database.add_event(event)
    assert database.events(shop.id, since=1.0, until=3.0) == tuple(events[1:4])


def test_a_transaction_that_fails_leaves_nothing(database: Database, shop: ProjectRecord):
    def fail() -> None:
        with database.transaction("endpoints") as connection:
            connection.execute("DELETE FROM project")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.find_project("shop") == shop


def test_a_file_that_is_no_database_is_refused_with_its_path(paths: Paths):
    ensure_directories(paths)
    paths.database.write_bytes(b"not a database, but long enough to look like a file of one" * 20)
    with pytest.raises(RuntimeFault) as caught:
        Database.open(paths)
    assert caught.value.code == "E301"
    assert str(paths.database) in caught.value.message


def test_a_newer_schema_is_refused_and_not_rewritten(paths: Paths):
    ensure_directories(paths)
    Database.open(paths).close()
    connection = sqlite3.connect(paths.database)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(RuntimeFault, match="newer pycompose"):
        Database.open(paths)


def test_two_processes_make_the_same_database_once(paths: Paths):
    ensure_directories(paths)
    first, second = Database.open(paths), Database.open(paths)
    first.ensure_project("shop", new_id="1", folder="/", files=())
    assert second.ensure_project("shop", new_id="2", folder="/", files=()).id == "1"


def test_old_events_go_when_there_are_too_many(database: Database, shop: ProjectRecord):
    started = time.time()
    for i in range(2100):
        database.add_event(
            Event(time=started + i, type="container", action="start", id="a", project_id=shop.id)
        )
    kept = database.events(shop.id, since=0.0, until=1e12)
    assert len(kept) == 2000
    assert kept[-1].time == started + 2099


def test_threads_take_turns_and_none_sees_what_another_has_not_committed(
    database: Database, shop: ProjectRecord
):
    # Negative control: without turns the second BEGIN fails within the first's transaction.
    inside, seen = threading.Event(), []

    def look_and_write() -> None:
        inside.wait(30)
        seen.append([project.name for project in database.projects()])
        database.ensure_project("third", new_id="3", folder="/3", files=())

    other = threading.Thread(target=look_and_write)
    other.start()
    with database.transaction("slow") as connection:
        connection.execute(
            "INSERT INTO project (id, name, folder, files, created_at) VALUES ('2', 'second', '', '[]', 0)"
        )
        inside.set()
        other.join(0.2)
        assert seen == []
    other.join(30)
    assert seen == [["second", "shop"]]
    assert database.find_project("third") is not None


def use(paths: Paths) -> None:
    """What a command reads and writes."""
    reading = Database.open_to_read(paths)
    if reading is not None:
        reading.events("12345678", since=0, until=1e12)
        reading.all_endpoints()
        reading.close()
    database = Database.open(paths)
    database.ensure_project("shop", new_id="12345678", folder="/x", files=())
    for container in database.containers("12345678"):
        database.set_phase(container.id, "there")
    database.volumes()
    database.networks()
    database.add_event(
        Event(time=1.0, type="container", action="start", id="a", project_id="12345678")
    )
    database.close()


def test_r28_a_damaged_file_is_read_or_refused_and_never_a_defect(
    paths: Paths, database: Database, shop: ProjectRecord
):
    database.add_network(network())
    database.add_volume(VolumeRecord(options=VolumeOptions(name="v"), path="/v"))
    database.add_container(container(), ["v"], phase="there")
    database.put_endpoints([EndpointRow("1" * 64, "a" * 64, ipv4="172.17.0.2", names=("web",))])
    for number in range(50):
        event = Event(time=1.0, type="container", action="start", id="a" * 64, project_id=shop.id)
        database.add_event(frozen.replace(event, attributes={"number": f"{number:0200}"}))
    database.close()
    whole = paths.database.read_bytes()
    random = Random(28)
    damaged = [whole[:size] for size in range(0, len(whole), 512)]
    for number in range(300):
        bits = bytearray(whole)
        for _ in range(1 + number % 10):
            bits[random.randrange(len(bits))] ^= 1 << random.randrange(8)
        damaged.append(bytes(bits))
    outcomes: Counter[str] = Counter()
    for number, content in enumerate(damaged):
        other = Paths(paths.data / str(number), paths.run)
        ensure_directories(other)
        other.database.write_bytes(content)
        try:
            use(other)
            outcomes["read"] += 1
        except RuntimeFault as fault:
            outcomes[fault.code] += 1
    assert {*outcomes} <= {"read", "E301", "E302"}
    assert outcomes["read"] > 10
    assert outcomes["E301"] > 100
