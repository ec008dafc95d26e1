"""An engine that reads the real one and only pretends to act: `--dry-run` for every verb.

What it pretends to make is there for later reads of the same verb, and starts well at once, so that
the whole plan is walked through and Docker's lines appear.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from runtime import tasks
from runtime.engine import Engine, ExecSession, StartedContainer
from runtime.errors import InUse, NotFound
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    ExecOptions,
    ImageRecord,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    PortBinding,
    ProjectId,
    RunState,
    VolumeOptions,
    VolumeRecord,
)


class DryEngine(Engine):
    """Reads are the real engine's; acts are remembered and told to nobody else."""

    def __init__(self, real: Engine) -> None:
        self._real = real
        self._numbers = itertools.count(1)
        self._made: dict[str, ContainerRecord] = {}
        self._states: dict[str, RunState] = {}
        self._names: dict[str, str] = {}
        self._gone: set[str] = set()

    def __getattribute__(self, name: str) -> Any:
        """What is not defined here is the real engine's."""
        if name.startswith("_") or name in DryEngine.__dict__:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_real"), name)

    # --- reads, with what was pretended

    def containers(self, project: str | None = None) -> tuple[ContainerRecord, ...]:
        found = (*self._real.containers(project), *self._made.values())
        return tuple(self._pretended(record) for record in found if record.id not in self._gone)

    def container(self, id_or_name: str) -> ContainerRecord:
        for record in self._made.values():
            if id_or_name in (record.id, record.name):
                return self._pretended(record)
        found = self._real.container(id_or_name)
        if found.id in self._gone:
            raise NotFound(f"no such container: {id_or_name}", code="E314")
        return self._pretended(found)

    def _pretended(self, record: ContainerRecord) -> ContainerRecord:
        name = self._names.get(record.id, record.name)
        return dataclasses.replace(
            record,
            options=dataclasses.replace(record.options, name=name),
            state=self._states.get(record.id, record.state),
        )

    def check_ports(self, bindings: Iterable[PortBinding]) -> None:
        self._real.check_ports(bindings)

    # --- acts

    async def open(self, *, start: bool = True) -> None:
        pass

    async def aclose(self) -> None:
        self._real.close()

    async def ensure_image(
        self,
        reference: str,
        *,
        policy: str = "missing",
        platform: str = "",
        on_progress: Any = None,
    ) -> ImageRecord:
        return self._real.image(reference) or ImageRecord(id="", name=reference)

    async def push_image(self, reference: str, *, on_progress: Any = None) -> tuple[str, int]:
        if self._real.image(reference) is None:
            raise NotFound(f"no such image: {reference}", code="E500")
        return "", 0

    async def remove_image(self, reference: str) -> None:
        if self._real.image(reference) is None:
            raise NotFound(f"no such image: {reference}", code="E500")

    async def create_network(self, options: NetworkOptions) -> NetworkRecord:
        return NetworkRecord(id=NetworkId(options.name), options=options)

    async def remove_network(self, name: str) -> None:
        users = sorted(
            record.name
            for record in self.containers()
            if any(endpoint.network == name for endpoint in record.options.endpoints)
        )
        if users:
            raise InUse(
                f"network {name} has active endpoints",
                code="E308",
                answered=f"used by {', '.join(users)}",
            )

    async def create_volume(self, options: VolumeOptions) -> VolumeRecord:
        return VolumeRecord(options=options)

    async def remove_volume(self, name: str) -> None:
        pass

    async def create_container(self, options: ContainerOptions) -> ContainerRecord:
        record = ContainerRecord(
            id=ContainerId(f"{next(self._numbers):064x}"),
            project_id=ProjectId("dry-run"),
            options=options,
        )
        self._made[record.id] = record
        return record

    async def rename_container(self, container_id: str, new_name: str) -> None:
        self._names[container_id] = new_name

    async def start_container(
        self,
        container_id: str,
        *,
        stdio: tuple[int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> StartedContainer:
        state = RunState(status="running", generation=1 << 30)
        self._states[container_id] = state
        return StartedContainer(state, None)

    async def stop_container(
        self,
        container_id: str,
        *,
        grace: float | None = None,
        comes_back: bool = False,
        networks_go: bool = False,
    ) -> RunState:
        state = RunState(status="exited", generation=1 << 30)
        self._states[container_id] = state
        return state

    async def kill_container(self, container_id: str, *, signal: str = "SIGKILL") -> None:
        self._states[container_id] = RunState(status="exited", exit_code=137)

    async def pause_container(self, container_id: str) -> None:
        self._states[container_id] = RunState(status="paused")

    async def unpause_container(self, container_id: str) -> None:
        self._states[container_id] = RunState(status="running")

    async def remove_container(
        self, container_id: str, *, force: bool = False, volumes: bool = False
    ) -> None:
        self._gone.add(container_id)

    async def exec(
        self,
        container_id: str,
        options: ExecOptions,
        *,
        stdio: tuple[int, int, int] | None = None,
        size: tuple[int, int] | None = None,
    ) -> ExecSession:
        return _NoSession()

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Any]:
        yield _nothing()

    async def lease(self, pidfd: int) -> None:
        pass

    async def remove_project_row(self, name: str) -> bool:
        return True

    async def sweep(self) -> tuple[str, ...]:
        return ()


class _NoSession(ExecSession):
    """A hook that was not run."""

    def __init__(self) -> None:
        self.pid = 0
        self.pty = None

    async def wait(self) -> int:
        return 0

    def close(self) -> None:
        pass


async def _nothing() -> AsyncIterator[Any]:
    await tasks.event().wait()
    yield
