"""Plays the keeper for one container: forks its init, says Configure and Run, reads what it
prints, forks further processes into it."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runtime.cgroups import hierarchy
from runtime.containers import host_facts
from runtime.containers.spec.build import build_spec
from runtime.containers.spec.context import SpecContext
from runtime.containers.spec.process import build_exec
from runtime.init import join, launch
from runtime.linux import netlink, seccomp
from runtime.messages import (
    Configure,
    ExecRequest,
    Frames,
    LaunchRequest,
    Ready,
    RootFilesystem,
    Run,
    StepFailed,
    receive,
    send,
)
from runtime.schemas import read_schema
from runtime.values import ContainerOptions, ExecOptions, ImageConfig

CONTAINER_ID = "c0ffee" * 10 + "abcd"
PATIENCE = 60
"""Seconds until a container that does not end is killed."""


@dataclass
class Ended:
    """How a process ended: its output, its exit code, or why it never ran."""

    output: str
    exit_code: int
    failure: StepFailed | None

    @property
    def words(self) -> list[str]:
        return self.output.split()


@dataclass
class Alive:
    """A process after its birth, whether it ran or not. `descriptors` came with Ready."""

    birth: launch.Birth
    failure: StepFailed | None
    descriptors: dict[str, int]
    readable: int

    @property
    def pid(self) -> int:
        return self.birth.pid

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Until its end, killed when that takes too long."""
        watchdog = os.pidfd_open(self.pid)
        if not select.select([watchdog], [], [], PATIENCE)[0]:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitpid(self.pid, 0)[1]
        output = read_all(self.descriptors["pty"]) if self.readable < 0 else read_all(self.readable)
        for descriptor in (watchdog, self.birth.pidfd, *self.descriptors.values()):
            os.close(descriptor)
        if self.readable >= 0:
            os.close(self.readable)
        return Ended(output, os.waitstatus_to_exitcode(status), self.failure)


@dataclass
class Box:
    """A container over a root file system: `patch` is an empty layer for what a test changes."""

    folder: Path
    base: Path
    patch: Path = field(init=False)
    image: ImageConfig = field(default_factory=lambda: ImageConfig(environment=("PATH=/bin",)))
    change_request: Callable[[LaunchRequest], LaunchRequest] = lambda request: request
    """Applied to each request; its document may be changed in place."""
    alive: list[Alive] = field(default_factory=list)
    request: LaunchRequest | None = None

    def __post_init__(self) -> None:
        self.patch = self.folder / "patch"
        for name in ("patch", "upper", "work", "rootfs"):
            (self.folder / name).mkdir()

    def run(self, script: str, **options: Any) -> Ended:
        """A shell script in a container made from these options."""
        return self.run_command(("sh", "-c", script), **options)

    def run_command(self, command: tuple[str, ...], **options: Any) -> Ended:
        return self.start(command, **options).wait()

    def start(self, command: tuple[str, ...] | str, **options: Any) -> Alive:
        words = ("sh", "-c", command) if isinstance(command, str) else command
        given = ContainerOptions(project="p", name="p-a-1", command=words, network_mode="none")
        self.request = self.change_request(self.make_request(replace(given, **options)))
        request = self.request
        born = self._give_birth(
            lambda stdio: configured(launch.fork_init(request, stdio)), tty=request.stdio == "tty"
        )
        self.alive.append(born)
        return born

    def execute(self, container: Alive, script: str, **options: Any) -> Ended:
        """A further process in a running container."""
        return self.start_exec(container, ("sh", "-c", script), **options).wait()

    def start_exec(self, container: Alive, command: tuple[str, ...], **options: Any) -> Alive:
        assert self.request is not None
        host = host_facts.read_host_facts(hierarchy.detect())
        chosen = ExecOptions(command=command, **options)
        process = build_exec(self.request.spec["process"], chosen, host)
        request = ExecRequest(
            exec_id="e",
            container_id=CONTAINER_ID,
            pid=container.pid,
            start_time=container.birth.start_time,
            process=process,
            seccomp_program=program(process, "default"),
            cgroup=self.request.cgroup,
            tty=chosen.tty,
            columns=80 if chosen.tty else 0,
            rows=24 if chosen.tty else 0,
        )
        return self._give_birth(lambda stdio: join.fork_exec(request, stdio), tty=chosen.tty)

    def end(self) -> None:
        """Kill what a failed test left."""
        for container in self.alive:
            try:
                os.kill(container.pid, signal.SIGKILL)
                os.waitpid(container.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass

    def make_request(self, options: ContainerOptions) -> LaunchRequest:
        context = SpecContext(
            container_id=CONTAINER_ID,
            root_path=str(self.folder / "rootfs"),
            host=host_facts.read_host_facts(hierarchy.detect()),
            defaults=host_facts.read_defaults(),
        )
        result = build_spec(options, self.image, context)
        return LaunchRequest(
            container_id=CONTAINER_ID,
            generation=1,
            spec=result.spec,
            root=RootFilesystem(
                lowers=(str(self.patch), str(self.base)),
                upper=str(self.folder / "upper"),
                work=str(self.folder / "work"),
            ),
            seccomp_program=program(result.spec["process"], result.seccomp),
            joined_namespaces=result.joined_namespaces,
            stdio="tty" if options.tty else "pipes",
        )

    def _give_birth(self, fork: Callable[[Any], launch.Birth], *, tty: bool) -> Alive:
        if tty:
            birth = fork(None)
            return Alive(birth, *bring_to_life(birth), readable=-1)
        readable, writable = os.pipe()
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        birth = fork((nothing, writable, writable))
        os.close(writable)
        os.close(nothing)
        return Alive(birth, *bring_to_life(birth), readable=readable)


def program(process: Mapping[str, Any], profile: str) -> bytes:
    if profile == "unconfined":
        return b""
    return seccomp.assemble(
        read_schema("seccomp-default.json"),
        read_schema("syscalls.json"),
        bounding_caps=set(process["capabilities"].get("bounding", ())),
    )


def configured(birth: launch.Birth) -> launch.Birth:
    """An init waits for its network; an exec does not."""
    loopback = netlink.encode([netlink.set_up("lo")])
    _tell(birth, Configure(container_id=CONTAINER_ID, route_batches=(loopback,)))
    return birth


def bring_to_life(birth: launch.Birth) -> tuple[StepFailed | None, dict[str, int]]:
    """Say Run when it is ready, as the keeper does. The failure, or None once the program is
    executed, and the descriptors that came with Ready."""
    frames = Frames()
    failure: StepFailed | None = None
    received: dict[str, int] = {}
    while True:
        try:
            whole = receive(birth.channel, frames)
        except (EOFError, ConnectionResetError):
            birth.channel.close()
            return failure, received
        for message, _id, descriptors in whole:
            match message:
                case StepFailed():
                    failure = message
                case Ready():
                    received.update(zip(message.descriptors, descriptors, strict=True))
                    _tell(birth, Run())


def _tell(birth: launch.Birth, message: Any) -> None:
    try:
        send(birth.channel, message)
    except OSError:
        pass  # it is dead already, and said why


def read_all(descriptor: int) -> str:
    """Until the end, which a terminal tells with EIO."""
    parts = []
    while True:
        try:
            part = os.read(descriptor, 1 << 16)
        except OSError:
            part = b""
        if not part:
            return b"".join(parts).decode(errors="replace")
        parts.append(part)
