"""Plays the keeper for one container: forks its init, says Configure and Run, reads what it
prints."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtime.cgroups import hierarchy
from runtime.containers import host_facts
from runtime.containers.spec.build import build_spec
from runtime.containers.spec.context import SpecContext
from runtime.init import launch
from runtime.linux import netlink, seccomp
from runtime.messages import (
    Configure,
    Frames,
    LaunchRequest,
    RootFilesystem,
    Run,
    StepFailed,
    receive,
    send,
)
from runtime.schemas import read_schema
from runtime.values import ContainerOptions, ImageConfig

TOP = Path(__file__).resolve().parents[3]
CONTAINER_ID = "c0ffee" * 10 + "abcd"


@dataclass
class Ended:
    """How a container ended: its output, its exit code, or why it never ran."""

    output: str
    exit_code: int
    failure: StepFailed | None


class Box:
    """Folders for one container with a root file system of busybox."""

    def __init__(self, folder: Path) -> None:
        self.lower = folder / "lower"
        for name in ("lower", "upper", "work", "rootfs"):
            (folder / name).mkdir()
        self._folder = folder
        maker = TOP / "samples" / "rootfs" / "make-rootfs.sh"
        subprocess.run(["sh", str(maker), str(folder / "rootfs.tar")], check=True)
        unpack = ["tar", "-C", str(self.lower), "-xf", str(folder / "rootfs.tar")]
        subprocess.run(unpack, check=True)

    def run(self, script: str, **options: Any) -> Ended:
        """A shell script in a container made from these options."""
        return self.run_command(("sh", "-c", script), **options)

    def run_command(self, command: tuple[str, ...], **options: Any) -> Ended:
        given = ContainerOptions(project="p", name="p-a-1", command=command, network_mode="none")
        with output() as (descriptor, read):
            birth = launch.fork_init(
                self.request(replace(given, **options)), (null(), descriptor, descriptor)
            )
            os.close(descriptor)
            failure = bring_to_life(birth)
            text = read()
        status = os.waitpid(birth.pid, 0)[1]
        os.close(birth.pidfd)
        return Ended(text, os.waitstatus_to_exitcode(status), failure)

    def request(self, options: ContainerOptions) -> LaunchRequest:
        context = SpecContext(
            container_id=CONTAINER_ID,
            root_path=str(self._folder / "rootfs"),
            host=host_facts.read_host_facts(hierarchy.detect()),
            defaults=host_facts.read_defaults(),
        )
        result = build_spec(options, ImageConfig(environment=("PATH=/bin",)), context)
        return LaunchRequest(
            container_id=CONTAINER_ID,
            generation=1,
            spec=result.spec,
            root=RootFilesystem(
                lowers=(str(self.lower),),
                upper=str(self._folder / "upper"),
                work=str(self._folder / "work"),
            ),
            seccomp_program=program(result.spec["process"], result.seccomp),
            joined_namespaces=result.joined_namespaces,
        )


def program(process: Mapping[str, Any], profile: str) -> bytes:
    if profile == "unconfined":
        return b""
    return seccomp.assemble(
        read_schema("seccomp-default.json"),
        read_schema("syscalls.json"),
        bounding_caps=set(process["capabilities"].get("bounding", ())),
    )


def bring_to_life(birth: launch.Birth) -> StepFailed | None:
    """Say Configure and Run as the keeper does; the failure, or None once the program is
    executed."""
    loopback = netlink.encode([netlink.set_up("lo")])
    send(birth.channel, Configure(container_id=CONTAINER_ID, route_batches=(loopback,)))
    frames = Frames()
    try:
        while True:
            for message, _id, descriptors in receive(birth.channel, frames):
                for descriptor in descriptors:
                    os.close(descriptor)
                if isinstance(message, StepFailed):
                    return message
                send(birth.channel, Run())
    except EOFError:
        return None
    finally:
        birth.channel.close()


@contextmanager
def output() -> Iterator[tuple[int, Any]]:
    readable, writable = os.pipe()

    def read() -> str:
        with open(readable, encoding="utf-8", errors="replace", closefd=False) as file:
            return file.read()

    try:
        yield writable, read
    finally:
        os.close(readable)


def null() -> int:
    return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
