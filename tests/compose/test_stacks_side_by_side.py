"""Stacks of one Python process at the same time: in threads, in tasks of one loop, two verbs of one stack."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compose.options import DownOptions, RestartOptions, StackOptions, UpOptions
from compose.stack import AsyncStack, Stack
from runtime.paths import Paths
from tests.census import census
from tests.conftest import wait_for_end

pytestmark = pytest.mark.kernel

FILE = """
x-idle: &idle {image: host, command: [sleep, '1000'], init: true, stop_grace_period: 0s}
services: {a: *idle, b: *idle}
"""


@pytest.fixture
def folders(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Four projects in one root, of which nothing is left at the end."""
    monkeypatch.setenv("PYCOMPOSE_ROOT", str(paths.data.parent))
    found = [tmp_path / name for name in ("one", "two", "three", "four")]
    for folder in found:
        folder.mkdir()
        (folder / "compose.yaml").write_text(FILE)
    before = census(paths)
    yield found
    wait_for_end(paths)
    assert census(paths) == before


def options(folder: Path) -> StackOptions:
    return StackOptions(project_directory=str(folder), files=(str(folder / "compose.yaml"),))


NAMES = [[f"{name}-a-1", f"{name}-b-1"] for name in ("one", "two", "three", "four")]


def test_four_threads_have_a_stack_each(folders: list[Path]):
    def use(folder: Path) -> list[str]:
        with Stack(options(folder)) as stack, stack.running():
            return [record.name for record in stack.ps()]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, folders)) == NAMES


def test_four_tasks_have_a_stack_each_and_two_verbs_of_it_run_at_the_same_time(
    folders: list[Path],
):
    async def use(folder: Path) -> list[str]:
        async with AsyncStack(options(folder)) as stack:
            await stack.up(UpOptions(wait=True))
            await asyncio.gather(
                *(stack.restart(RestartOptions(services=(name,))) for name in ("a", "b"))
            )
            names = [record.name for record in stack.ps()]
            await stack.down(DownOptions(volumes=True))
            return names

    async def use_all() -> list[list[str]]:
        return await asyncio.gather(*map(use, folders))

    assert asyncio.run(use_all()) == NAMES
