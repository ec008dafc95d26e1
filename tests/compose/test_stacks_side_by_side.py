"""Stacks of one Python process at the same time: in threads, in tasks of one loop, two verbs of one stack."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from compose.options import (
    DownOptions,
    ExecOptions,
    PsOptions,
    RestartOptions,
    RunOptions,
    StackOptions,
    UpOptions,
)
from compose.stack import AsyncStack, Stack
from runtime.paths import Paths
from tests.census import census
from tests.conftest import wait_for_end
from tests.runtime.images.made import busybox_tar

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


def left(stack: Stack | AsyncStack) -> list[tuple[object, ...]]:
    records = stack.ps(PsOptions(all=True))
    return [
        (r.name, r.state.status, *([r.state.exit_code] if r.state.status == "exited" else []))
        for r in records
        if r.options.oneoff
    ]


def one_off(*, remove: bool) -> RunOptions:
    return RunOptions(
        service="a", command=("sleep", "1000"), name=f"removed-{remove}", remove=remove
    )


KILLED = [("removed-False", "exited", 137)]


def test_a_run_that_is_past_its_deadline_is_killed(folders: list[Path]):
    with Stack(options(folders[0])) as stack, stack.running():
        for remove in (True, False):
            with pytest.raises(TimeoutError):
                stack.run(one_off(remove=remove), deadline=0.5)
        assert left(stack) == KILLED


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.2, 0.6])
def test_a_run_that_is_cancelled_leaves_nothing_running(folders: list[Path], after: float):
    async def use() -> None:
        async with AsyncStack(options(folders[0])) as stack, stack.running():
            for remove in (True, False):
                with anyio.move_on_after(after):
                    await stack.run(one_off(remove=remove))
            # cancelled at its very beginning, it has made or started none
            assert left(stack) in ([], [("removed-False", "created")], KILLED)

    asyncio.run(use())


def open_files() -> list[str]:
    folder = "/proc/self/fd"
    names = (f"{folder}/{name}" for name in os.listdir(folder))
    return sorted(os.readlink(name) for name in names if os.path.exists(name))


def test_a_stack_of_images_of_the_store_closes_what_it_opens(folders: list[Path], tmp_path: Path):
    tar = tmp_path / "busybox.tar"
    tar.write_bytes(busybox_tar())
    before = open_files()
    gc.disable()
    try:
        with Stack(options(folders[0])) as stack:
            stack._reader.image_manager.import_tar(str(tar), "busy")
            (folders[0] / "compose.yaml").write_text(FILE.replace("host", "busy"))
            counts = []
            with stack.running():
                for _ in range(2):
                    stack.exec(ExecOptions(service="a", command=("true",)))
                    stack.run(RunOptions(service="b", command=("true",), remove=True))
                    assert [row.image.name for row in stack.images() if row.image] == [
                        "busy:latest"
                    ] * 2
                    counts.append(open_files())
        assert counts[0] == counts[1]
        assert open_files() == before
    finally:
        gc.enable()
