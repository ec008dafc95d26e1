"""What exists, as rows: one SQLite database per root, changed in short transactions.

Intention first, kernel second, fact third (DESIGN.md 5): a container's row stands as `creating`
before its folder is made and as `removing` before it goes, so that recovery.py can finish either.
Any process of ours opens it; WAL lets readers go on beside the one writer. Leaves kernel objects to
lifecycle.py and run state to run_states.py.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from runtime import codec, frozen
from runtime.errors import AlreadyExists, RuntimeFault
from runtime.linux import faults
from runtime.paths import Paths
from runtime.state import reserve
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Event,
    ImageConfig,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    ProjectId,
    ProjectRecord,
    VolumeOptions,
    VolumeRecord,
)

T = TypeVar("T")

SCHEMA_VERSION = 1
BUSY_SECONDS = 20.0
KEPT_EVENTS = 2000
_SCHEMAS = (
    Path(__file__).with_name("schema.sql"),
    Path(__file__).parent.parent / "images" / "schema.sql",
)


class EndpointRow(NamedTuple):
    """An address that a container has on a network."""

    network_id: str
    container_id: str
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""
    link: str = ""
    names: tuple[str, ...] = ()


class Database:
    """The rows of one root. One connection per process: its threads take turns, a transaction being
    one turn.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._turn = threading.RLock()
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, paths: Paths) -> Database:
        """Open, and make it when it is not there. Raises RuntimeFault when it cannot be read
        (R28)."""
        reserve.give_back(paths.data)
        database = cls._connect(paths.database)
        version = database._ask("PRAGMA user_version")[0][0]
        if version < SCHEMA_VERSION:
            database._create()
            reserve.keep(paths.data)
        elif version > SCHEMA_VERSION:
            raise RuntimeFault(
                f"{paths.database} was written by a newer pycompose (schema {version})",
                code="E302",
                tried="open the state database",
                answered=f"this version knows schema {SCHEMA_VERSION}",
                hint="use the newer pycompose, or another PYCOMPOSE_ROOT",
            )
        return database

    @classmethod
    def open_to_read(cls, paths: Paths) -> Database | None:
        """The same for commands that change nothing; None when nothing was ever made here."""
        return cls.open(paths) if paths.database.exists() else None

    @classmethod
    def _connect(cls, path: Path) -> Database:
        try:
            with faults.point("open database"):
                connection = sqlite3.connect(
                    path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
                )
                _write_ahead(connection)
                for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
                    connection.execute(f"PRAGMA {pragma}")
            return cls(connection, path)
        except _UNUSABLE as error:
            raise _unreadable(path, error) from error

    def close(self) -> None:
        """The last one to close moves what is in the write-ahead log to the file."""
        with faults.point("close database"):
            self._connection.close()

    def _create(self) -> None:
        with self.transaction("schema"):
            if self._ask("PRAGMA user_version")[0][0] >= SCHEMA_VERSION:
                return  # somebody else was first
            for schema in _SCHEMAS:
                for statement in _statements(schema):
                    self._connection.execute(statement)
            for volume in _orphaned_volumes(self._path.parent / "volumes"):
                _insert_volume(self._connection, volume)
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextmanager
    def transaction(self, name: str, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One short write. `durable` waits for the disk: for what must survive a power cut."""
        with self._turn:
            yield from self._transaction(name, durable=durable)

    def _transaction(self, name: str, *, durable: bool) -> Iterator[sqlite3.Connection]:
        try:
            reserve.give_back(self._path.parent)
            if durable:
                self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                with faults.point(f"commit {name}"):
                    self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.IntegrityError:
            raise
        except _UNUSABLE as error:
            raise _unreadable(self._path, error) from error
        finally:
            if durable:
                self._connection.execute("PRAGMA synchronous=NORMAL")

    def version(self) -> int:
        """Another number as soon as any other connection has written."""
        return int(self._ask("PRAGMA data_version")[0][0])

    def rows(self, query: str, *values: Any) -> list[Any]:
        """A query of a neighbour's tables: images have theirs in this database."""
        return self._ask(query, *values)

    def records(self, build: Callable[[Any], T], query: str, *values: Any) -> tuple[T, ...]:
        """The rows of a query as values. R28: text that is none is a damage of the file."""
        rows = self._ask(query, *values)
        try:
            return tuple(map(build, rows))
        except (ValueError, TypeError) as error:
            raise _unreadable(self._path, error) from error

    def _ask(self, query: str, *values: Any) -> list[Any]:
        try:
            with self._turn:
                return self._connection.execute(query, values).fetchall()
        except _UNUSABLE as error:
            raise _unreadable(self._path, error) from error

    # --- projects

    def projects(self) -> tuple[ProjectRecord, ...]:
        query = "SELECT id, name, folder, files, created_at FROM project ORDER BY name"
        return self.records(_project, query)

    def find_project(self, name: str) -> ProjectRecord | None:
        return next((project for project in self.projects() if project.name == name), None)

    def ensure_project(
        self, name: str, *, new_id: str, folder: str, files: tuple[str, ...]
    ) -> ProjectRecord:
        """The project's row; made with `new_id` when there is none. An existing one keeps folder
        and files."""
        if (found := self.find_project(name)) is not None:
            return found
        with self.transaction("project", durable=True) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO project VALUES (?,?,?,?,?)",
                (new_id, name, folder, json.dumps(files), time.time()),
            )
        found = self.find_project(name)
        if found is None:  # R28: a damaged index hides it
            raise _unreadable(self._path, ValueError("a row that was just written is not there"))
        return found

    def move_project(self, project_id: str, *, folder: str, files: tuple[str, ...]) -> None:
        with self.transaction("project") as connection:
            connection.execute(
                "UPDATE project SET folder=?, files=? WHERE id=?",
                (folder, json.dumps(files), project_id),
            )

    def forget_project(self, project_id: str) -> bool:
        """Remove the row once nothing is left that needs it. False while something is."""
        with self.transaction("forget project") as connection:
            for table in ("container", "network", "volume"):
                query = f"SELECT 1 FROM {table} WHERE project_id=? LIMIT 1"
                if connection.execute(query, (project_id,)).fetchone():
                    return False
            connection.execute("DELETE FROM event WHERE project_id=?", (project_id,))
            connection.execute("DELETE FROM project WHERE id=?", (project_id,))
        return True

    # --- containers

    def containers(self, project_id: str | None = None) -> tuple[ContainerRecord, ...]:
        """Rows whose files stand, ordered by name; the state in them is the default one."""
        where, values = ("AND project_id=?", (project_id,)) if project_id is not None else ("", ())
        return self.records(
            _container, f"{_CONTAINERS} WHERE phase='there' {where} ORDER BY name", *values
        )

    def find_container(self, id_or_name: str) -> ContainerRecord | None:
        """By name, by id, or by three digits or more that begin one container's id alone."""
        found = self.records(
            _container,
            f"{_CONTAINERS} WHERE phase='there'"
            " AND (name=?1 OR id=?1 OR (length(?1)>=3 AND substr(id,1,length(?1))=?1)) LIMIT 2",
            id_or_name,
        )
        exact = [one for one in found if id_or_name in (one.id, one.name)] or found
        return exact[0] if len(exact) == 1 else None

    def add_container(
        self,
        record: ContainerRecord,
        volumes: Iterable[str],
        *,
        new_volumes: Iterable[VolumeRecord] = (),
        phase: str = "creating",
    ) -> None:
        """The intention, with its anonymous volumes. Raises AlreadyExists when the name is
        taken."""
        options = record.options
        try:
            with self.transaction("create container") as connection:
                connection.execute(
                    "INSERT INTO container VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                    (
                        record.id,
                        record.project_id,
                        options.name,
                        options.service,
                        codec.dumps(options),
                        codec.dumps(record.image),
                        record.image_id,
                        json.dumps(dict(record.anonymous_volumes)),
                        record.desired,
                        record.created_at,
                        phase,
                    ),
                )
                for volume in new_volumes:
                    _insert_volume(connection, volume)
                connection.executemany(
                    "INSERT OR IGNORE INTO volume_use VALUES (?,?)",
                    [(name, record.id) for name in volumes],
                )
        except sqlite3.IntegrityError as error:
            if "FOREIGN KEY" in str(error):
                raise RuntimeFault(
                    f"container {options.name}: a volume that it mounts is not there",
                    code="E313",
                    tried=f"create container {options.name}",
                    hint="somebody removed it meanwhile: try again",
                ) from error
            raise self._name_taken(options.name) from error

    def _name_taken(self, name: str) -> AlreadyExists:
        query = "SELECT p.name FROM container c JOIN project p ON p.id=c.project_id WHERE c.name=?"
        rows = self._ask(query, name)
        owner = f"project {rows[0][0]} has it" if rows else "it has gone meanwhile"
        remove = f"`pycompose -p {rows[0][0]} down`" if rows else "try again"
        return AlreadyExists(
            f'container name "{name}" is already in use',
            code="E303",
            tried=f"create container {name}",
            answered=owner,
            hint=f"{remove}, or choose another `container_name`",
        )

    def set_phase(self, container_id: str, phase: str) -> None:
        """creating -> there -> removing."""
        self.set_phases({container_id: phase})

    def set_phases(self, phases: Mapping[str, str]) -> None:
        """By container."""
        with self.transaction("phase") as connection:
            connection.executemany(
                "UPDATE container SET phase=? WHERE id=?",
                [(phase, container_id) for container_id, phase in phases.items()],
            )

    def set_desired(self, container_id: str, desired: str) -> None:
        """What restart policies and `boot` go by."""
        with self.transaction("desired") as connection:
            connection.execute("UPDATE container SET desired=? WHERE id=?", (desired, container_id))

    def rename_container(self, container_id: str, options: ContainerOptions) -> None:
        """Raises AlreadyExists."""
        try:
            with self.transaction("rename container") as connection:
                connection.execute(
                    "UPDATE container SET name=?, options=? WHERE id=?",
                    (options.name, codec.dumps(options), container_id),
                )
        except sqlite3.IntegrityError as error:
            raise self._name_taken(options.name) from error

    def delete_containers(self, containers: Iterable[tuple[str, bool]]) -> tuple[str, ...]:
        """By (id, volumes). With `volumes` its anonymous ones, too, that nobody else mounts; the
        names of these."""
        gone: list[str] = []
        with self.transaction("delete container") as connection:
            for container_id, volumes in containers:
                one = (container_id,)
                names = connection.execute(_OWN_VOLUMES, one).fetchall() if volumes else []
                connection.execute("DELETE FROM container WHERE id=?", one)
                connection.executemany("DELETE FROM volume WHERE name=?", names)
                gone += [row[0] for row in names]
        return tuple(gone)

    def unfinished_containers(self, project_id: str) -> tuple[tuple[str, str], ...]:
        """(id, phase) of rows that a killed command left between two phases."""
        rows = self._ask(
            "SELECT id, phase FROM container WHERE project_id=? AND phase!='there'", project_id
        )
        return tuple((row[0], row[1]) for row in rows)

    # --- networks

    def networks(self, project_id: str | None = None) -> tuple[NetworkRecord, ...]:
        where, values = (
            ("WHERE project_id=?", (project_id,)) if project_id is not None else ("", ())
        )
        return self.records(_network, f"{_NETWORKS} {where} ORDER BY name", *values)

    def find_network(self, name_or_id: str) -> NetworkRecord | None:
        found = self.records(_network, f"{_NETWORKS} WHERE name=?1 OR id=?1", name_or_id)
        return found[0] if found else None

    def add_network(self, record: NetworkRecord) -> None:
        """Raises AlreadyExists when the name is taken."""
        try:
            with self.transaction("create network", durable=True) as connection:
                connection.execute(
                    "INSERT INTO network VALUES (?,?,?,?,?,?,?,?,?,?)",
                    (
                        record.id,
                        record.project_id,
                        record.name,
                        codec.dumps(record.options),
                        record.bridge,
                        record.subnet,
                        record.gateway,
                        record.subnet_ipv6,
                        record.gateway_ipv6,
                        record.created_at,
                    ),
                )
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(
                f"network with name {record.name} already exists", code="E304"
            ) from error

    def move_network(self, record: NetworkRecord, **changes: str) -> NetworkRecord:
        """Give it other subnets; the addresses of those that were on it are void."""
        names = ", ".join(f"{name}=?" for name in changes)
        with self.transaction("move network") as connection:
            connection.execute(
                f"UPDATE network SET {names} WHERE id=?", (*changes.values(), record.id)
            )
            connection.execute("DELETE FROM endpoint WHERE network_id=?", (record.id,))
        return frozen.replace(record, **changes)

    def delete_network(self, network_id: str) -> bool:
        """False, and nothing done, while an endpoint is on it."""
        with self.transaction("delete network") as connection:
            query = "SELECT 1 FROM endpoint WHERE network_id=? LIMIT 1"
            if connection.execute(query, (network_id,)).fetchone():
                return False
            connection.execute("DELETE FROM network WHERE id=?", (network_id,))
        return True

    # --- endpoints

    def endpoints(self, *, network_id: str = "", container_id: str = "") -> tuple[EndpointRow, ...]:
        column, value = ("network_id", network_id) if network_id else ("container_id", container_id)
        query = f"SELECT {_ENDPOINT} FROM endpoint WHERE {column}=?"
        return self.records(_endpoint, query, value)

    def all_endpoints(self) -> tuple[tuple[EndpointRow, str, str], ...]:
        """Of the whole root, each with its container's name and project."""
        columns = ", ".join(f"endpoint.{name.strip()}" for name in _ENDPOINT.split(","))
        return self.records(
            lambda row: (_endpoint(row[:-2]), row[-2], row[-1]),
            f"SELECT {columns}, container.name, container.project_id FROM endpoint"
            " JOIN container ON container.id = endpoint.container_id ORDER BY container.name",
        )

    def forget_links(self, container_id: str) -> None:
        """It does not run any more; its addresses stay its own."""
        with self.transaction("forget links") as connection:
            connection.execute("UPDATE endpoint SET link='' WHERE container_id=?", (container_id,))

    def put_endpoints(self, rows: Iterable[EndpointRow]) -> None:
        """Give addresses, or change what is known of them. Raises sqlite3.IntegrityError for a
        taken address."""
        with self.transaction("endpoints") as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO endpoint ({_ENDPOINT}) VALUES (?,?,?,?,?,?,?)",
                [(*row[:6], json.dumps(row.names)) for row in rows],
            )

    # --- volumes

    def volumes(self, project_id: str | None = None) -> tuple[VolumeRecord, ...]:
        where, values = (
            ("WHERE project_id=?", (project_id,)) if project_id is not None else ("", ())
        )
        return self.records(_volume, f"{_VOLUMES} {where} ORDER BY name", *values)

    def find_volume(self, name: str) -> VolumeRecord | None:
        found = self.records(_volume, f"{_VOLUMES} WHERE name=?", name)
        return found[0] if found else None

    def add_volume(self, record: VolumeRecord) -> None:
        """The intention: the folder is made after it. Raises AlreadyExists."""
        try:
            with self.transaction("create volume", durable=True) as connection:
                _insert_volume(connection, record)
        except sqlite3.IntegrityError as error:
            raise AlreadyExists(
                f"volume with name {record.name} already exists", code="E305"
            ) from error

    def volume_users(self, name: str) -> tuple[str, ...]:
        """Names of the containers that mount it."""
        query = (
            "SELECT c.name FROM volume_use u JOIN container c ON c.id=u.container_id"
            " WHERE u.volume=?"
        )
        return tuple(row[0] for row in self._ask(query, name))

    def delete_volume(self, name: str) -> bool:
        """False, and nothing done, while a container mounts it."""
        with self.transaction("delete volume", durable=True) as connection:
            query = "SELECT 1 FROM volume_use WHERE volume=? LIMIT 1"
            if connection.execute(query, (name,)).fetchone():
                return False
            connection.execute("DELETE FROM volume WHERE name=?", (name,))
        return True

    # --- events

    def add_event(self, event: Event) -> None:
        self.add_events([event])

    def add_events(self, events: Sequence[Event]) -> None:
        """Of one project."""
        with self.transaction("event") as connection:
            for event in events:
                cursor = connection.execute(
                    "INSERT INTO event (time, project_id, body) VALUES (?,?,?)",
                    (event.time, event.project_id, codec.dumps(event)),
                )
            connection.execute(
                "DELETE FROM event WHERE project_id=? AND number<=?",
                (event.project_id, (cursor.lastrowid or 0) - KEPT_EVENTS),
            )

    def events(self, project_id: str, *, since: float, until: float) -> tuple[Event, ...]:
        return self.records(
            lambda row: codec.loads(Event, row[0]),
            "SELECT body FROM event WHERE project_id=? AND time>=? AND time<=? ORDER BY number",
            project_id,
            since,
            until,
        )


_UNUSABLE = (sqlite3.Error, UnicodeDecodeError)
"""Of a damaged schema SQLite tells in bytes that are no text."""
_OWN_VOLUMES = (
    "SELECT v.name FROM volume v JOIN volume_use u ON u.volume=v.name"
    " WHERE u.container_id=?1 AND json_extract(v.options, '$.anonymous') AND NOT EXISTS"
    " (SELECT 1 FROM volume_use o WHERE o.volume=v.name AND o.container_id!=?1)"
)
_CONTAINERS = (
    "SELECT id, project_id, name, options, image, image_id, anonymous_volumes, desired, created_at"
    " FROM container"
)
_NETWORKS = (
    "SELECT id, options, project_id, bridge, subnet, gateway, subnet_ipv6, gateway_ipv6, created_at"
    " FROM network"
)
_VOLUMES = "SELECT options, project_id, path, created_at FROM volume"
_ENDPOINT = "network_id, container_id, ipv4, ipv6, mac, link, names"


def _orphaned_volumes(folder: Path) -> Iterator[VolumeRecord]:
    """R28: those of a database that was lost. Without a row their folders would be nobody's, and
    swept away; with one they are found by name, as volumes of no project."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        generations = [one.name for one in path.iterdir() if one.name.isdecimal()]
        if not path.name.startswith(".") and generations:
            yield VolumeRecord(
                options=VolumeOptions(name=path.name),
                path=str(path / max(generations, key=int)),
                created_at=path.stat().st_mtime,
            )


def _insert_volume(connection: sqlite3.Connection, record: VolumeRecord) -> None:
    connection.execute(
        "INSERT INTO volume VALUES (?,?,?,?,?)",
        (
            record.name,
            record.project_id,
            codec.dumps(record.options),
            record.path,
            record.created_at,
        ),
    )


def _project(row: Any) -> ProjectRecord:
    return ProjectRecord(
        id=ProjectId(row[0]),
        name=row[1],
        folder=row[2],
        files=tuple(json.loads(row[3])),
        created_at=row[4],
    )


def _container(row: Any) -> ContainerRecord:
    volumes: Mapping[str, str] = json.loads(row[6])
    return ContainerRecord(
        id=ContainerId(row[0]),
        project_id=ProjectId(row[1]),
        options=codec.loads(ContainerOptions, row[3]),
        image=codec.loads(ImageConfig, row[4]),
        image_id=row[5],
        anonymous_volumes=volumes,
        desired=row[7],
        created_at=row[8],
    )


def _network(row: Any) -> NetworkRecord:
    return NetworkRecord(
        id=NetworkId(row[0]),
        options=codec.loads(NetworkOptions, row[1]),
        project_id=row[2],
        bridge=row[3],
        subnet=row[4],
        gateway=row[5],
        subnet_ipv6=row[6],
        gateway_ipv6=row[7],
        created_at=row[8],
    )


def _endpoint(row: Any) -> EndpointRow:
    network_id, container_id, ipv4, ipv6, mac, link, names = row
    return EndpointRow(network_id, container_id, ipv4, ipv6, mac, link, tuple(json.loads(names)))


def _volume(row: Any) -> VolumeRecord:
    return VolumeRecord(
        options=codec.loads(VolumeOptions, row[0]),
        project_id=row[1],
        path=row[2],
        created_at=row[3],
    )


def _statements(schema: Path) -> Iterator[str]:
    """Each statement of a file: executescript would commit the transaction first."""
    text = ""
    for line in schema.read_text(encoding="utf-8").splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            yield text
            text = ""


def _write_ahead(connection: sqlite3.Connection) -> None:
    """WAL, which SQLite does not wait for when another process is just turning it on."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)  # noqa: TID251  two first commands at once; no event tells


def _unreadable(path: Path, error: Exception) -> RuntimeFault:
    if reserve.is_full(path.parent):
        return RuntimeFault(
            f"the disk of the state database {path} is full",
            code="E301",
            tried=f"write {path}",
            answered=f"ENOSPC ({error})",
            hint=f"free some space on the file system of {path.parent}; `pycompose down` frees"
            " what the project takes",
        )
    return RuntimeFault(
        f"the state database {path} cannot be used",
        code="E301",
        tried=f"read or write {path}",
        answered=str(error),
        hint="free space on its disk, or move the file aside: volumes are found again, and"
        " `pycompose down` ends what still runs",
    )
