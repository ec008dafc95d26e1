"""The small loop keeps the rules of anyio: every test here runs in both."""

import os
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from runtime import small_loop, tasks


def in_anyio(function: Callable[[], Any]) -> Any:
    return anyio.run(function)


@pytest.fixture(params=[in_anyio, tasks.run], ids=["anyio", "small loop"])
def run(request):
    return request.param


def test_a_value_comes_back(run):
    async def main():
        return 42

    assert run(main) == 42


def test_tasks_of_a_group_run_side_by_side_and_end_with_it(run):
    said = []

    async def one(name, mine, other):
        said.append(f"{name} begins")
        other.set()
        await mine.wait()
        said.append(f"{name} ends")

    async def main():
        a, b = tasks.event(), tasks.event()
        async with tasks.group() as group:
            group.start_soon(one, "a", a, b)
            group.start_soon(one, "b", b, a)
        said.append("group ends")

    run(main)
    assert said[:2] == ["a begins", "b begins"]
    assert sorted(said[2:4]) == ["a ends", "b ends"]
    assert said[4] == "group ends"


def test_an_error_cancels_the_siblings_and_is_raised_as_itself(run):
    said = []

    async def waits_for_ever():
        try:
            await tasks.event().wait()
        finally:
            said.append("cancelled")

    async def fails():
        raise ValueError("no")

    async def main():
        async with tasks.group() as group:
            group.start_soon(waits_for_ever)
            group.start_soon(fails)

    with pytest.raises(ValueError, match="no"):
        run(main)
    assert said == ["cancelled"]


def test_an_error_of_the_block_cancels_its_tasks(run):
    async def waits_for_ever():
        await tasks.event().wait()

    async def main():
        async with tasks.group() as group:
            group.start_soon(waits_for_ever)
            raise KeyError("block")

    with pytest.raises(KeyError):
        run(main)


def test_a_cancelled_group_ends_quietly_and_the_code_after_it_goes_on(run):
    async def waits_for_ever():
        await tasks.event().wait()

    async def main():
        async with tasks.group() as group:
            group.start_soon(waits_for_ever)
            group.cancel()
        await tasks.sleep(0)
        return "after"

    assert run(main) == "after"


def test_cancelling_is_felt_at_every_further_wait(run):
    felt = []

    async def stubborn():
        for _ in range(2):
            try:
                await tasks.event().wait()
            except BaseException as error:
                felt.append(type(error).__name__)
        raise_again = tasks.event()
        await raise_again.wait()

    async def main():
        async with tasks.group() as group:
            group.start_soon(stubborn)
            await tasks.sleep(0)
            group.cancel()

    run(main)
    assert len(felt) == 2


def test_a_deadline_interrupts_what_is_inside_it(run):
    async def main():
        with tasks.fail_after(0.01):
            await tasks.event().wait()

    with pytest.raises(TimeoutError):
        run(main)


def test_a_deadline_ends_a_group_inside_it(run):
    ended = []

    async def waits_for_ever():
        try:
            await tasks.event().wait()
        finally:
            ended.append(True)

    async def main():
        with tasks.move_on_after(0.01):
            async with tasks.group() as group:
                group.start_soon(waits_for_ever)
        return "after"

    assert run(main) == "after"
    assert ended == [True]


def test_an_inner_deadline_leaves_the_outer_one_alone(run):
    async def main():
        with tasks.fail_after(5):
            with tasks.move_on_after(0.01):
                await tasks.event().wait()
            await tasks.sleep(0)
            return "after"

    assert run(main) == "after"


def test_a_task_that_waits_for_a_pipe_wakes_when_it_is_written_to(run):
    async def main():
        readable, writable = os.pipe()
        got = []

        async def reader():
            await tasks.wait_readable(readable)
            got.append(os.read(readable, 10))

        async with tasks.group() as group:
            group.start_soon(reader)
            await tasks.sleep(0)
            await tasks.wait_writable(writable)
            os.write(writable, b"hello")
        os.close(readable)
        os.close(writable)
        return got

    assert run(main) == [b"hello"]


def test_the_end_of_a_pipe_wakes_its_reader(run):
    async def main():
        readable, writable = os.pipe()

        async def closes():
            os.close(writable)

        async with tasks.group() as group:
            group.start_soon(closes)
            await tasks.wait_readable(readable)
            data = os.read(readable, 10)
        os.close(readable)
        return data

    assert run(main) == b""


def test_a_limiter_lets_as_many_in_as_it_says(run):
    async def main():
        inside, most = 0, 0
        limiter = tasks.limiter(2)

        async def one():
            nonlocal inside, most
            async with limiter:
                inside += 1
                most = max(most, inside)
                await tasks.sleep(0)
                inside -= 1

        async with tasks.group() as group:
            for _ in range(5):
                group.start_soon(one)
        return most

    assert run(main) == 2


def test_groups_nest(run):
    async def main():
        said = []

        async def inner():
            async with tasks.group() as group:
                group.start_soon(leaf, 1)
                group.start_soon(leaf, 2)
            said.append("inner")

        async def leaf(number):
            await tasks.sleep(0)
            said.append(number)

        async with tasks.group() as group:
            group.start_soon(inner)
        return said

    assert run(main)[-1] == "inner"


def test_sleeping_takes_its_time(run):
    async def main():
        before = time.monotonic()
        await tasks.sleep(0.02)
        return time.monotonic() - before

    assert run(main) >= 0.02


def test_what_cannot_be_waited_for_is_an_error_of_the_task_that_tried(run, tmp_path):
    file = (tmp_path / "file").open("w")

    async def main():
        with pytest.raises(PermissionError):
            await tasks.wait_readable(file)
        return "goes on"

    with file:
        assert run(main) == "goes on"


def test_the_small_loop_says_when_nobody_can_go_on():
    async def main():
        await tasks.event().wait()

    with pytest.raises(RuntimeError, match="every task waits for another"):
        tasks.run(main)


def test_an_interrupt_ends_the_small_loop_and_its_tasks():
    closed = []

    async def waits():
        try:
            await tasks.event().wait()
        finally:
            closed.append(True)

    async def main():
        async with tasks.group() as group:
            group.start_soon(waits)
            await tasks.sleep(0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.run(main)
    assert closed == [True]
    assert not small_loop.is_running()
