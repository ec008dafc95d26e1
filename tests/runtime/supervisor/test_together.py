"""Work that many ask for is done once for all who came while it was under way."""

import anyio
import pytest

from runtime.supervisor.together import Together

pytestmark = pytest.mark.anyio


async def test_who_asks_while_it_is_done_shares_the_next_turn():
    turns: list[int] = []
    asked = 0
    go_on = anyio.Event()

    async def work() -> None:
        seen = asked
        await go_on.wait()
        turns.append(seen)

    together = Together(work)

    async def ask() -> None:
        nonlocal asked
        asked += 1
        number = asked
        await together.ask()
        assert turns[-1] >= number

    async with anyio.create_task_group() as tasks:
        for _number in range(10):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert turns in ([1, 10], [10])


async def test_a_failure_is_told_to_one_and_tried_anew_by_the_next():
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        await anyio.lowlevel.checkpoint()
        if attempts == 1:
            raise ValueError("the first time")

    together = Together(work)
    told: list[str] = []

    async def ask() -> None:
        try:
            await together.ask()
        except ValueError as error:
            told.append(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(ask)
    assert (attempts, told) == (2, ["the first time"])


async def test_who_has_what_he_wants_by_another_s_turn_asks_for_none():
    turns = 0
    go_on = anyio.Event()

    async def work() -> None:
        nonlocal turns
        await go_on.wait()
        turns += 1

    together = Together(work)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(together.ask)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(lambda: together.ask(is_done=lambda: turns == 1))
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert turns == 1
