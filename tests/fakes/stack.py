"""A Stack and a Machine that do nothing: they note what they are asked, tell prepared events,
return prepared values.

For tests of the command line. What the real ones do with the same options is tested with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from compose.cli.context import Doors
from compose.machine import ProjectRow, PrunedSystem
from compose.options import PruneOptions, StackOptions
from compose.reading import UsageOf
from compose.stack import Completed, Ended, ImageRow, ProcessesOf, UpResult
from runtime.errors import NotFound
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    ContainerUsage,
    DiskUsage,
    HistoryLine,
    ImageConfig,
    ImageDetails,
    ImageRecord,
    ImageUsage,
    LoadedImage,
    Login,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    ProcessRow,
    Progress,
    ProjectId,
    ProjectRecord,
    Pruned,
    PublishedPort,
    RunState,
    VolumeOptions,
    VolumeRecord,
)

NOW = 1_000_000_000.0


def container(
    name: str = "shop-web-1",
    *,
    service: str = "web",
    number: int = 1,
    state: RunState | None = None,
    **options: Any,
) -> ContainerRecord:
    """A running container of three minutes."""
    return ContainerRecord(
        id=ContainerId((name.encode().hex() * 8)[:64]),
        project_id=ProjectId("0123abcd"),
        options=ContainerOptions(
            project="shop", name=name, service=service, number=number, **options
        ),
        image_id="sha256:" + "ab" * 32,
        created_at=NOW - 200,
        state=state or RunState(status="running", started_at=NOW - 180, pid=42),
    )


def network(name: str = "shared", **options: Any) -> NetworkRecord:
    return NetworkRecord(
        id=NetworkId("cd" * 32),
        options=NetworkOptions(name=name, **options),
        subnet="172.20.0.0/16",
        gateway="172.20.0.1",
        created_at=NOW,
    )


def volume(name: str = "shop_data", **options: Any) -> VolumeRecord:
    return VolumeRecord(
        options=VolumeOptions(name=name, **options), path=f"/volumes/{name}/1", created_at=NOW
    )


def image(name: str = "nginx:1", **config: Any) -> ImageRecord:
    """Made two minutes ago."""
    return ImageRecord(
        id="sha256:" + "ef" * 32,
        name=name,
        digest="sha256:" + "cd" * 32,
        size=204_123_000,
        created_at=NOW - 120,
        config=ImageConfig(architecture="amd64", **config),
    )


class Faked:
    """Calls are noted as text: `up UpOptions(detach=True)`, fields at their default left out."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.events: list[Any] = []
        self.error: BaseException | None = None
        self.containers_: tuple[ContainerRecord, ...] = (container(),)
        self.volumes_: tuple[VolumeRecord, ...] = (volume(),)
        self.networks_: tuple[NetworkRecord, ...] = (network(),)
        self.images_: tuple[ImageRecord, ...] = (image(),)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def close(self) -> None:
        pass

    def note(self, verb: str, *values: Any, **words: Any) -> None:
        words.pop("deadline", None)
        on_event: Callable[[Any], None] = words.pop("on_event", lambda event: None)
        shown = [short(value) for value in values]
        shown += [f"{name}={short(value)}" for name, value in words.items() if value]
        self.calls.append(" ".join([verb, *shown]))
        for event in self.events:
            on_event(event)
        if self.error is not None:
            raise self.error


def short(value: Any) -> str:
    """A value without its fields at their default."""
    fields = getattr(type(value), "__frozen_fields__", None)
    if fields is None:
        return repr(value)
    given = ", ".join(
        f"{name}={short(getattr(value, name))}"
        for name, default in fields.items()
        if getattr(value, name)
        != (
            default.factory()
            if callable(default.factory) and default.factory is dict
            else default.value
        )
    )
    return f"{type(value).__name__}({given})"


class FakeStack(Faked):
    """Has one running container `shop-web-1` unless told otherwise."""

    name = "shop"
    warnings: tuple[Any, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.exit_code = 0
        self.plan = "1  create web-1  missing\n"
        self.logs_: list[Any] = []

    # what acts

    def up(self, *values: Any, **words: Any) -> UpResult:
        self.note("up", *values, **words)
        return UpResult(self.containers_, self.exit_code)

    def run(self, *values: Any, **words: Any) -> Completed:
        self.note("run", *values, **words)
        return Completed(self.exit_code, container="shop-web-run-0123456789ab")

    def exec(self, *values: Any, **words: Any) -> Completed:
        self.note("exec", *values, **words)
        return Completed(self.exit_code)

    def wait(self, *values: Any, **words: Any) -> tuple[Ended, ...]:
        self.note("wait", *values, **words)
        return tuple(Ended(one, self.exit_code) for one in self.containers_)

    def __getattr__(self, verb: str) -> Callable[..., None]:
        if verb.startswith("_"):
            raise AttributeError(verb)
        return lambda *values, **words: self.note(verb, *values, **words)

    # what reads

    def explain(self, options: Any = None) -> str:
        self.note("explain", options)
        return self.plan

    def ps(self, options: Any) -> tuple[ContainerRecord, ...]:
        self.note("ps", options)
        return self.containers_

    def removable(self, options: Any) -> tuple[ContainerRecord, ...]:
        self.note("removable", options)
        return self.containers_

    def volumes(self, services: Any = ()) -> tuple[VolumeRecord, ...]:
        self.note("volumes", services)
        return self.volumes_

    def images(self, services: Any = ()) -> tuple[ImageRow, ...]:
        self.note("images", services)
        config = ImageConfig(architecture="amd64", created="2001-09-08T00:00:00Z")
        image = ImageRecord(
            id="sha256:" + "ab" * 32, name="nginx:1", size=204_123_000, config=config
        )
        return tuple(ImageRow(one, image) for one in self.containers_)

    def top(self, services: Any = ()) -> tuple[ProcessesOf, ...]:
        self.note("top", services)
        process = ProcessRow(
            pid=42,
            parent=1,
            user="root",
            started_at=NOW - 180,
            cpu_seconds=61,
            terminal="",
            command="nginx: master",
        )
        return tuple(ProcessesOf(one, (process,)) for one in self.containers_)

    def stats(self, services: Any = (), *, all: bool = False) -> tuple[UsageOf, ...]:
        self.note("stats", services, all=all)
        if len(self.calls) > 2:  # whoever goes on for ever is stopped by hand
            raise KeyboardInterrupt
        usage = ContainerUsage(memory=1_572_864, memory_limit=1 << 30, pids=3, received=1200)
        return tuple(UsageOf(one, usage) for one in self.containers_ if one.is_running or all)

    def port(self, service: str, private_port: int, **words: Any) -> PublishedPort:
        self.note("port", service, private_port, **words)
        return PublishedPort(container_port=80, protocol="tcp", host_ip="0.0.0.0", host_port=8080)

    def read_logs(self, options: Any) -> Any:
        self.note("read_logs", options)
        yield from self.logs_


class FakeMachine(Faked):
    """One network `shared` and one volume `shop_data`."""

    projects = ("shop", "blog")
    known: Login | None = None
    login_file = ""

    def ls(self, *, all: bool = False) -> tuple[ProjectRow, ...]:
        names = self.projects if all else self.projects[:1]
        return tuple(
            ProjectRow(
                ProjectRecord(id=ProjectId("01"), name=name, folder="/srv", files=("/srv/a.yaml",)),
                self.containers_,
            )
            for name in names
        )

    def known_login(self, registry: str) -> Login | None:
        self.note("known_login", registry)
        return self.known

    def login(self, registry: str, login: Login) -> str:
        self.note("login", registry, login.username, login.password)
        return self.login_file

    def logout(self, registry: str) -> bool:
        self.note("logout", registry)
        return self.known is not None

    def pull_image(self, reference: str, **words: Any) -> ImageRecord:
        on_progress = words.pop("on_progress")
        self.note("pull_image", reference, **words)
        on_progress(Progress(id="0123456789ab", text="Pull complete", done=True))
        return ImageRecord(id="sha256:" + "ab" * 32, name=reference, digest="sha256:" + "cd" * 32)

    def push_image(self, reference: str, **words: Any) -> tuple[str, int]:
        words.pop("on_progress")
        self.note("push_image", reference, **words)
        return "sha256:" + "cd" * 32, 528

    def remote_tags_of(self, name: str) -> tuple[str, ...]:
        return (f"{name}:1", f"{name}:2")

    def tags_of(self, name: str) -> tuple[str, ...]:
        return (f"{name}:1", f"{name}:2")

    def boot(self, **words: Any) -> tuple[str, ...]:
        self.note("boot", **words)
        return self.projects

    def containers(self) -> tuple[ContainerRecord, ...]:
        return self.containers_

    def networks(self) -> tuple[NetworkRecord, ...]:
        return self.networks_

    def volumes(self) -> tuple[VolumeRecord, ...]:
        return self.volumes_

    def network(self, name: str) -> NetworkRecord:
        return next(one for one in self.networks_ if one.name == name)

    def volume(self, name: str) -> VolumeRecord:
        return next(one for one in self.volumes_ if one.name == name)

    def create_network(self, options: NetworkOptions) -> NetworkRecord:
        self.note("create_network", options)
        return network(options.name)

    def create_volume(self, options: VolumeOptions) -> VolumeRecord:
        self.note("create_volume", options)
        return volume(options.name)

    def images(self) -> tuple[ImageRecord, ...]:
        return self.images_

    def image_details(self, reference: str, *, platform: str = "") -> ImageDetails:
        self.note("image_details", reference, platform=platform)
        steps = (
            HistoryLine(created_at=NOW - 90_000, created_by="a" * 60, size=204_123_000),
            HistoryLine(created_at=NOW - 120, created_by="CMD", comment="made", size=0),
        )
        return ImageDetails(record=image(reference), names=(reference,), history=steps)

    def import_image(self, source: str, name: str = "", **words: Any) -> ImageRecord:
        self.tell_image(words)
        self.note("import_image", source, name, **words)
        return image(name)

    def load_images(self, source: str, **words: Any) -> tuple[LoadedImage, ...]:
        self.tell_image(words)
        self.note("load_images", source, **words)
        return (LoadedImage(id=image().id, names=("nginx:1",)), LoadedImage(id=image().id))

    def tell_image(self, words: dict[str, Any]) -> None:
        if on_progress := words.pop("on_progress", None):
            on_progress(Progress(id="nginx", text="Loading", current=1, total=2))

    def save_images(self, names: Any, target: str, **words: Any) -> None:
        self.note("save_images", names, target, **words)

    def tag_image(self, source: str, target: str) -> None:
        self.note("tag_image", source, target)

    def remove_image(self, reference: str, **words: Any) -> tuple[str, ...]:
        self.note("remove_image", reference, **words)
        if reference == "missing":
            raise NotFound(f"no such image: {reference}", code="E500")
        return (f"Untagged: {reference}",)

    def prune_images(self, options: PruneOptions) -> Pruned:
        self.note("prune_images", options)
        return Pruned(lines=("Untagged: nginx:1", f"Deleted: {image().id}"), reclaimed=204_123_000)

    def prune(self, options: PruneOptions) -> PrunedSystem:
        self.note("prune", options)
        return PrunedSystem(("ab",), ("shared",), ("data",), Pruned(), 1500)

    def prune_networks(self, options: PruneOptions) -> tuple[str, ...]:
        self.note("prune_networks", options)
        return ("shared",)

    def prune_volumes(self, options: PruneOptions) -> tuple[tuple[str, ...], int]:
        self.note("prune_volumes", options)
        return ("shop_data",), 1500

    def disk_usage(self) -> DiskUsage:
        usage = ImageUsage(record=image(), unique=204_123_000, containers=1)
        return DiskUsage(
            images=(usage,), layers=204_123_000, volumes={"shop_data": 1500}, containers={}
        )

    def remove_network(self, name: str) -> None:
        self.remove("remove_network", name)

    def remove_volume(self, name: str) -> None:
        self.remove("remove_volume", name)

    def remove(self, verb: str, name: str) -> None:
        self.note(verb, name)
        if name == "missing":
            raise NotFound(f"no such thing: {name}", code="E310")


class FakeDoors(Doors):
    """Leads to the fakes, as root unless told otherwise."""

    def __init__(
        self,
        *,
        stack: FakeStack | None = None,
        machine: FakeMachine | None = None,
        root: bool = True,
        unit_folder: str = "",
    ) -> None:
        self.fake_stack = stack or FakeStack()
        self.fake_machine = machine or FakeMachine()
        self.root = root
        self.unit_folder = unit_folder
        self.options: StackOptions | None = None
        self.is_dry = False
        """A Machine that does nothing was asked for."""

    def is_root(self) -> bool:
        return self.root

    def stack(self, options: StackOptions) -> Any:
        self.options = options
        return self.fake_stack

    def machine(self, environment: Mapping[str, str]) -> Any:
        return self.fake_machine

    def dry_machine(self, tell: Any, environment: Mapping[str, str]) -> Any:
        self.is_dry = True
        return self.fake_machine

    @property
    def calls(self) -> list[str]:
        return [*self.fake_stack.calls, *self.fake_machine.calls]
