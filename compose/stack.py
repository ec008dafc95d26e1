"""One project: load it, look at it, change it. The public Python API; the command line is its first
user.

`AsyncStack` is the implementation, `Stack` its synchronous face with the same methods. Methods that
read are plain in both (reading.py); those that act are coroutines in `AsyncStack`. Nothing here
prints: what happens is told to `on_event`, what is known is returned, what goes wrong is raised
(`ComposeError`, `RuntimeFault`). How a verb is done stands in scheduling/, a file for each kind.

    with Stack(files=("compose.yaml",)).running(UpOptions(wait=True)) as stack:
        port = stack.host_port("web", 80)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from compose.errors import NotFound
from compose.options import (
    CreateOptions,
    DownOptions,
    ExecOptions,
    KillOptions,
    LogsOptions,
    PullOptions,
    PushOptions,
    RemoveOptions,
    RestartOptions,
    RunOptions,
    Services,
    StartOptions,
    Stdio,
    StopOptions,
    UpOptions,
    WaitOptions,
)
from compose.reading import ImageRow, ProcessesOf, Reading
from compose.scheduling.events import Event as Happened
from compose.scheduling.events import OnEvent, Warned, ignore
from runtime import tasks
from runtime.values import ContainerRecord, Event

if TYPE_CHECKING:  # 60 ms that `exec` and `logs` do without
    from compose.model.project import Project
    from compose.scheduling.interrupts import Interrupts
    from compose.scheduling.session import Session

T = TypeVar("T")
CreateT = TypeVar("CreateT", bound=CreateOptions)

__all__ = [
    "AsyncStack",
    "Completed",
    "Ended",
    "ImageRow",
    "ProcessesOf",
    "Stack",
    "UpResult",
]


class Completed(NamedTuple):
    """A command that ran in a container. The output is empty when it went to descriptors."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    container: str = ""
    """Name of the container it ran in; of a detached one, the container that goes on."""


class UpResult(NamedTuple):
    """What `up` came to. `exit_code` is the command's: not 0 with the abort options alone."""

    containers: tuple[ContainerRecord, ...]
    exit_code: int = 0


class Ended(NamedTuple):
    """A container that `wait` waited for."""

    container: ContainerRecord
    exit_code: int


class AsyncStack(Reading):
    """A project, from within an event loop (asyncio or trio, by anyio).

    `deadline` is in seconds, for the whole verb; past it the verb is cancelled, what was done stays
    done, and TimeoutError is raised. Cancelling a verb leaves a state from which the next
    converges; a cancelled attached `up` leaves its containers running, a cancelled `run` kills its
    own (and removes it if it was to be removed). The process of an `exec` goes on, as with Docker.
    """

    _interrupts: Interrupts | None = None

    async def up(
        self,
        options: UpOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> UpResult:
        """Make, start, and, unless detached, follow until all ended. Raises ActionFailed."""
        from compose.scheduling.session import records_of
        from compose.scheduling.up import up

        options = self._rooted(options or UpOptions())
        with tasks.fail_after(deadline):
            session = await self._open(on_event, options.services)
            code = await up(session, options)
        project = session.project
        return UpResult(records_of(session.engine, project, project.services), code)

    async def create(
        self,
        options: CreateOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Make what is missing or changed; start nothing."""
        from compose.scheduling.up import up

        options = self._rooted(options or CreateOptions())
        with tasks.fail_after(deadline):
            await up(await self._open(on_event, options.services), options)

    async def start(
        self,
        options: StartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Start containers that exist. Raises NotFound when a service has none."""
        from compose.scheduling.up import start

        options = options or StartOptions()
        with tasks.fail_after(deadline):
            await start(await self._open_existing(on_event), options)

    async def stop(
        self,
        options: StopOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Stop the services' containers, dependents first."""
        from compose.scheduling.down import stop

        with tasks.fail_after(deadline):
            await stop(await self._open_existing(on_event), options or StopOptions())

    async def restart(
        self,
        options: RestartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Stop and start, without looking at what the file says now."""
        from compose.scheduling.up import restart

        with tasks.fail_after(deadline):
            await restart(await self._open_existing(on_event), options or RestartOptions())

    async def kill(
        self,
        options: KillOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Send a signal, without order and hooks."""
        from compose.scheduling.down import kill

        with tasks.fail_after(deadline):
            await kill(await self._open_existing(on_event), options or KillOptions())

    async def rm(
        self,
        options: RemoveOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Remove stopped containers. Asks nothing: see `removable`."""
        from compose.scheduling.down import remove

        with tasks.fail_after(deadline):
            await remove(await self._open_existing(on_event), options or RemoveOptions())

    async def pause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Freeze the processes of running containers."""
        from compose.scheduling.down import pause

        with tasks.fail_after(deadline):
            await pause(await self._open_existing(on_event), services)

    async def unpause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Let frozen processes go on."""
        from compose.scheduling.down import unpause

        with tasks.fail_after(deadline):
            await unpause(await self._open_existing(on_event), services)

    async def down(
        self,
        options: DownOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Stop and remove. Needs no Compose file when the name is given."""
        from compose.scheduling.down import down

        with tasks.fail_after(deadline):
            await down(await self._open_existing(on_event), options or DownOptions())

    async def scale(
        self,
        replicas: Mapping[str, int],
        *,
        no_deps: bool = False,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """As many containers of each service as the mapping says."""
        options = UpOptions(
            services=tuple(replicas), scale=dict(replicas), no_deps=no_deps, detach=True
        )
        await self.up(options, on_event=on_event, deadline=deadline)

    async def pull(
        self,
        options: PullOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Get the services' images, newer ones too."""
        from compose.scheduling.pull import pull

        options = options or PullOptions()
        with tasks.fail_after(deadline):
            await pull(await self._open(on_event, options.services, start=False), options)

    async def push(
        self,
        options: PushOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Send the services' built images to their registries."""
        from compose.scheduling.push import push

        options = options or PushOptions()
        with tasks.fail_after(deadline):
            await push(await self._open(on_event, options.services, start=False), options)

    async def run(
        self,
        options: RunOptions,
        *,
        stdio: Stdio | None = None,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> Completed:
        """Run a one-off container of a service. `stdio` None: its output is returned."""
        from compose.scheduling.one_off import run

        with tasks.fail_after(deadline):
            session = await self._open(on_event, (options.service,))
            return Completed(*await run(session, self._with_env_files(options), stdio))

    async def exec(
        self,
        options: ExecOptions,
        *,
        stdio: Stdio | None = None,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> Completed:
        """Run a command in a running container. `stdio` None: its output is returned."""
        from compose.scheduling.exec import execute, executing, target
        from compose.scheduling.interrupts import Interrupts

        record = target(self._records((options.service,)), options.service, options.index)
        needs_values = None in options.environment.values()
        environment = self.project.environment if needs_values else {}
        if self._options.dry_run:
            on_event(executing(record, options))
            return Completed(0, container=record.name)
        with tasks.fail_after(deadline):
            done = await execute(
                self._reader,
                record,
                options,
                environment,
                stdio=stdio,
                interrupts=self._interrupts or Interrupts(),
            )
        return Completed(done.exit_code, done.stdout, done.stderr, record.name)

    async def logs(
        self,
        options: LogsOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Tell what the containers wrote; with `follow`, go on until all ended."""
        options = options or LogsOptions()
        records = self._logged(options)
        with tasks.fail_after(deadline):
            from compose.scheduling.follow import follow_logs, tell_logs

            if not options.follow:
                tell_logs(self._reader, records, options, on_event)
                return
            await follow_logs(self._reader, self.name, records, options, on_event)

    async def watch_events(
        self,
        services: Services = (),
        *,
        on_event: Callable[[Event], None],
        since: float | None = None,
        until: float | None = None,
        deadline: float | None = None,
    ) -> None:
        """`events`, and then each as it happens, until `until` or for ever."""
        from compose.scheduling.follow import follow_events

        def known() -> Iterable[Event]:
            if since is None and until is None:
                return ()
            return self.events(services, since=since, until=until)

        with tasks.fail_after(deadline):
            await follow_events(
                self._reader, self.name, services, on_event, known=known, until=until
            )

    async def wait(
        self,
        options: WaitOptions,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> tuple[Ended, ...]:
        """Wait until the services' containers end; in the order in which they did."""
        from compose.scheduling.wait import wait

        records = [record for record in self._records(options.services) if record.is_running]
        if not records:
            raise NotFound(f'no containers for project "{self.name}"', code="E215")
        with tasks.fail_after(deadline):
            ended = await wait(self._reader, records)
            if options.down_project:
                await self.down(on_event=on_event)
        return tuple(Ended(record, code) for record, code in ended)

    @asynccontextmanager
    async def running(
        self,
        options: UpOptions | None = None,
        *,
        down: DownOptions | None = None,
        on_event: OnEvent = ignore,
    ) -> AsyncIterator[AsyncStack]:
        """Up on entry (detached), down with its volumes on exit, whatever happens between."""
        try:
            await self.up(_detached(options), on_event=on_event)
            yield self
        finally:
            # an anyio cancellation that reaches the block must not stop the way down
            with _heard_to_the_end(on_event) as tell:
                await _shielded(self.down(down or DownOptions(volumes=True), on_event=tell))

    async def __aenter__(self) -> AsyncStack:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    # --- within

    async def _open(self, on_event: OnEvent, services: Services, *, start: bool = True) -> Session:
        """The engine first: its processes start on the other core while the files are read."""
        is_new = self._reader.find_project(self.name) is None
        start = start and not self._options.dry_run
        if start:
            await self._reader.open(start=True)
        try:
            project = self._active(services)
        except BaseException:
            if start and is_new:
                await self._reader.remove_project_row(self.name)
            raise
        return self._session(project, on_event)

    async def _open_existing(self, on_event: OnEvent) -> Session:
        """The same for what is there; nothing is made where nothing is."""
        exists = self._reader.find_project(self.name) is not None
        if exists and not self._options.dry_run:
            await self._reader.open(start=True)
        return self._session(self._project_or_labels(), on_event)

    def _session(self, project: Project, on_event: OnEvent) -> Session:
        from compose.scheduling.session import Session

        engine = self._reader
        if self._options.dry_run:
            from compose.scheduling.dry_engine import DryEngine

            engine = DryEngine(engine)
        if self._loaded is not None:
            for fault in self._take_warnings():
                on_event(Warned(fault=fault))
        return Session(
            project,
            engine,
            on_event,
            parallel=self._options.parallel,
            dry=self._options.dry_run,
            is_meant=self._is_named,
            env_files=self._options.env_files,
            interrupts=self._interrupts,
        )

    def _rooted(self, options: CreateT) -> CreateT:
        """With what the root's flags say of names and resources."""
        if not self._options.compatibility and not self._options.all_resources:
            return options
        import dataclasses

        separator = "_" if self._options.compatibility else options.separator
        everything = self._options.all_resources or options.all_resources
        return dataclasses.replace(options, separator=separator, all_resources=everything)

    def _with_env_files(self, options: RunOptions) -> RunOptions:
        """`--env-from-file`: read with the loader's grammar."""
        if not options.env_files:
            return options
        import dataclasses

        from compose.loading.discover import read_env_files
        from compose.loading.environment import Environment
        from compose.loading.report import Report

        report, read = Report(), Environment()
        for path in options.env_files:
            read_env_files([path], read, report)
        return dataclasses.replace(options, environment={**read, **options.environment})


class Stack(Reading):
    """A project, from plain code. The methods are AsyncStack's; see there.

    Verbs run in this thread, in a loop that lives as long as the verb. In the main thread, Ctrl-C
    and SIGTERM end a verb in order (`Interrupted`); those of an attached `up` stop its containers.
    """

    def up(
        self,
        options: UpOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> UpResult:
        return self._drive(lambda face: face.up(options, on_event=on_event, deadline=deadline))

    def create(
        self,
        options: CreateOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.create(options, on_event=on_event, deadline=deadline))

    def start(
        self,
        options: StartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.start(options, on_event=on_event, deadline=deadline))

    def stop(
        self,
        options: StopOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.stop(options, on_event=on_event, deadline=deadline))

    def restart(
        self,
        options: RestartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.restart(options, on_event=on_event, deadline=deadline))

    def kill(
        self,
        options: KillOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.kill(options, on_event=on_event, deadline=deadline))

    def rm(
        self,
        options: RemoveOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.rm(options, on_event=on_event, deadline=deadline))

    def pause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.pause(services, on_event=on_event, deadline=deadline))

    def unpause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(
            lambda face: face.unpause(services, on_event=on_event, deadline=deadline)
        )

    def down(
        self,
        options: DownOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.down(options, on_event=on_event, deadline=deadline))

    def scale(
        self,
        replicas: Mapping[str, int],
        *,
        no_deps: bool = False,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(
            lambda face: face.scale(replicas, no_deps=no_deps, on_event=on_event, deadline=deadline)
        )

    def pull(
        self,
        options: PullOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.pull(options, on_event=on_event, deadline=deadline))

    def push(
        self,
        options: PushOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.push(options, on_event=on_event, deadline=deadline))

    def run(
        self,
        options: RunOptions,
        *,
        stdio: Stdio | None = None,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> Completed:
        return self._drive(
            lambda face: face.run(options, stdio=stdio, on_event=on_event, deadline=deadline)
        )

    def exec(
        self,
        options: ExecOptions,
        *,
        stdio: Stdio | None = None,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> Completed:
        return self._drive(
            lambda face: face.exec(options, stdio=stdio, on_event=on_event, deadline=deadline)
        )

    def logs(
        self,
        options: LogsOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        return self._drive(lambda face: face.logs(options, on_event=on_event, deadline=deadline))

    def watch_events(
        self,
        services: Services = (),
        *,
        on_event: Callable[[Event], None],
        since: float | None = None,
        until: float | None = None,
        deadline: float | None = None,
    ) -> None:
        return self._drive(
            lambda face: face.watch_events(
                services, on_event=on_event, since=since, until=until, deadline=deadline
            )
        )

    def wait(
        self,
        options: WaitOptions,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> tuple[Ended, ...]:
        return self._drive(lambda face: face.wait(options, on_event=on_event, deadline=deadline))

    @contextmanager
    def running(
        self,
        options: UpOptions | None = None,
        *,
        down: DownOptions | None = None,
        on_event: OnEvent = ignore,
    ) -> Iterator[Stack]:
        """Up on entry (detached), down with its volumes on exit, whatever happens between."""
        try:
            self.up(_detached(options), on_event=on_event)
            yield self
        finally:
            with _heard_to_the_end(on_event) as tell:
                self.down(down or DownOptions(volumes=True), on_event=tell)

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _drive(self, call: Callable[[AsyncStack], Coroutine[Any, Any, T]]) -> T:
        """Run a verb of the asynchronous face, which shares what is loaded and open."""
        from compose.scheduling.interrupts import cancelled_by, caught

        face = AsyncStack(self._options, paths=self._paths, open_engine=self._open_engine)
        face.__dict__.update(self.__dict__)
        with caught() as interrupts:
            face._interrupts = interrupts
            try:
                value: T = tasks.run(cancelled_by, interrupts, lambda: call(face))
                return value
            finally:
                del face.__dict__["_interrupts"]
                self.__dict__.update(face.__dict__)


def _detached(options: UpOptions | None) -> UpOptions:
    """A stack to work with: nothing is followed, and by default all are ready."""
    if options is None:
        return UpOptions(wait=True)
    if options.wait or options.detach:
        return options
    import dataclasses

    return dataclasses.replace(options, detach=True)


@contextmanager
def _heard_to_the_end(on_event: OnEvent) -> Iterator[OnEvent]:
    """A listener that may fail: what it raised first is raised when the block is done."""
    failures: list[Exception] = []

    def tell(happened: Happened) -> None:
        try:
            on_event(happened)
        except Exception as error:
            failures.append(error)

    yield tell
    if failures:
        raise failures[0]


async def _shielded(work: Coroutine[Any, Any, None]) -> None:
    import anyio

    with anyio.CancelScope(shield=True):
        await work
