"""A notice of the kernel becomes an event `oom`, also where the kernel counts the kill after the notice."""

from __future__ import annotations

import os

import anyio
import pytest

from runtime.supervisor import memory
from runtime.supervisor.supervised import Supervised
from runtime.values import ContainerId, ContainerOptions, ContainerRecord, ProjectId

pytestmark = pytest.mark.anyio


class Machine:
    """Counts of kills, one for each look; the last one stays."""

    def __init__(self, *counts: int) -> None:
        self.notices = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._counts = iter(counts)
        self._last = counts[-1]

    def open_oom_notices(self, _record: ContainerRecord) -> int:
        return self.notices

    def oom_kills(self, _record: ContainerRecord) -> int:
        return next(self._counts, self._last)


class Project:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.told = anyio.Event()
        self.events: list[str] = []

    def publish(self, _container: Supervised, action: str) -> None:
        self.events.append(action)
        self.told.set()


def container() -> Supervised:
    options = ContainerOptions(project="shop", name="shop-web-1")
    return Supervised(
        ContainerRecord(id=ContainerId("1" * 64), project_id=ProjectId("12345678"), options=options)
    )


@pytest.mark.parametrize("counts", [(1,), (0, 0, 0, 1)])
async def test_a_kill_is_told_once_however_late_it_is_counted(counts: tuple[int, ...]):
    project, struck = Project(Machine(*counts)), container()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(memory.watch, project, struck)
        os.eventfd_write(project.machine.notices, 1)
        with anyio.fail_after(20):
            await project.told.wait()
        os.eventfd_write(project.machine.notices, 1)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert project.events == ["oom"]
    assert (struck.state.oom_killed, struck.oom_kills) == (True, 1)


@pytest.mark.parametrize("counts", [(1,), (0, 1)])
async def test_a_kill_before_notices_were_asked_for_is_told(counts: tuple[int, ...]):
    project, struck = Project(Machine(*counts)), container()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(memory.watch, project, struck)
        with anyio.fail_after(20):
            await project.told.wait()
        tasks.cancel_scope.cancel()
    assert project.events == ["oom"]
