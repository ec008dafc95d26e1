"""What both faces of a Stack share: the project's name and files, and everything that only reads.

Nothing here starts a process or an event loop. Verbs that need only the project's name (`ps`,
`logs`, `port`, `top`, `exec`) read no more of the files than that; the loader, the model and the
planners are imported by those that use them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from compose.errors import ComposeError, Fault, NotFound
from compose.options import (
    LogsOptions,
    PsOptions,
    RemoveOptions,
    Services,
    StackOptions,
    UpOptions,
)
from compose.project_name import Place, find_place
from compose.scheduling.events import LogOutput
from runtime.engine import Engine
from runtime.paths import Paths, find_paths
from runtime.values import (
    ContainerRecord,
    ContainerUsage,
    Event,
    ImageRecord,
    PublishedPort,
    VolumeRecord,
)

if TYPE_CHECKING:  # 60 ms of model and loader, which half of the verbs do without
    from compose.loading.remote import Remote
    from compose.loading.request import Loaded, LoadRequest
    from compose.model.project import Project
    from compose.tree import Node

HOOK = "com.docker.compose.hook"
"""As in planning/labels.py, which brings the model along."""

OpenEngine = Callable[[str, str, tuple[str, ...]], Engine]
"""(project name, folder, files) -> the engine; for tests with a fake one."""


class ImageRow(NamedTuple):
    """A container and the image it was made from; None when the image is gone."""

    container: ContainerRecord
    image: ImageRecord | None


class ProcessesOf(NamedTuple):
    """A container and its processes (`runtime.engine.ProcessRow`)."""

    container: ContainerRecord
    processes: tuple[Any, ...]


class UsageOf(NamedTuple):
    """A container and what it takes of the machine."""

    container: ContainerRecord
    usage: ContainerUsage


class Reading:
    """A project as it is written and as it is. See Stack and AsyncStack."""

    def __init__(
        self,
        options: StackOptions | None = None,
        *,
        files: Sequence[str | os.PathLike[str]] = (),
        project_name: str = "",
        profiles: Sequence[str] = (),
        env_files: Sequence[str | os.PathLike[str]] = (),
        project_directory: str | os.PathLike[str] = "",
        paths: Paths | None = None,
        open_engine: OpenEngine | None = None,
    ) -> None:
        """Touches nothing: files are found and read by the first method that needs them.

        Either `options`, or the words that name a project; what is empty is found as Compose finds
        it. `paths` is where the engine keeps its state.
        """
        self._options = options or StackOptions(
            files=tuple(os.fspath(file) for file in files),
            project_name=project_name,
            profiles=tuple(profiles),
            env_files=tuple(os.fspath(file) for file in env_files),
            project_directory=os.fspath(project_directory),
        )
        chosen = self._options.environment
        self._environment: Mapping[str, str] = os.environ if chosen is None else chosen
        self._paths = paths or find_paths(self._environment)
        self._open_engine = open_engine
        self._place: Place | None = None
        self._are_warnings_told = False
        self._loaded: Loaded | None = None
        self._opened_remote: Remote | None = None
        self._engine: Engine | None = None

    # --- the project

    @property
    def name(self) -> str:
        """The project's name: the flag, `COMPOSE_PROJECT_NAME`, the file's `name:`, the folder's.

        Reads no more than it must. Raises InvalidFile, NotFound.
        """
        return self._found.name

    @property
    def _found(self) -> Place:
        if self._place is None:
            self._place = find_place(self._options, self._environment)
        if self._place is None:
            project = self.project
            self._place = Place(project.name, project.working_dir, project.files)
        return self._place

    @property
    def project(self) -> Project:
        """The loaded project; loaded once. Raises InvalidFile, NotFound."""
        return self._load().project

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """What loading had to say; loads the project."""
        return self._load().warnings

    def _take_warnings(self) -> tuple[Fault, ...]:
        """The warnings of loading, to be told once."""
        told, self._are_warnings_told = self._are_warnings_told, True
        return () if told else self.warnings

    @property
    def fetched(self) -> tuple[str, ...]:
        """The names of the remote files that the project is made of; loads the project."""
        self._load()
        return tuple(self._remote.fetched)

    def written(self) -> Node:
        """The project's files with their variables as they are written: the same files, when they
        are remote. Raises InvalidFile, NotFound."""
        from compose.loading.pipeline import load_model
        from compose.model.attribute import replace

        self._load()
        return load_model(replace(self._request(), interpolate=False, consistency=False)).tree

    def _load(self) -> Loaded:
        if self._loaded is None:
            from compose.loading.pipeline import load

            self._loaded = load(self._request())
        return self._loaded

    def _request(self) -> LoadRequest:
        from compose.loading.request import LoadRequest

        asked = self._options
        return LoadRequest(
            files=asked.files,
            project_name=asked.project_name,
            profiles=asked.profiles or None,
            env_files=asked.env_files,
            project_directory=asked.project_directory,
            environment=self._environment,
            cwd=asked.folder,
            all_resources=asked.all_resources,
            remote=self._remote,
        )

    @property
    def _remote(self) -> Remote:
        if self._opened_remote is None:
            from compose.artifacts import open_remote

            self._opened_remote = open_remote(self._environment)
        return self._opened_remote

    def _project_or_labels(self) -> Project:
        """For verbs that need no file: with a name given and no file named, labels say it all."""
        from compose.planning.own_containers import join_own_containers

        if self._is_named and not self._options.files:
            return self._project_from_labels()
        try:
            return join_own_containers(self.project)
        except ComposeError:
            if self._environment.get("COMPOSE_PROJECT_NAME"):
                return self._project_from_labels()
            raise

    def _project_from_labels(self) -> Project:
        from compose.planning.from_labels import project_of
        from compose.scheduling.observe import observe_by_name

        return project_of(self.name, observe_by_name(self._reader, self.name))

    @property
    def _is_named(self) -> bool:
        """Whether the caller gave the project's name himself."""
        return bool(self._options.project_name)

    # --- the engine

    @property
    def _reader(self) -> Engine:
        """The engine; to read from it starts nothing."""
        if self._engine is None:
            place = self._found
            if self._open_engine is not None:
                self._engine = self._open_engine(*place)
            else:
                self._engine = Engine(
                    self._paths, project=place.name, folder=place.folder, files=place.files
                )
        return self._engine

    def close(self) -> None:
        """Let go of files. What runs goes on running."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    # --- reads

    def explain(self, options: UpOptions | None = None) -> str:
        """The plan that `up` would carry out, an action a line with its reason, and what stays."""
        from compose.scheduling.observe import observe
        from compose.scheduling.up import explain

        project = self._active(options.services if options else ())
        plan = explain(project, observe(self._reader, project), options or UpOptions())
        return plan.explained()

    def _active(self, services: Services) -> Project:
        """The project with the profiles of the named services turned on."""
        from compose.planning.own_containers import join_own_containers
        from compose.planning.selection import with_named

        return join_own_containers(with_named(self.project, services))

    def ps(self, options: PsOptions | None = None) -> tuple[ContainerRecord, ...]:
        """The containers, ordered by name. Raises NotFound for an unknown service."""
        options = options or PsOptions()
        records = self._records(options.services)
        if not options.orphans:
            known = self.project.all_services
            records = [record for record in records if record.options.service in known]
        if options.statuses:
            records = [record for record in records if record.state.status in options.statuses]
        elif not options.all:
            up = ("running", "paused", "restarting")
            records = [record for record in records if record.state.status in up]
        return tuple(records)

    def _records(self, services: Iterable[str] = ()) -> list[ContainerRecord]:
        """The project's containers, those of some services when named; those that only ran a hook
        are nobody's. Raises NotFound."""
        records = [r for r in self._reader.containers(self.name) if HOOK not in r.options.labels]
        self._check_services(services, records)
        wanted = set(services)
        return [record for record in records if not wanted or record.options.service in wanted]

    def _check_services(self, services: Iterable[str], records: Iterable[ContainerRecord]) -> None:
        """A service with a container is known; for others the files must be read."""
        known = {record.options.service for record in records}
        unknown = [name for name in services if name not in known]
        if not unknown:
            return
        from compose.planning.selection import check_services

        check_services(self._project_or_labels(), tuple(unknown))

    def images(self, services: Services = ()) -> tuple[ImageRow, ...]:
        """The image of each container."""
        engine = self._reader
        return tuple(
            ImageRow(record, engine.image(record.image_id) or engine.image(record.options.image))
            for record in self._records(services)
        )

    def top(self, services: Services = ()) -> tuple[ProcessesOf, ...]:
        """The processes of each running container."""
        return tuple(
            ProcessesOf(record, self._reader.processes(record))
            for record in self._records(services)
            if record.is_running
        )

    def stats(self, services: Services = (), *, all: bool = False) -> tuple[UsageOf, ...]:
        """What each running container takes of the machine, counted since its start; two readings
        tell how much of it is now. `all`: those that do not run, too."""
        return tuple(
            UsageOf(record, self._reader.usage(record))
            for record in self._records(services)
            if record.is_running or all
        )

    def volumes(self, services: Services = ()) -> tuple[VolumeRecord, ...]:
        """The project's volumes; those that `services` mount when some are named."""
        found = {record.name: record for record in self._reader.volumes(self.name)}
        if not services:
            return tuple(found.values())
        mounted = {
            name
            for record in self._records(services)
            for name in (
                *(mount.source for mount in record.options.mounts if mount.type == "volume"),
                *record.anonymous_volumes.values(),
            )
        }
        return tuple(record for name, record in found.items() if name in mounted)

    def port(
        self, service: str, private_port: int, *, protocol: str = "tcp", index: int = 0
    ) -> PublishedPort:
        """Where a container's port is published. Raises NotFound."""
        record = self._replica(service, index)
        for published in record.state.ports:
            if (published.container_port, published.protocol) == (private_port, protocol):
                return published
        raise NotFound(
            f"no port {private_port}/{protocol} for container {record.name}", code="E212"
        )

    def _replica(self, service: str, index: int = 0) -> ContainerRecord:
        records = [record for record in self._records((service,)) if not record.options.oneoff]
        records.sort(key=lambda record: record.options.number)
        for record in records:
            if not index or record.options.number == index:
                return record
        number = f" container #{index}" if index else ""
        raise NotFound(f'service "{service}" is not running{number}', code="E209")

    def host_port(
        self, service: str, private_port: int, *, protocol: str = "tcp", index: int = 0
    ) -> int:
        """`port`, the number alone: for a test that wants to connect to 127.0.0.1."""
        return self.port(service, private_port, protocol=protocol, index=index).host_port

    def read_logs(self, options: LogsOptions | None = None) -> Iterator[LogOutput]:
        """What the containers wrote so far (`follow` is ignored), one container after the other."""
        from compose.scheduling.outputs import outputs

        options = options or LogsOptions()
        for record in self._logged(options):
            lines = self._reader.read_logs(
                record,
                tail=options.tail,
                since=options.since,
                until=options.until,
                timestamps=options.timestamps,
            )
            yield from outputs(record, lines)

    def _logged(self, options: LogsOptions) -> list[ContainerRecord]:
        if options.index:
            if len(options.services) != 1:
                raise ComposeError("--index requires one service to be selected", code="E213")
            return [self._replica(options.services[0], options.index)]
        records = [r for r in self._records(options.services) if not r.options.oneoff]
        if options.services:
            return records
        # one that keeps no log is an error only for whoever asks for its log
        return [record for record in records if record.options.logging.driver != "none"]

    def events(
        self,
        services: Services = (),
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Event]:
        """What happened to the project's objects, oldest first."""
        self._check_services(services, self._reader.containers(self.name))
        for event in self._reader.events(self.name, since=since, until=until):
            if not services or event.attributes.get("service") in services:
                yield event

    def removable(self, options: RemoveOptions) -> tuple[ContainerRecord, ...]:
        """The containers that `rm` would remove: what to ask the user about."""
        from compose.planning import teardown
        from compose.scheduling.observe import observe

        project = self._project_or_labels()
        return teardown.removable(project, observe(self._reader, project, names=()), options)
