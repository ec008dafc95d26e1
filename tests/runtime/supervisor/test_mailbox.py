"""What goes into a mailbox comes out in order, and its end is told."""

import contextlib

import pytest

from runtime import tasks
from runtime.supervisor.mailbox import Mailbox, NoMore

pytestmark = pytest.mark.anyio


async def test_what_was_put_in_is_taken_out_in_order_and_then_there_is_no_more():
    mailbox = Mailbox[int]()
    assert mailbox.put(1)
    assert mailbox.put(2)
    mailbox.close()
    assert [await mailbox.take(), await mailbox.take()] == [1, 2]
    with pytest.raises(NoMore):
        await mailbox.take()


async def test_who_waits_is_woken_by_the_next_and_by_the_end():
    mailbox = Mailbox[str]()
    taken: list[str] = []

    async def reads() -> None:
        with contextlib.suppress(NoMore):
            while True:
                taken.append(await mailbox.take())
        taken.append("the end")

    async with tasks.group() as group:
        group.start_soon(reads)
        await tasks.sleep(0.001)
        mailbox.put("word")
        await tasks.sleep(0.001)
        mailbox.close()
    assert taken == ["word", "the end"]


async def test_one_that_is_full_or_closed_takes_nothing():
    mailbox = Mailbox[int](2)
    assert [mailbox.put(number) for number in range(3)] == [True, True, False]
    mailbox.close()
    assert not mailbox.put(3)
    assert mailbox.take_all() == [0, 1]
