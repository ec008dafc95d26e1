"""An engine in memory, with the interface of runtime.engine.Engine and no kernel.

What a container does is told beforehand by service: `ends["job"] = 3` ends it at its start with
that code, `refuses["web"] = StartFailed(...)`, `health["db"] = "healthy"`; or while it runs:
`become("p-web-1", status="exited", exit_code=1)`. `journal` has every act in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import os
import select
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from runtime import tasks
from runtime.engine import StartedContainer
from runtime.errors import AlreadyExists, InUse, NotFound, PortTaken, RuntimeFault
from runtime.paths import Paths
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    ContainerUsage,
    Event,
    ExecOptions,
    ImageConfig,
    ImageRecord,
    LogLine,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    PortBinding,
    Progress,
    ProjectId,
    ProjectRecord,
    PublishedPort,
    RunState,
    VolumeOptions,
    VolumeRecord,
)


class Happened(NamedTuple):
    event: Event
    state: RunState | None = None


class World:
    """What exists, shared by the engines of one test as a database is."""

    def __init__(self) -> None:
        self.projects: dict[str, ProjectRecord] = {}
        self.containers: dict[str, ContainerRecord] = {}
        self.networks: dict[str, NetworkRecord] = {}
        self.volumes: dict[str, VolumeRecord] = {}
        self.images: dict[str, ImageRecord] = {"host": image("host")}
        self.obtainable: dict[str, ImageRecord] = {}
        """What a pull would bring, by reference."""
        self.logs: dict[str, list[LogLine]] = {}
        self.events: list[Event] = []
        self.taken_ports: dict[int, str] = {}
        self.ends: dict[str, int] = {}
        self.health: dict[str, str] = {}
        self.refuses: dict[str, RuntimeFault] = {}
        self.execs: list[tuple[ExecOptions, bytes]] = []
        """What was executed in containers, and what it found in its standard input."""
        self.commands: dict[tuple[str, ...], tuple[int, bytes]] = {}
        """What a command in a container answers: (exit code, output)."""
        self.journal: list[str] = []
        self.watchers: list[Watcher] = []
        self.followers: list[FakeFollower] = []
        self.numbers = itertools.count(1)
        self.clock = itertools.count(1000)

    def by_name(self, name: str) -> ContainerRecord:
        return next(record for record in self.containers.values() if record.name == name)

    def become(self, name: str, **changes: Any) -> None:
        """The container's state changes, and whoever watches hears of it."""
        record = self.by_name(name)
        state = dataclasses.replace(record.state, **changes)
        self.put(record, state, "die" if state.status == "exited" else "health_status")

    def put(self, record: ContainerRecord, state: RunState, action: str) -> None:
        self.containers[record.id] = dataclasses.replace(record, state=state)
        self.happen("container", action, record.id, record, state)

    def happen(
        self,
        kind: str,
        action: str,
        id: str,
        record: ContainerRecord | None = None,
        state: RunState | None = None,
    ) -> None:
        attributes = {}
        if record is not None:
            attributes = {"name": record.name, "service": record.options.service}
        event = Event(
            time=float(next(self.clock)), type=kind, action=action, id=id, attributes=attributes
        )
        self.events.append(event)
        for watcher in self.watchers:
            watcher.tell(Happened(event, state))

    def write(self, name: str, text: bytes, *, stream: str = "stdout") -> None:
        """A line in the container's log."""
        record = self.by_name(name)
        line = LogLine(container=record.id, stream=stream, text=text, time=float(next(self.clock)))
        self.logs.setdefault(record.id, []).append(line)
        for follower in self.followers:
            follower.wake()

    def __str__(self) -> str:
        """`p-web-1 running host`, a line for each container, then networks and volumes."""
        lines = [
            f"{record.name} {record.state.status} {record.options.image}"
            for record in sorted(self.containers.values(), key=lambda record: record.name)
        ]
        lines += [f"network {name}" for name in sorted(self.networks)]
        lines += [f"volume {name}" for name in sorted(self.volumes)]
        return "\n".join(lines)


class Watcher:
    def __init__(self) -> None:
        self.waiting: list[Happened] = []
        self.told = tasks.event()

    def tell(self, happened: Happened) -> None:
        self.waiting.append(happened)
        self.told.set()

    async def __aiter__(self) -> AsyncIterator[Happened]:
        while True:
            while self.waiting:
                yield self.waiting.pop(0)
            self.told = tasks.event()
            await self.told.wait()


class FakeFollower:
    """One log that grows, with a descriptor that is readable when it did."""

    def __init__(
        self, world: World, container_id: str, tail: int | None, *, timestamps: bool
    ) -> None:
        self._world = world
        self._has_times = timestamps
        self._id = container_id
        lines = len(world.logs.get(container_id, ()))
        self._next = 0 if tail is None else max(0, lines - tail)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        world.followers.append(self)

    def wake(self) -> None:
        os.eventfd_write(self._bell, 1)

    def fileno(self) -> int:
        return self._bell

    def read(self) -> list[LogLine]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        lines = self._world.logs.get(self._id, [])[self._next :]
        self._next += len(lines)
        return [_timed(line, self._has_times) for line in lines]

    def finish(self) -> Iterator[LogLine]:
        return iter(())

    def close(self) -> None:
        self._world.followers.remove(self)
        os.close(self._bell)


class FakeExec:
    pid = 4711

    def __init__(self, code: int, pty: int | None) -> None:
        self.code = code
        self.pty = pty

    async def wait(self) -> int:
        await tasks.sleep(0)
        return self.code

    def close(self) -> None:
        pass


class FakeEngine:
    """One project's door to a World."""

    def __init__(
        self,
        world: World | None = None,
        *,
        project: str = "p",
        folder: str = "/work",
        files: tuple[str, ...] = (),
    ) -> None:
        self.world = world or World()
        self.paths: Paths | None = None
        self._name = project
        self._folder = folder
        self._files = files

    # --- reads

    def projects(self) -> tuple[ProjectRecord, ...]:
        return tuple(self.world.projects.values())

    def find_project(self, name: str) -> ProjectRecord | None:
        return self.world.projects.get(name)

    def containers(self, project: str | None = None) -> tuple[ContainerRecord, ...]:
        found = self.world.containers.values()
        return tuple(
            record
            for record in sorted(found, key=lambda record: record.name)
            if project is None or record.options.project == project
        )

    def container(self, id_or_name: str) -> ContainerRecord:
        for record in self.world.containers.values():
            if id_or_name in (record.id, record.name):
                return record
        raise NotFound(f"no such container: {id_or_name}")

    def networks(self, project: str | None = None) -> tuple[NetworkRecord, ...]:
        found = self.world.networks.values()
        return tuple(r for r in found if project is None or r.options.project == project)

    def network(self, name: str) -> NetworkRecord | None:
        return self.world.networks.get(name)

    def volumes(self, project: str | None = None) -> tuple[VolumeRecord, ...]:
        found = self.world.volumes.values()
        return tuple(r for r in found if project is None or r.options.project == project)

    def volume(self, name: str) -> VolumeRecord | None:
        return self.world.volumes.get(name)

    def images(self) -> tuple[ImageRecord, ...]:
        return tuple(self.world.images.values())

    def image(self, reference: str, *, platform: str = "") -> ImageRecord | None:
        found = self.world.images.get(reference)
        if found is None or not platform:
            return found
        return found if platform == f"{found.config.os}/{found.config.architecture}" else None

    def events(
        self, project: str, *, since: float | None = None, until: float | None = None
    ) -> Iterator[Event]:
        yield from self.world.events

    def read_logs(
        self,
        container: ContainerRecord,
        *,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[LogLine]:
        lines = self.world.logs.get(container.id, [])
        if tail is not None:
            lines = lines[len(lines) - min(tail, len(lines)) :]
        for line in lines:
            if line.time is not None and not (since or 0) <= line.time <= (until or math.inf):
                continue
            yield _timed(line, timestamps)

    def follow_logs(
        self,
        container: ContainerRecord,
        *,
        tail: int | None = None,
        timestamps: bool = False,
        **_words: Any,
    ) -> FakeFollower:
        return FakeFollower(self.world, container.id, tail, timestamps=timestamps)

    def processes(self, container: ContainerRecord) -> tuple[Any, ...]:
        return ()

    def check_ports(self, bindings: Iterable[PortBinding]) -> None:
        for binding in bindings:
            if holder := self.world.taken_ports.get(binding.host_port):
                raise PortTaken(f"port {binding.host_port} is held by {holder}")

    # --- opening

    async def open(self, *, start: bool = True) -> None:
        self.prepare(start=start)

    def prepare(self, *, start: bool = True) -> None:
        if self._name not in self.world.projects:
            self.world.projects[self._name] = ProjectRecord(
                id=ProjectId("0000cafe"), name=self._name, folder=self._folder, files=self._files
            )

    async def aclose(self) -> None:
        pass

    def close(self) -> None:
        pass

    # --- acts

    @contextmanager
    def one_line(self) -> Iterator[None]:
        yield

    async def _act(self, text: str) -> None:
        """Every act may be cancelled before it is done, as a real one may."""
        await tasks.sleep(0)
        self.world.journal.append(text)

    def usage(self, container: ContainerRecord) -> ContainerUsage:
        return ContainerUsage(memory=1 << 20, memory_limit=1 << 30)

    async def ensure_image(
        self,
        reference: str,
        *,
        policy: str = "missing",
        platform: str = "",
        on_progress: Any = None,
    ) -> ImageRecord:
        await self._act(f"ensure image {reference} {policy}")
        if reference in self.world.refuses:
            raise self.world.refuses[reference]
        if reference in self.world.obtainable:
            if on_progress is not None:
                on_progress(Progress(id="0123456789ab", text="Pull complete", done=True))
            self.world.images[reference] = self.world.obtainable[reference]
        if reference not in self.world.images:
            raise NotFound(f"no such image: {reference}")
        return self.world.images[reference]

    async def push_image(self, reference: str, *, on_progress: Any = None) -> tuple[str, int]:
        await self._act(f"push image {reference}")
        if reference not in self.world.images:
            raise NotFound(f"no such image: {reference}")
        return "sha256:" + "ab" * 32, 7

    async def remove_image(self, reference: str) -> None:
        await self._act(f"remove image {reference}")
        if self.world.images.pop(reference, None) is None:
            raise NotFound(f"no such image: {reference}")

    async def create_network(self, options: NetworkOptions) -> NetworkRecord:
        await self._act(f"create network {options.name}")
        if options.name in self.world.networks:
            raise AlreadyExists(f"network with name {options.name} already exists")
        record = NetworkRecord(id=NetworkId(self._id()), options=options)
        self.world.networks[options.name] = record
        return record

    async def remove_network(self, name: str) -> None:
        await self._act(f"remove network {name}")
        users = [
            record.name
            for record in self.world.containers.values()
            for endpoint in record.options.endpoints
            if endpoint.network == name
        ]
        if users:
            raise InUse(f"network {name} is in use by {', '.join(users)}")
        if self.world.networks.pop(name, None) is None:
            raise NotFound(f"network {name} not found")

    async def create_volume(self, options: VolumeOptions) -> VolumeRecord:
        await self._act(f"create volume {options.name}")
        if options.name in self.world.volumes:
            raise AlreadyExists(f"volume with name {options.name} already exists")
        record = VolumeRecord(options=options)
        self.world.volumes[options.name] = record
        return record

    async def remove_volume(self, name: str) -> None:
        await self._act(f"remove volume {name}")
        for record in self.world.containers.values():
            if any(mount.source == name for mount in record.options.mounts):
                raise InUse(f"volume {name} is in use by {record.name}")
        if self.world.volumes.pop(name, None) is None:
            raise NotFound(f"no such volume: {name}")

    async def create_container(self, options: ContainerOptions) -> ContainerRecord:
        self.prepare()
        await self._act(f"create {options.name}")
        if any(options.name == record.name for record in self.world.containers.values()):
            raise AlreadyExists(f'container name "{options.name}" is already in use')
        known = self.world.images.get(options.image)
        if known is None:
            raise NotFound(f"no such image: {options.image}")
        record = ContainerRecord(
            id=ContainerId(self._id()),
            project_id=ProjectId("0000cafe"),
            options=options,
            image_id=known.id,
            image=known.config,
        )
        self.world.containers[record.id] = record
        self.world.happen("container", "create", record.id, record, record.state)
        return record

    async def rename_container(self, container_id: str, new_name: str) -> None:
        record = self.container(container_id)
        await self._act(f"rename {record.name} to {new_name}")
        if any(new_name == other.name for other in self.world.containers.values()):
            raise AlreadyExists(f'container name "{new_name}" is already in use')
        options = dataclasses.replace(record.options, name=new_name)
        self.world.containers[record.id] = dataclasses.replace(record, options=options)

    async def start_container(
        self,
        container_id: str,
        *,
        stdio: tuple[int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> StartedContainer:
        record = self.container(container_id)
        service = record.options.service
        await self._act(f"start {record.name}")
        record = self.container(container_id)
        if service in self.world.refuses:
            raise self.world.refuses[service]
        state = RunState(
            status="running",
            generation=record.state.generation + 1,
            health=self.world.health.get(service, ""),
            ports=_published(record),
        )
        self.world.put(record, state, "start")
        if service in self.world.ends:
            code = self.world.ends[service]
            ended = dataclasses.replace(state, status="exited", exit_code=code, ports=())
            self.world.put(self.container(container_id), ended, "die")
        return StartedContainer(state, None)

    async def stop_container(
        self,
        container_id: str,
        *,
        grace: float | None = None,
        comes_back: bool = False,
        networks_go: bool = False,
    ) -> RunState:
        record = self.container(container_id)
        await self._act(
            f"stop {record.name}" + (f" within {grace:g}s" if grace is not None else "")
        )
        state = dataclasses.replace(record.state, status="exited", exit_code=143, ports=())
        self.world.put(self.container(container_id), state, "die")
        return state

    async def kill_container(self, container_id: str, *, signal: str = "SIGKILL") -> None:
        record = self.container(container_id)
        await self._act(f"kill {record.name} {signal}")
        state = dataclasses.replace(record.state, status="exited", exit_code=137)
        self.world.put(self.container(container_id), state, "die")

    async def pause_container(self, container_id: str) -> None:
        await self._turn(container_id, "pause", "paused")

    async def unpause_container(self, container_id: str) -> None:
        await self._turn(container_id, "unpause", "running")

    async def _turn(self, container_id: str, action: str, status: str) -> None:
        record = self.container(container_id)
        await self._act(f"{action} {record.name}")
        self.world.put(record, dataclasses.replace(record.state, status=status), action)

    async def remove_container(
        self, container_id: str, *, force: bool = False, volumes: bool = False
    ) -> None:
        record = self.container(container_id)
        with_volumes = " with its volumes" if volumes else ""
        await self._act(f"remove {record.name}{with_volumes}")
        if self.container(container_id).is_running and not force:
            raise InUse(f"container {record.name} is running")
        del self.world.containers[record.id]
        self.world.happen("container", "destroy", record.id, record)

    async def exec(
        self,
        container_id: str,
        options: ExecOptions,
        *,
        stdio: tuple[int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> FakeExec:
        record = self.container(container_id)
        await self._act(f"exec {' '.join(options.command)} in {record.name}")
        self.world.execs.append((options, _read_now(stdio[0]) if stdio is not None else b""))
        code, output = self.world.commands.get(tuple(options.command), (0, b""))
        if stdio is not None:
            os.write(stdio[1], output)
        return FakeExec(code, None)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Watcher]:
        watcher = Watcher()
        self.world.watchers.append(watcher)
        try:
            yield watcher
        finally:
            self.world.watchers.remove(watcher)

    async def lease(self, pidfd: int) -> None:
        await self._act("lease")

    def look_anew(self) -> None:
        """Nothing is remembered here."""

    async def remove_project_row(self, name: str) -> bool:
        await self._act(f"forget project {name}")
        if self.containers(name) or self.networks(name) or self.volumes(name):
            return False
        self.world.projects.pop(name, None)
        return True

    async def sweep(self) -> tuple[str, ...]:
        return ()

    def _id(self) -> str:
        return f"{next(self.world.numbers):02}".ljust(64, "a")


def image(name: str, *, id: str = "", **config: Any) -> ImageRecord:
    """An image of the store."""
    known = id or f"sha256:{name}"
    return ImageRecord(id=known, name=name, config=ImageConfig(id=known, reference=name, **config))


def _read_now(descriptor: int) -> bytes:
    can_read = select.select([descriptor], [], [], 0)[0]
    return os.read(descriptor, 64) if can_read else b""


def _timed(line: LogLine, has_times: bool) -> LogLine:
    return line if has_times else dataclasses.replace(line, time=None)


def _published(record: ContainerRecord) -> tuple[PublishedPort, ...]:
    return tuple(
        PublishedPort(
            container_port=port.container_port,
            protocol=port.protocol,
            host_ip=port.host_ip or "0.0.0.0",
            host_port=port.host_port or 32768,
        )
        for port in record.options.ports
    )
