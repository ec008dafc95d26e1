"""Attached `up`: what is shown, when it ends, and with which code."""

import anyio
import pytest

from compose.errors import Interrupted
from compose.options import UpOptions
from compose.scheduling.interrupts import Interrupts
from runtime import tasks
from tests.fakes.stacks import Play, play

TWO = "services: {a: {}, b: {}}"


def attached(shop: Play, script, *, count_signals: bool = False, **options):
    """Run an attached `up` beside a script that plays the world; returns the exit code."""
    codes = []

    async def both():
        stack = shop.async_stack
        stack._interrupts = shop.interrupts = Interrupts()

        async def up():
            result = await stack.up(UpOptions(**options), on_event=shop.hear)
            codes.append(result.exit_code)

        with tasks.fail_after(5):
            async with tasks.group() as group:
                group.start_soon(up)
                await until(lambda: _is_started(shop))
                await script(shop)

    anyio.run(both)
    return codes[0]


def _is_started(shop: Play) -> bool:
    records = list(shop.world.containers.values())
    return (
        bool(shop.world.watchers)
        and bool(records)
        and all(record.state.status != "created" for record in records)
    )


async def until(condition) -> None:
    while not condition():
        await tasks.sleep(0)


async def settle() -> None:
    for _ in range(20):
        await tasks.sleep(0)


async def say_and_end(shop: Play) -> None:
    shop.world.write("p-a-1", b"one")
    await settle()
    shop.world.write("p-a-1", b"two")
    shop.world.become("p-a-1", status="exited", exit_code=0)
    await settle()
    shop.world.become("p-b-1", status="exited", exit_code=5)


def test_it_follows_until_all_have_ended_and_their_codes_do_not_count(tmp_path):
    shop = play(tmp_path, TWO)
    assert attached(shop, say_and_end) == 0
    said = [
        line for line in shop.said.splitlines() if not line.startswith(("Container", "Network"))
    ]
    assert said == [
        "attaching to a-1, b-1",
        "a-1 | one",
        "a-1 | two",
        "a-1 exited with code 0",
        "b-1 exited with code 5",
    ]


def test_the_last_lines_come_before_the_word_about_the_end(tmp_path):
    async def script(shop):
        shop.world.write("p-a-1", b"dying words")
        shop.world.become("p-a-1", status="exited", exit_code=1)

    shop = play(tmp_path, "services: {a: {}}")
    attached(shop, script)
    assert shop.said.splitlines()[-2:] == ["a-1 | dying words", "a-1 exited with code 1"]


def test_that_the_kernel_ended_it_for_its_memory_is_said(tmp_path):
    async def script(shop):
        shop.world.become("p-a-1", status="exited", exit_code=137, oom_killed=True)

    shop = play(tmp_path, "services: {a: {}}")
    attached(shop, script)
    assert shop.said.splitlines()[-2:] == [
        "a-1 exited with code 137",
        "warning: a-1 was killed by the kernel: it used more memory than its limit",
    ]


def test_a_restart_by_policy_is_no_end(tmp_path):
    async def script(shop):
        shop.world.become("p-a-1", status="restarting", exit_code=1)
        shop.world.happen(
            "container",
            "die",
            shop.world.by_name("p-a-1").id,
            None,
            shop.world.by_name("p-a-1").state,
        )
        await settle()
        shop.world.become("p-a-1", status="running")
        await settle()
        shop.world.become("p-a-1", status="exited", exit_code=0)

    shop = play(tmp_path, "services: {a: {}}")
    attached(shop, script)
    assert "a-1 exited with code 1 (restarting)" in shop.said
    assert shop.said.endswith("a-1 exited with code 0")


# --- abort


async def end_a(shop: Play) -> None:
    shop.world.become("p-a-1", status="exited", exit_code=3)


def test_abort_on_exit_stops_the_others_and_returns_the_first_code(tmp_path):
    shop = play(tmp_path, TWO)
    assert attached(shop, end_a, abort_on_container_exit=True) == 3
    assert "error: Aborting on container exit..." in shop.said
    assert "stop p-b-1" in shop.done
    assert shop.said.splitlines()[-2:] == ["Container p-b-1 Stopped", "b-1 exited with code 143"]


def test_abort_on_failure_ignores_a_good_end(tmp_path):
    async def script(shop):
        shop.world.become("p-a-1", status="exited", exit_code=0)
        await settle()
        assert "Aborting" not in shop.said
        shop.world.become("p-b-1", status="exited", exit_code=9)

    shop = play(tmp_path, TWO)
    assert attached(shop, script, abort_on_container_failure=True) == 9


def test_exit_code_from_is_that_services_code_even_when_the_abort_ended_it(tmp_path):
    shop = play(tmp_path, TWO)
    assert attached(shop, end_a, exit_code_from="b") == 143


def test_a_job_that_others_wait_for_may_end_well_without_aborting(tmp_path):
    shop = play(
        tmp_path,
        """
        services:
          job: {}
          test: {depends_on: {job: {condition: service_completed_successfully}}}
        """,
    )
    shop.world.ends["job"] = 0

    async def script(shop):
        await until(lambda: "start p-test-1" in shop.world.journal)
        shop.world.become("p-test-1", status="exited", exit_code=4)

    assert attached(shop, script, exit_code_from="test") == 4


# --- Ctrl-C


async def interrupt(shop: Play) -> None:
    shop.interrupts.on_signal(2, 1)


def test_the_first_interrupt_stops_in_order(tmp_path):
    shop = play(tmp_path, "services: {a: {depends_on: [b]}, b: {}}")
    with pytest.raises(Interrupted) as caught:
        attached(shop, interrupt)
    assert caught.value.exit_code == 130
    assert "error: Gracefully Stopping... press Ctrl+C again to force" in shop.said
    assert shop.world.journal[-2:] == ["stop p-a-1", "stop p-b-1"]


def test_the_second_interrupt_kills(tmp_path):
    async def twice(shop):
        never = tasks.event()
        slow = shop.world

        async def act(text):
            slow.journal.append(text)
            if text.startswith("stop"):
                await never.wait()

        from tests.fakes.engine import FakeEngine

        FakeEngine_act, FakeEngine._act = FakeEngine._act, lambda self, text: act(text)
        try:
            shop.interrupts.on_signal(2, 1)
            await until(lambda: "stop p-a-1" in slow.journal)
            shop.interrupts.on_signal(2, 2)
            await until(lambda: "kill p-a-1 SIGKILL" in slow.journal)
            never.set()
        finally:
            FakeEngine._act = FakeEngine_act

    shop = play(tmp_path, "services: {a: {}}")
    with pytest.raises(Interrupted):
        attached(shop, twice)


def test_an_interrupt_while_starting_stops_what_has_started(tmp_path):
    shop = play(
        tmp_path,
        "services: {a: {}, b: {depends_on: {a: {condition: service_healthy}}}}".replace(
            "{a: {}", "{a: {healthcheck: {test: x}}"
        ),
    )
    shop.world.health["a"] = "starting"

    async def script():
        stack = shop.async_stack
        stack._interrupts = interrupts = Interrupts()

        async def up():
            with pytest.raises(Interrupted):
                await stack.up(UpOptions(), on_event=shop.hear)

        async with tasks.group() as group:
            group.start_soon(up)
            await until(lambda: any(getattr(e, "text", "") == "Waiting" for e in shop.heard))
            interrupts.on_signal(2, 1)

    anyio.run(script)
    assert str(shop.world).splitlines()[:2] == ["p-a-1 exited host", "p-b-1 created host"]


# --- who is shown


def test_only_the_named_services_are_shown(tmp_path):
    shop = play(tmp_path, "services: {a: {depends_on: [b]}, b: {}}")
    attached(shop, say_and_end, services=("a",))
    assert "attaching to a-1\n" in shop.said
    assert "b-1 exited" not in shop.said


def test_attach_dependencies_shows_them_too(tmp_path):
    shop = play(tmp_path, "services: {a: {depends_on: [b]}, b: {}}")
    attached(shop, say_and_end, services=("a",), attach_dependencies=True)
    assert "attaching to a-1, b-1" in shop.said


def test_no_attach_and_attach_false_are_silent(tmp_path):
    shop = play(tmp_path, "services: {a: {}, b: {}, c: {attach: false}}")

    async def script(shop):
        await say_and_end(shop)
        shop.world.become("p-c-1", status="exited", exit_code=0)

    attached(shop, script, no_attach=("b",))
    assert "attaching to a-1\n" in shop.said
    assert "b-1 exited" not in shop.said
    assert "c-1 exited" not in shop.said


def test_a_container_that_ran_already_is_followed_from_now_on(tmp_path):
    shop = play(tmp_path, "services: {a: {}}")
    shop.stack.up(UpOptions(detach=True))
    shop.world.write("p-a-1", b"old")

    async def script(shop):
        await settle()
        shop.world.write("p-a-1", b"new")
        await settle()
        shop.world.become("p-a-1", status="exited", exit_code=0)

    attached(shop, script)
    assert "a-1 | new" in shop.said
    assert "a-1 | old" not in shop.said


def test_a_replica_that_somebody_adds_is_followed(tmp_path):
    shop = play(tmp_path, "services: {a: {}}")

    async def script(shop):
        await shop.async_stack.scale({"a": 2})
        shop.world.write("p-a-2", b"me too")
        await settle()
        for name in ("p-a-1", "p-a-2"):
            shop.world.become(name, status="exited", exit_code=0)

    attached(shop, script)
    assert "a-2 | me too" in shop.said


def test_a_recreation_by_somebody_else_is_told(tmp_path):
    shop = play(tmp_path, "services: {a: {}}")

    async def script(shop):
        other = shop.changed("services: {a: {user: me}}")
        await other.async_stack.up(UpOptions(detach=True))
        await settle()
        shop.world.become("p-a-1", status="exited", exit_code=0)

    attached(shop, script)
    assert "a-1 has been recreated" in shop.said
