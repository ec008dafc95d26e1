"""The asynchronous `up`, cancelled at each await: what was done stays done, and the next `up` converges.

Awaits are counted over all tasks of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import anyio
import pytest

from compose.options import DownOptions, UpOptions
from compose.stack import AsyncStack
from runtime.paths import Paths
from tests.census import census
from tests.conftest import wait_for_end

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(900)]

STACK = Path(__file__).with_name("compose.yaml")
DETACHED = UpOptions(detach=True)


class Counted:
    """A coroutine that says each time when it is going to wait."""

    def __init__(self, inner: Coroutine[Any, Any, Any], tick: Callable[[], None]) -> None:
        self.inner = inner
        self.tick = tick

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = lambda: self.inner.send(None)  # noqa: E731
        while True:
            try:
                waited_for = step()
            except StopIteration as ended:
                return ended.value
            self.tick()
            try:
                value = yield waited_for
            except BaseException as error:
                step = lambda error=error: self.inner.throw(error)  # noqa: E731
            else:
                step = lambda value=value: self.inner.send(value)  # noqa: E731


def count_awaits(tick: Callable[[], None]) -> None:
    """In the loop that runs: `tick` is called before each await of the tasks to come."""

    async def counted(inner: Coroutine[Any, Any, Any]) -> Any:
        return await Counted(inner, tick)

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **words: Any) -> Any:
        return asyncio.Task(counted(coroutine), loop=loop, **words)

    asyncio.get_running_loop().set_task_factory(factory)


async def up_cancelled_at(stack: AsyncStack, wanted: int) -> int:
    """How many awaits there were; the scope is cancelled at that one."""
    seen = 0

    def tick() -> None:
        nonlocal seen
        seen += 1
        if seen == wanted:
            scope.cancel()

    async def go() -> None:
        await stack.up(DETACHED)

    with anyio.CancelScope() as scope:
        count_awaits(tick)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(go)
        finally:
            asyncio.get_running_loop().set_task_factory(None)
    return seen


@pytest.fixture
async def stack(paths: Paths, tmp_path: Path, anyio_backend: str) -> AsyncIterator[AsyncStack]:
    (tmp_path / "compose.yaml").write_text(STACK.read_text())
    before = census(paths)
    async with AsyncStack(
        files=(tmp_path / "compose.yaml",), project_name="shop", paths=paths
    ) as made:
        yield made
        await made.down(DownOptions(volumes=True, timeout=0))
    wait_for_end(paths)
    assert census(paths) == before


@pytest.mark.anyio
async def test_wherever_it_is_cancelled_the_next_one_converges(stack: AsyncStack):
    wanted = seen = 1
    while (
        seen >= wanted
    ):  # not one that came to its end before: how many there are differs a little
        await stack.down(DownOptions(volumes=True, timeout=0))
        seen = await up_cancelled_at(stack, wanted)
        result = await stack.up(DETACHED)
        states = sorted((one.options.service, one.state.status) for one in result.containers)
        assert states == [("db", "running"), ("web", "running")], f"cancelled at await {wanted}"
        wanted += 1
    assert wanted > 10
