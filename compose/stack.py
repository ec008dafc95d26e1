"""One project: load it, look at it, change it. The public Python API; the command line is its first
user.

`AsyncStack` is the implementation, `Stack` its synchronous face with the same methods: usable from
plain code, and inside a running event loop through `AsyncStack`. Methods that read are plain in
both and start nothing; those that act are coroutines in `AsyncStack`. Nothing here prints: what
happens is told to `on_event`, what is known is returned, what goes wrong is raised (`ComposeError`,
`RuntimeFault`).

    with Stack(files=("compose.yaml",)).running(UpOptions(wait=True)) as stack:
        port = stack.host_port("web", 80)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from compose.options import (
    CreateOptions,
    DownOptions,
    ExecOptions,
    KillOptions,
    LogsOptions,
    PsOptions,
    PullOptions,
    RemoveOptions,
    RestartOptions,
    RunOptions,
    Services,
    StackOptions,
    StartOptions,
    Stdio,
    StopOptions,
    UpOptions,
    WaitOptions,
)
from compose.scheduling.events import LogOutput, OnEvent, ignore
from runtime.paths import Paths
from runtime.values import ContainerRecord, Event, ImageRecord, PublishedPort, VolumeRecord


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


class ImageRow(NamedTuple):
    """A container and the image it was made from; None when the image is gone."""

    container: ContainerRecord
    image: ImageRecord | None


class ProcessesOf(NamedTuple):
    """A container and its processes (`runtime.engine.ProcessRow`)."""

    container: ContainerRecord
    processes: tuple[Any, ...]


class Ended(NamedTuple):
    """A container that `wait` waited for."""

    container: ContainerRecord
    exit_code: int


class _Reading:
    """What both faces share: the project's name, and all that reads."""

    def __init__(self, options: StackOptions | None = None, *, paths: Paths | None = None) -> None:
        """Touches nothing: files are found and read by the first method that needs them."""

    @property
    def name(self) -> str:
        """The project's name: the flag, `COMPOSE_PROJECT_NAME`, the file's `name:`, the folder's.

        Reads no more than it must. Raises InvalidFile, NotFound.
        """
        raise NotImplementedError

    @property
    def project(self) -> Any:
        """The loaded Project; loaded once. Raises InvalidFile, NotFound."""
        raise NotImplementedError

    @property
    def warnings(self) -> tuple[Any, ...]:
        """What loading had to say (`compose.errors.Fault`s); loads the project."""
        raise NotImplementedError

    def explain(self, options: UpOptions | None = None) -> str:
        """The plan that `up` would carry out, an action a line with its reason; empty: nothing."""
        raise NotImplementedError

    def ps(self, options: PsOptions | None = None) -> tuple[ContainerRecord, ...]:
        """The containers, ordered by name. Raises NotFound for an unknown service."""
        raise NotImplementedError

    def images(self, services: Services = ()) -> tuple[ImageRow, ...]:
        """The image of each container."""
        raise NotImplementedError

    def top(self, services: Services = ()) -> tuple[ProcessesOf, ...]:
        """The processes of each running container."""
        raise NotImplementedError

    def volumes(self, services: Services = ()) -> tuple[VolumeRecord, ...]:
        """The project's volumes, those of `services` alone when given."""
        raise NotImplementedError

    def port(
        self, service: str, private_port: int, *, protocol: str = "tcp", index: int = 0
    ) -> PublishedPort:
        """Where a container's port is published. Raises NotFound."""
        raise NotImplementedError

    def host_port(self, service: str, private_port: int) -> int:
        """`port`, the number alone: for a test that wants to connect to 127.0.0.1."""
        raise NotImplementedError

    def read_logs(self, options: LogsOptions | None = None) -> Iterator[LogOutput]:
        """What the containers wrote so far (`follow` is ignored), one container after the other."""
        raise NotImplementedError

    def events(
        self,
        services: Services = (),
        *,
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Event]:
        """What happened to the project's objects, oldest first."""
        raise NotImplementedError

    def removable(self, options: RemoveOptions) -> tuple[ContainerRecord, ...]:
        """The containers that `rm` would remove: what to ask the user about."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of files and threads. What runs goes on running."""


class AsyncStack(_Reading):
    """A project, from within an event loop (asyncio or trio, by anyio).

    `deadline` is in seconds, for the whole verb; past it the verb is cancelled, what was done stays
    done, and TimeoutError is raised. Cancelling a verb leaves a state from which the next
    converges.
    """

    async def up(
        self,
        options: UpOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> UpResult:
        """Make, start, and, unless detached, follow until all ended. Raises ActionFailed."""
        raise NotImplementedError

    async def create(
        self,
        options: CreateOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def start(
        self,
        options: StartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Start containers that exist. Raises NotFound when a service has none."""
        raise NotImplementedError

    async def stop(
        self,
        options: StopOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def restart(
        self,
        options: RestartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def kill(
        self,
        options: KillOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def rm(
        self,
        options: RemoveOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Remove stopped containers. Asks nothing: see `removable`."""
        raise NotImplementedError

    async def pause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def unpause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def down(
        self,
        options: DownOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Stop and remove. Needs no Compose file when the name is given."""
        raise NotImplementedError

    async def scale(
        self,
        replicas: Mapping[str, int],
        *,
        no_deps: bool = False,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def pull(
        self,
        options: PullOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    async def run(
        self,
        options: RunOptions,
        *,
        stdio: Stdio | None = None,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> Completed:
        """Run a one-off container of a service. `stdio` None: its output is returned."""
        raise NotImplementedError

    async def exec(
        self,
        options: ExecOptions,
        *,
        stdio: Stdio | None = None,
        deadline: float | None = None,
    ) -> Completed:
        """Run a command in a running container. `stdio` None: its output is returned."""
        raise NotImplementedError

    async def logs(
        self,
        options: LogsOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        """Tell what the containers wrote; with `follow`, go on until all ended."""
        raise NotImplementedError

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
        raise NotImplementedError

    async def wait(
        self,
        options: WaitOptions,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> tuple[Ended, ...]:
        """Wait until the services' containers end; in the order in which they did."""
        raise NotImplementedError

    @asynccontextmanager
    async def running(
        self,
        options: UpOptions | None = None,
        *,
        down: DownOptions | None = None,
        on_event: OnEvent = ignore,
    ) -> AsyncIterator[AsyncStack]:
        """Up on entry (detached), down on exit, whatever happens between."""
        raise NotImplementedError
        yield self

    async def __aenter__(self) -> AsyncStack:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()


class Stack(_Reading):
    """A project, from plain code. The methods are AsyncStack's; see there.

    Acts run in one event loop that lives as long as the Stack, in a thread of its own. An interrupt
    (KeyboardInterrupt) of an attached `up` stops in order; the second one kills.
    """

    def up(
        self,
        options: UpOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> UpResult:
        raise NotImplementedError

    def create(
        self,
        options: CreateOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def start(
        self,
        options: StartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def stop(
        self,
        options: StopOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def restart(
        self,
        options: RestartOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def kill(
        self,
        options: KillOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def rm(
        self,
        options: RemoveOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def pause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def unpause(
        self,
        services: Services = (),
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def down(
        self,
        options: DownOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def scale(
        self,
        replicas: Mapping[str, int],
        *,
        no_deps: bool = False,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def pull(
        self,
        options: PullOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def run(
        self,
        options: RunOptions,
        *,
        stdio: Stdio | None = None,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> Completed:
        raise NotImplementedError

    def exec(
        self,
        options: ExecOptions,
        *,
        stdio: Stdio | None = None,
        deadline: float | None = None,
    ) -> Completed:
        raise NotImplementedError

    def logs(
        self,
        options: LogsOptions | None = None,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def watch_events(
        self,
        services: Services = (),
        *,
        on_event: Callable[[Event], None],
        since: float | None = None,
        until: float | None = None,
        deadline: float | None = None,
    ) -> None:
        raise NotImplementedError

    def wait(
        self,
        options: WaitOptions,
        *,
        on_event: OnEvent = ignore,
        deadline: float | None = None,
    ) -> tuple[Ended, ...]:
        raise NotImplementedError

    @contextmanager
    def running(
        self,
        options: UpOptions | None = None,
        *,
        down: DownOptions | None = None,
        on_event: OnEvent = ignore,
    ) -> Iterator[Stack]:
        raise NotImplementedError
        yield self

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
