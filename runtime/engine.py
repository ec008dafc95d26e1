"""Engine: the one door between Compose and the machine.

Reads are synchronous and need no process of ours: rows, run states and log files. Acts are
asynchronous; those that touch the kernel go to the project's supervisor, which is started when
nobody answers. One Engine serves one project, or none (`project=""`) for the verbs that look at the
whole machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runtime import frozen, messages, tasks
from runtime.control import Channel, Line, NobodyThere
from runtime.errors import AlreadyExists, InUse, NotFound, RuntimeFault, Unreachable
from runtime.linux import faults, placing
from runtime.paths import Paths, ProjectPaths, ensure_directories
from runtime.state import recovery, run_states
from runtime.state.database import Database
from runtime.values import (
    PREDEFINED_NETWORKS,
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    ContainerUsage,
    Event,
    ExecOptions,
    ImageRecord,
    Login,
    LogLine,
    NetworkOptions,
    NetworkRecord,
    PortBinding,
    ProcessRow,
    ProjectId,
    ProjectRecord,
    PublishedPort,
    RunState,
    VolumeOptions,
    VolumeRecord,
)

if TYPE_CHECKING:
    from runtime.images.artifacts import Artifact
    from runtime.images.managing import ImageManager

START_ATTEMPTS = 3
SETTLE_SECONDS = 90.0
"""For the end of what a lost keeper left behind: see `stops` for how long killing may take."""
_REPEATABLE = (messages.RemoveNetwork, messages.KillContainer, messages.StopContainer)


class StartedContainer(NamedTuple):
    """A container that runs; `pty` is its terminal's master when it was started in the
    foreground."""

    state: RunState
    pty: int | None
    warnings: tuple[str, ...] = ()
    """What it was not given as it was asked for."""


class LogFollower(Protocol):
    """One log that grows. `fileno` is readable when `read` may have something new."""

    def fileno(self) -> int: ...

    def read(self) -> list[LogLine]: ...

    def finish(self) -> Iterator[LogLine]: ...

    def close(self) -> None: ...


class ExecSession:
    """A process that runs beside the container's own. Close it when done; that does not end the
    process."""

    def __init__(self, channel: Channel, started: messages.ExecStarted, pty: int | None) -> None:
        self._channel = channel
        self.pid = started.pid
        self.pty = pty

    async def wait(self) -> int:
        """Its exit code, when it ends. Raises Unreachable when the supervisor ends first."""
        message, _descriptors = await self._channel.answer_later()
        return int(message.exit_code)

    def wait_blocking(self) -> int:
        """The same without an event loop."""
        message, _descriptors = self._channel.answer()
        return int(message.exit_code)

    def close(self) -> None:
        self._channel.close()


class Engine:
    """What exists for one project (or all), and what can be done to it."""

    def __init__(
        self, paths: Paths, *, project: str = "", folder: str = "", files: tuple[str, ...] = ()
    ) -> None:
        self.paths = paths
        self._project_name = project
        self._folder = folder
        self._files = files
        self._database: Database | None = None
        self._project: ProjectRecord | None = None
        self._has_started = False
        self._has_roots = False
        self._image_manager: ImageManager | None = None
        self._line: Line | None = None
        self._line_users = 0

    # --- reads

    def projects(self) -> tuple[ProjectRecord, ...]:
        database = self._read()
        return database.projects() if database else ()

    def find_project(self, name: str) -> ProjectRecord | None:
        return next((project for project in self.projects() if project.name == name), None)

    def containers(self, project: str | None = None) -> tuple[ContainerRecord, ...]:
        """Every container of the project (of all, when None), one-offs too, as it is now."""
        database = self._read()
        if database is None:
            return ()
        project_id = self._project_id(project)
        if project_id == "":
            return ()
        return tuple(self._with_state(record) for record in database.containers(project_id))

    def container(self, id_or_name: str) -> ContainerRecord:
        """Raises NotFound."""
        database = self._read()
        record = database.find_container(id_or_name) if database else None
        if record is None:
            raise NotFound(f"no such container: {id_or_name}", code="E314")
        return self._with_state(record)

    def networks(self, project: str | None = None) -> tuple[NetworkRecord, ...]:
        """Of the project; of the whole root, when None."""
        database = self._read()
        project_id = self._project_id(project)
        return database.networks(project_id) if database and project_id != "" else ()

    def network(self, name: str) -> NetworkRecord | None:
        database = self._read()
        return database.find_network(name) if database else None

    def volumes(self, project: str | None = None) -> tuple[VolumeRecord, ...]:
        """Of the project, without anonymous ones of others; of the whole root, when None."""
        database = self._read()
        project_id = self._project_id(project)
        return database.volumes(project_id) if database and project_id != "" else ()

    def volume(self, name: str) -> VolumeRecord | None:
        database = self._read()
        return database.find_volume(name) if database else None

    def images(self) -> tuple[ImageRecord, ...]:
        from runtime.images.front import Images

        return Images(self.paths, self._read()).list()

    def image(self, reference: str, *, platform: str = "") -> ImageRecord | None:
        """`host`, `dir:PATH` and `oci:PATH` too. None when it is not here, or not for the
        platform."""
        from runtime.images.front import Images

        return Images(self.paths, self._read()).find(reference, platform=platform)

    @property
    def image_manager(self) -> ImageManager:
        """What is done to images alone: import, load, save, tag, remove, prune, inspect."""
        from runtime.images.managing import ImageManager

        if self._image_manager is None:
            self._image_manager = ImageManager(self.paths)
        return self._image_manager

    def events(
        self, project: str, *, since: float | None = None, until: float | None = None
    ) -> Iterator[Event]:
        """What happened, oldest first."""
        database = self._read()
        project_id = self._project_id(project)
        if database and project_id:
            yield from database.events(project_id, since=since or 0.0, until=until or 1e12)

    def read_logs(
        self,
        container: ContainerRecord,
        *,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> Iterator[LogLine]:
        """What the container wrote so far, in order."""
        from runtime.containers import logs

        return logs.read_logs(
            self.log_folder(container),
            container.id,
            tail=tail,
            since=since,
            until=until,
            timestamps=timestamps,
        )

    def follow_logs(
        self,
        container: ContainerRecord,
        *,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> LogFollower:
        """What it wrote and will write: readable when there is something new. Close it."""
        from runtime.containers import logs

        return logs.LogFollower(
            self.log_folder(container),
            container.id,
            tail=tail,
            since=since,
            until=until,
            timestamps=timestamps,
        )

    def log_folder(self, container: ContainerRecord) -> str:
        return str(self.paths.container(container.id) / "logs")

    def processes(self, container: ContainerRecord) -> tuple[ProcessRow, ...]:
        """The processes in the container's cgroup, by pid of the host."""
        from runtime.containers import processes

        return processes.list_processes(self.paths, container)

    def usage(self, container: ContainerRecord) -> ContainerUsage:
        """What it takes of the machine; zeros when it does not run."""
        from runtime.containers import usage

        return usage.read_usage(self.paths, container)

    # --- opening and closing

    async def open(self, *, start: bool = True) -> None:
        """Make what is missing: folders, database, the project's row; start its supervisor early.

        Returns at once: the supervisor starts on the other core while the caller goes on loading.
        After a keeper was lost it returns when what that one left behind has been judged (R11).
        """
        self.prepare(start=start)
        if start and self._project_name:
            self._finish_interrupted()
            await self._wait_until_settled()

    def prepare(self, *, start: bool = True) -> None:
        """`open` for a caller without an event loop."""
        self._write()
        if self._project_name:
            self._ensure_project()
            if start:
                self._start_supervisor()

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        self._dismiss()
        if self._image_manager is not None:
            self._image_manager.close()
            self._image_manager = None
        if self._database is not None:
            self._database.close()
            self._database = None

    def _dismiss(self) -> None:
        """A supervisor that was started and never needed would wait for its first client."""
        if self._project is None or not self._has_started:
            return
        from runtime import start_keeper

        if not start_keeper.is_awaited(self.paths, self._project.id):
            return
        with suppress(RuntimeFault, NobodyThere), self._open_channel_blocking() as channel:
            channel.greet()

    @property
    def project(self) -> ProjectRecord:
        """The row of this engine's project. Raises NotFound when there is none yet."""
        found = self._project or self.find_project(self._project_name)
        if found is None:
            raise NotFound(f"no such project: {self._project_name}", code="E315")
        self._project = found
        return found

    # --- images

    async def ensure_image(
        self,
        reference: str,
        *,
        policy: str = "missing",
        platform: str = "",
        on_progress: Any = None,
    ) -> ImageRecord:
        """Have it here, by pull policy. Raises NotFound when it is nowhere, RuntimeFault."""
        from runtime.images import front

        return await front.ensure(
            self._writing_paths(),
            reference,
            policy=policy,
            platform=platform,
            on_progress=on_progress,
        )

    async def push_image(self, reference: str, *, on_progress: Any = None) -> tuple[str, int]:
        """Send it to its registry; (digest, size) of its manifest. Raises NotFound,
        RuntimeFault."""
        from runtime.images import remote

        return await remote.push(self._writing_paths(), reference, on_progress=on_progress)

    async def resolve_image(self, reference: str) -> str:
        """The digest that a name has in its registry now, in one request. Raises NotFound,
        RuntimeFault."""
        from runtime.images import remote

        return await remote.resolve_digest(reference)

    async def list_tags(self, name: str) -> tuple[str, ...]:
        """`NAME:TAG` for every tag in the registry. Raises NotFound, RuntimeFault."""
        from runtime.images import remote

        return await remote.list_tags(name)

    async def pin_image(self, reference: str) -> str:
        """`nginx` -> `docker.io/library/nginx:latest@sha256:...`, as `resolve_image`."""
        from runtime.images import remote

        return await remote.pin(reference)

    @staticmethod
    def find_artifact_digest(reference: str, *, seconds: float) -> str:
        """What a name of an artifact means in its registry now. Raises NotFound, RuntimeFault."""
        from runtime.images import artifacts

        return artifacts.find_artifact_digest(reference, seconds=seconds)

    @staticmethod
    def fetch_artifact(
        reference: str, *, type: str, config_type: str, limit: int, seconds: float
    ) -> Artifact:
        """What a registry keeps that is no image, as images/artifacts.py. Nothing is stored."""
        from runtime.images import artifacts

        return artifacts.fetch_artifact(
            reference, type=type, config_type=config_type, limit=limit, seconds=seconds
        )

    def known_login(self, registry: str) -> Login | None:
        """Raises RuntimeFault for a broken file or helper."""
        from runtime.images import remote

        return remote.known_login(registry)

    async def login(self, registry: str, login: Login) -> str:
        """Try a login and keep it; the file in which it lies unencrypted, if it does. Raises
        RuntimeFault."""
        from runtime.images import remote

        return await remote.login(registry, login)

    def logout(self, registry: str) -> bool:
        """False when there was none. Raises RuntimeFault."""
        from runtime.images import remote

        return remote.logout(registry)

    async def remove_image(self, reference: str) -> None:
        """Raises NotFound; InUse while a container is made from it."""
        self.image_manager.remove(reference)

    # --- networks and volumes

    async def create_network(self, options: NetworkOptions) -> NetworkRecord:
        """A subnet and a name; the bridge comes with the first container. Raises AlreadyExists,
        RuntimeFault."""
        from runtime.containers import networks

        if options.name in PREDEFINED_NETWORKS:
            raise AlreadyExists(
                f"network with name {options.name} already exists",
                code="E304",
                tried=f"create network {options.name}",
                answered="it is a word of `network_mode`",
                hint="choose another name",
            )
        project_id = self._ensure_project().id if options.project else ""
        record = networks.create_network(self._write(), self.paths, options, project_id=project_id)
        self._note("network", "create", record.id, options.name, project_id)
        return record

    async def remove_network(self, name: str) -> None:
        """Raises NotFound; InUse while a container is on it."""
        record = self.network(name)
        if record is None:
            raise NotFound(f"network {name} not found", code="E317")
        if record.project_id:
            await self._ask(messages.RemoveNetwork(network_id=record.id))
        else:
            from runtime.containers import networks

            networks.remove_shared_network(self._write(), self.paths, record)
        self._note("network", "destroy", record.id, name, record.project_id)

    async def create_volume(self, options: VolumeOptions) -> VolumeRecord:
        """Raises AlreadyExists."""
        from runtime.containers import lifecycle

        project_id = self._ensure_project().id if options.project else ""
        record = lifecycle.create_volume(self._write(), self.paths, options, project_id=project_id)
        self._note("volume", "create", options.name, options.name, project_id)
        return record

    async def remove_volume(self, name: str) -> None:
        """Raises NotFound; InUse while a container mounts it."""
        from runtime.containers import lifecycle

        database = self._write()
        if not lifecycle.remove_volume(database, self.paths, name):
            users = ", ".join(database.volume_users(name))
            raise InUse(
                f"volume {name} is in use",
                code="E318",
                tried=f"remove volume {name}",
                answered=f"mounted by {users}",
                hint=f"remove {users} first",
            )
        self._note("volume", "destroy", name, name, "")

    # --- containers

    async def create_container(self, options: ContainerOptions) -> ContainerRecord:
        """Row, files, volumes; nothing runs yet. Raises AlreadyExists, NotFound, RuntimeFault."""
        from runtime.containers import lifecycle

        database, project = self._write(), self._ensure_project()
        try:
            return lifecycle.create_container(database, self.paths, project, options)
        except AlreadyExists:
            # whoever was making the one of that name may have been killed since we began
            if not lifecycle.finish_interrupted(database, self.paths, project.id):
                raise
            return lifecycle.create_container(database, self.paths, project, options)

    async def rename_container(self, container_id: str, new_name: str) -> None:
        """Raises AlreadyExists, NotFound."""
        record = self.container(container_id)
        options = frozen.replace(record.options, name=new_name)
        self._write().rename_container(record.id, options)

    async def start_container(
        self,
        container_id: str,
        *,
        stdio: tuple[int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> StartedContainer:
        """Returns when the user's program runs. Raises StartFailed, PortTaken.

        `stdio` hands over the caller's descriptors; `size` (columns, rows) asks for the terminal.
        """
        columns, rows = size or (0, 0)
        request = messages.StartContainer(
            container_id=container_id,
            handed_stdio=stdio is not None or size is not None,
            columns=columns,
            rows=rows,
        )
        message, descriptors = await self._ask(request, stdio or ())
        pty = descriptors[0] if descriptors else None
        return StartedContainer(message.state, pty, message.warnings)

    async def stop_container(
        self,
        container_id: str,
        *,
        grace: float | None = None,
        comes_back: bool = False,
        networks_go: bool = False,
    ) -> RunState:
        """Returns when it has ended. `grace` None: its own; -1: for ever. `comes_back`: it, or what
        takes its place, is started next. `networks_go`: the project's networks are removed next."""
        message, _ = await self._ask(
            messages.StopContainer(
                container_id=container_id,
                grace=grace,
                comes_back=comes_back,
                networks_go=networks_go,
            )
        )
        state: RunState = message.state
        return state

    async def kill_container(self, container_id: str, *, signal: str = "SIGKILL") -> None:
        await self._ask(messages.KillContainer(container_id=container_id, signal=signal))

    async def pause_container(self, container_id: str) -> None:
        await self._ask(messages.PauseContainer(container_id=container_id))

    async def unpause_container(self, container_id: str) -> None:
        await self._ask(messages.UnpauseContainer(container_id=container_id))

    async def remove_container(
        self, container_id: str, *, force: bool = False, volumes: bool = False
    ) -> None:
        """With `force` also one that runs. Raises InUse without."""
        await self._ask(
            messages.RemoveContainer(container_id=container_id, force=force, volumes=volumes)
        )

    async def exec(
        self,
        container_id: str,
        options: ExecOptions,
        *,
        stdio: tuple[int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> ExecSession:
        """Start a further process. Raises StartFailed (126, 127), NotFound."""
        channel, started, descriptors = await self._converse(
            _exec_request(container_id, options, size), stdio or ()
        )
        return ExecSession(
            channel, started, descriptors[0] if options.tty and descriptors else None
        )

    def exec_blocking(
        self,
        container_id: str,
        options: ExecOptions,
        *,
        stdio: tuple[int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> ExecSession:
        """`exec` without an event loop: for the command line, where every millisecond shows."""
        channel, started, descriptors = self._converse_blocking(
            _exec_request(container_id, options, size), stdio or ()
        )
        return ExecSession(
            channel, started, descriptors[0] if options.tty and descriptors else None
        )

    async def attach(self, container_id: str) -> int:
        """Its stdin's write end, or its terminal's master."""
        _message, descriptors = await self._ask(messages.AttachContainer(container_id=container_id))
        return int(descriptors[0])

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[messages.Happened]]:
        """Events of the project. From the moment the block is entered, nothing is missed."""
        channel, _done, _none = await self._converse(messages.WatchEvents())
        try:
            yield _happenings(channel)
        finally:
            channel.close()

    async def lease(self, pidfd: int) -> None:
        """The project is removed when the process behind `pidfd` ends."""
        await self._ask(messages.TakeLease(), (pidfd,))

    def look_anew(self) -> None:
        """Somebody else has removed the project's row: what is remembered of it is not true of the
        next."""
        self._project = None

    async def remove_project_row(self, name: str) -> bool:
        """Forget a project of which nothing is left. False while something is."""
        project = self.find_project(name)
        # a later verb of this engine makes a row of its own
        if self._project is not None and self._project.name == name:
            self._dismiss()
            self._project = None
        if project is None:
            return True
        return self._write().forget_project(project.id)

    async def sweep(self) -> tuple[str, ...]:
        """End and remove what of this root no row knows; ids of the containers that ran. Volumes
        stay. Raises RuntimeFault."""
        if not self.paths.projects.is_dir():
            return ()  # nothing was made here since the machine was started
        from runtime.containers import leftovers

        swept = leftovers.sweep(self._read(), self.paths, ending=True, report=lambda _line: None)
        return tuple(swept.ended)

    def check_ports(self, bindings: Iterable[PortBinding]) -> None:
        """Raises PortTaken for a host port that somebody else holds, with the holder's name."""
        from runtime.networks import published

        published.check_ports(tuple(bindings), owner=self._find_port_owner)

    def _find_port_owner(self, port: PublishedPort) -> str:
        from runtime.containers import networks

        return networks.find_port_owner(self._write(), self.paths, port)

    # --- within

    def _read(self) -> Database | None:
        if self._database is None:
            self._database = Database.open_to_read(self.paths)
        return self._database

    def _write(self) -> Database:
        if not self._has_roots:
            with faults.point("make roots"):
                ensure_directories(self.paths)
                # Where containers come and go, each file of an upper costs a multiple otherwise
                placing.spread_children(self.paths.containers)
            self._has_roots = True
        if self._database is None:
            self._database = Database.open(self.paths)
        return self._database

    def _writing_paths(self) -> Paths:
        self._write()
        return self.paths

    def _project_id(self, name: str | None) -> str | None:
        """None stays None (all projects); "" for a project that does not exist."""
        if name is None:
            return None
        found = self.find_project(name)
        return found.id if found else ""

    def _ensure_project(self) -> ProjectRecord:
        if self._project is None:
            self._refuse_lost_database()
            self._project = self._write().ensure_project(
                self._project_name,
                new_id=ProjectId(os.urandom(4).hex()),
                folder=self._folder,
                files=self._files,
            )
        return self._project

    def _refuse_lost_database(self) -> None:
        """R28: a new project beside containers that the lost rows knew would fight with them."""
        database = self._write()
        if database.find_project(self._project_name) is not None:
            return
        living = recovery.living_containers(self.paths)
        for project in database.projects():
            living.pop(project.id, None)
        if strangers := [one for containers in living.values() for one in containers]:
            raise RuntimeFault(
                "containers run here that the state database does not know",
                code="E325",
                tried=f"begin project {self._project_name}",
                answered=f"{', '.join(one[:12] for one in strangers)}: {self.paths.database}"
                " was lost or exchanged while they ran",
                hint="put it back, or end them with `pycompose down`",
            )

    def _with_state(self, record: ContainerRecord) -> ContainerRecord:
        return run_states.with_state(record, self.paths.project(record.project_id))

    @property
    def _project_paths(self) -> ProjectPaths:
        return self.paths.project(self._ensure_project().id)

    def _note(self, kind: str, action: str, object_id: str, name: str, project_id: str) -> None:
        self._write().add_event(
            Event(
                time=time.time(),
                type=kind,
                action=action,
                id=object_id,
                project_id=project_id,
                attributes={"name": name},
            )
        )

    # --- talking to the supervisor

    def _start_supervisor(self) -> None:
        from runtime import start_keeper

        start_keeper.start(self.paths, self._ensure_project().id)
        self._has_started = True

    async def _ask(self, request: Any, descriptors: Sequence[int] = ()) -> tuple[Any, list[int]]:
        for _attempt in range(START_ATTEMPTS):
            try:
                if self._line_users:
                    return await (await self._open_line()).ask(request, descriptors)
                with await self._open_channel() as channel:
                    channel.ask(request, descriptors)
                    return await channel.answer_later()
            except NobodyThere:
                continue
            except Unreachable as fault:
                # the supervisor granted its own end just as we came; taking away can be asked twice
                if fault.code != "E320" or not isinstance(request, _REPEATABLE):
                    raise
        raise self._no_supervisor()

    @contextmanager
    def one_line(self) -> Iterator[None]:
        """What is asked in the block goes over one connection, and the project's processes stay
        until its end, also when nothing is left that they keep."""
        self._line_users += 1
        try:
            yield
        finally:
            self._line_users -= 1
            if self._line is not None and not self._line_users:
                self._line.close()
                self._line = None

    async def _open_line(self) -> Line:
        if self._line is None or self._line.has_ended:
            await self._wait_for_listener()
            # somebody else may have opened it meanwhile
            if self._line is None or self._line.has_ended:
                self._line = Line(self._project_paths.control_socket)
        return self._line

    async def _converse(
        self, request: Any, descriptors: Sequence[int] = ()
    ) -> tuple[Channel, Any, list[int]]:
        """The first answer, on a connection that stays open and is the caller's to close."""
        for _attempt in range(START_ATTEMPTS):
            try:
                channel = await self._open_channel()
                try:
                    channel.ask(request, descriptors)
                    return channel, *await channel.answer_later()
                except BaseException:
                    channel.close()
                    raise
            except NobodyThere:
                continue
        raise self._no_supervisor()

    def _converse_blocking(
        self, request: Any, descriptors: Sequence[int] = ()
    ) -> tuple[Channel, Any, list[int]]:
        """The same without an event loop."""
        for _attempt in range(START_ATTEMPTS):
            try:
                channel = self._open_channel_blocking()
                try:
                    channel.ask(request, descriptors)
                    return channel, *channel.answer()
                except BaseException:
                    channel.close()
                    raise
            except NobodyThere:
                continue
        raise self._no_supervisor()

    def _finish_interrupted(self) -> None:
        """R12: what a killed command left half-made holds names that this one may need."""
        database, project_id = self._write(), self._ensure_project().id
        volumes = {volume.name for volume in database.volumes()}
        if database.unfinished_containers(project_id):
            from runtime.containers import lifecycle

            lifecycle.finish_interrupted(database, self.paths, project_id)
        if not volumes.issuperset(os.listdir(self.paths.volumes)):
            from runtime.containers import lifecycle

            lifecycle.sweep_volumes(database, self.paths)

    async def _wait_until_settled(self) -> None:
        """R11: until a supervisor has judged what a lost keeper left. Raises Unreachable."""
        if not recovery.is_unsettled(self._project_paths):
            return
        with tasks.move_on_after(SETTLE_SECONDS) as waiting:
            await self._see_it_settled()
        if waiting.cancelled_caught:
            log = self._project_paths.engine_log
            raise Unreachable(
                "what a lost keeper left behind is not settled",
                code="E324",
                tried="wait for the project's supervisor",
                answered=_last_line(str(log)),
                hint=f"see {log}",
            )

    async def _see_it_settled(self) -> None:
        while recovery.is_unsettled(self._project_paths):
            with suppress(Unreachable):
                async with self.watch() as happenings:
                    if not recovery.is_unsettled(self._project_paths):
                        return
                    # that was the supervisor of the lost keeper: it ends when it has judged
                    async for _happened in happenings:
                        pass

    async def _open_channel(self) -> Channel:
        await self._wait_for_listener()
        return Channel(self._project_paths.control_socket)

    async def _wait_for_listener(self) -> None:
        from runtime import start_keeper

        await start_keeper.wait_until_listening(self.paths, self._ensure_project().id)

    def _open_channel_blocking(self) -> Channel:
        from runtime import start_keeper

        start_keeper.wait_until_listening_blocking(self.paths, self._ensure_project().id)
        return Channel(self._project_paths.control_socket)

    def _no_supervisor(self) -> RuntimeFault:
        log = self._project_paths.engine_log
        return Unreachable(
            "the project's supervisor does not start",
            code="E321",
            tried=f"connect to {self._project_paths.control_socket}",
            answered=_last_line(str(log)),
            hint=f"see {log}",
        )


def _exec_request(
    container_id: str, options: ExecOptions, size: tuple[int, int] | None
) -> messages.ExecInContainer:
    columns, rows = size or (0, 0)
    return messages.ExecInContainer(
        container_id=ContainerId(container_id), options=options, columns=columns, rows=rows
    )


async def _happenings(channel: Channel) -> AsyncIterator[messages.Happened]:
    while True:
        message, _descriptors = await channel.answer_later()
        yield message


def _last_line(path: str) -> str:
    if not os.path.exists(path):
        return "it wrote no log"
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"
