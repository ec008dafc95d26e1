"""Containers that are removed at the same time are removed together, and each asker hears of his own."""

import anyio
import pytest

from runtime.errors import RuntimeFault
from runtime.supervisor.removals import Removals
from runtime.values import ContainerOptions, ContainerRecord

pytestmark = pytest.mark.anyio


def container(name: str) -> ContainerRecord:
    options = ContainerOptions(project="p", name=name, service=name)
    return ContainerRecord(id=name, project_id="p", options=options)


class Disk:
    """Removes in turns; what is in `busy` cannot be removed."""

    def __init__(self) -> None:
        self.turns: list[str] = []
        self.busy: set[str] = set()
        self.removals = Removals(self.remove)
        self.told: list[str] = []

    def remove(self, wishes):
        if "disk" in self.busy:
            raise OSError("no space")
        self.turns.append(" ".join(f"{one.record.id}{'+' * one.volumes}" for one in wishes))
        return {
            one.record.id: RuntimeFault(f"{one.record.id} is busy", code="E400")
            for one in wishes
            if one.record.id in self.busy
        }

    async def ask(self, name: str, *, volumes: bool = False) -> None:
        try:
            await self.removals.ask(container(name), volumes=volumes)
            self.told.append(f"{name}: gone")
        except (OSError, RuntimeFault) as error:
            self.told.append(f"{name}: {error}")

    async def ask_all(self, *names: str) -> None:
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(self.ask, name)


async def test_those_who_come_while_one_is_removed_go_together():
    disk = Disk()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disk.ask_all, "a", "b", "c", "d")
        tasks.start_soon(lambda: disk.ask("e", volumes=True))
    assert sorted(" ".join(disk.turns).split()) == ["a", "b", "c", "d", "e+"]
    assert len(disk.turns) <= 2
    assert sorted(disk.told) == ["a: gone", "b: gone", "c: gone", "d: gone", "e: gone"]


async def test_what_is_wrong_with_one_is_told_to_its_asker_alone_and_tried_again():
    disk = Disk()
    disk.busy = {"b"}
    await disk.ask_all("a", "b", "c")
    assert sorted(disk.told) == ["a: gone", "b: b is busy", "c: gone"]
    disk.busy, disk.told = set(), []
    await disk.ask("b")
    assert disk.told == ["b: gone"]


async def test_what_is_wrong_with_all_is_told_to_all():
    disk = Disk()
    disk.busy = {"disk"}
    await disk.ask_all("a", "b")
    assert sorted(disk.told) == ["a: no space", "b: no space"]
