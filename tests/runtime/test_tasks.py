"""The small loop keeps the rules of anyio: every test here runs in both."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def test_what_is_cancelled_outside_does_not_reach_into_a_shield(run):
    said = []

    async def tidies_up():
        try:
            await tasks.sleep_forever()
        finally:
            with tasks.scope(shield=True):
                await tasks.sleep(0.001)
                said.append("tidied up")

    async def main():
        async with tasks.group() as group:
            group.start_soon(tidies_up)
            await tasks.sleep(0)
            group.cancel()

    run(main)
    assert said == ["tidied up"]


def test_a_shield_may_have_a_deadline_of_its_own(run):
    async def main():
        with tasks.move_on_after(0.001) as outer:
            with tasks.move_on_after(0.02, shield=True) as inner:
                await tasks.sleep_forever()
            return_to_outer = tasks.event()
            await return_to_outer.wait()
        return outer.cancelled_caught, inner.cancelled_caught

    assert run(main) == (True, True)


def test_a_scope_that_was_cancelled_before_it_is_entered_ends_at_its_first_wait(run):
    async def main():
        scope = tasks.scope()
        scope.cancel()
        with scope:
            await tasks.sleep(0)
            pytest.fail("went on")
        return scope.cancel_called

    assert run(main) is True


def test_a_task_that_is_cancelled_before_its_first_turn_still_gives_back_what_it_was_given(run):
    given_back = []

    async def owns(thing):
        try:
            await tasks.sleep_forever()
        finally:
            given_back.append(thing)

    async def main():
        async with tasks.group() as group:
            group.start_soon(owns, "socket")
            group.cancel()

    run(main)
    assert given_back == ["socket"]


def test_who_waits_longest_for_a_lock_gets_it_next(run):
    order = []

    async def takes(lock, number):
        async with lock:
            order.append(number)
            await tasks.sleep(0)

    async def main():
        lock = tasks.lock()
        async with tasks.group() as group:
            for number in range(5):
                group.start_soon(takes, lock, number)

    run(main)
    assert order == [0, 1, 2, 3, 4]


def test_a_lock_that_is_given_to_a_cancelled_task_goes_to_the_next(run):
    got = []

    async def takes(lock, name):
        async with lock:
            got.append(name)

    async def main():
        lock = tasks.lock()
        async with tasks.group() as outer:
            async with tasks.group() as group:
                await lock.acquire()
                group.start_soon(takes, lock, "cancelled")
                await tasks.sleep(0.001)
                outer.start_soon(takes, lock, "next")
                await tasks.sleep(0.001)
                lock.release()
                group.cancel()
        async with lock:
            return got

    assert run(main)[-1:] == ["next"]


def test_work_in_a_thread_brings_its_value_or_its_error_back(run):
    async def main():
        with pytest.raises(ZeroDivisionError):
            await tasks.in_thread(lambda: 1 / 0)
        return await tasks.in_thread(max, 3, 5)

    assert run(main) == 5


def test_work_in_a_thread_is_waited_for_though_the_caller_is_cancelled(run):
    done = []

    def work():
        time.sleep(0.02)
        done.append(True)

    async def main():
        with tasks.move_on_after(0.001):
            await tasks.in_thread(work)
            await tasks.sleep_forever()

    run(main)
    assert done == [True]


def test_who_waits_for_a_descriptor_that_is_closed_is_told(run):
    async def main():
        readable, writable = os.pipe()
        told = []

        async def reads():
            try:
                await tasks.wait_readable(readable)
            except tasks.Closed:
                told.append(True)

        async with tasks.group() as group:
            group.start_soon(reads)
            await tasks.sleep(0.001)
            tasks.notify_closing(readable)
            os.close(readable)
        os.close(writable)
        return told

    assert run(main) == [True]


def test_one_that_is_always_ready_keeps_nobody_from_what_arrives(run):
    async def main():
        readable, writable = os.pipe()
        turns = 0
        async with tasks.group() as group:

            async def busy():
                nonlocal turns
                while True:
                    await tasks.sleep(0)
                    turns += 1

            group.start_soon(busy)
            os.write(writable, b"x")
            await tasks.wait_readable(readable)
            group.cancel()
        os.close(readable)
        os.close(writable)
        return turns

    assert run(main) < 100


def test_deadlines_that_were_called_off_are_forgotten():
    async def main():
        for _ in range(1000):
            with tasks.move_on_after(3600):
                await tasks.sleep(0)
        assert small_loop._here.loop is not None
        return len(small_loop._here.loop._timers)

    assert tasks.run(main) < 200


def test_each_thread_may_have_a_loop_of_its_own(run):
    met = threading.Barrier(2, timeout=10)

    async def main():
        await tasks.in_thread(met.wait)
        event = tasks.event()
        async with tasks.group() as group:
            group.start_soon(event.wait)
            await tasks.sleep(0.01)
            event.set()
        return threading.get_ident()

    with ThreadPoolExecutor(2) as pool:
        first, other = pool.map(run, [main, main])
    assert first != other


def test_a_callback_of_one_small_loop_may_run_another():
    async def inner():
        await tasks.sleep(0)
        return "inner"

    async def outer():
        said = tasks.run(inner)
        await tasks.sleep(0)
        return f"{said} within outer"

    assert tasks.run(outer) == "inner within outer"
