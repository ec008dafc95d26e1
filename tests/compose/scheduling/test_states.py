"""Answers and events come on connections of their own: whichever is read last, the newer one counts."""

import pytest

from compose.scheduling.states import States
from runtime import tasks
from runtime.errors import NotFound
from runtime.values import Event, RunState


class Watched:
    """An engine whose one watch tells what it is given and then stays silent."""

    def __init__(self, *happened: RunState | str) -> None:
        self._happened = happened

    def watch(self) -> "Watched":
        return self

    async def __aenter__(self) -> "Watched":
        return self

    async def __aexit__(self, *_exception: object) -> None: ...

    async def __aiter__(self):
        for one in self._happened:
            action, state = (one, RUNS) if isinstance(one, str) else ("x", one)
            event = Event(
                time=0.0, type="container", action=action, id="c", project_id="p", attributes={}
            )
            yield type("Happened", (), {"event": event, "state": state})
        await tasks.sleep_forever()


def told(*happened: RunState, answer: RunState) -> RunState:
    """What is known when the events came first and then the answer to an act."""

    async def main() -> RunState:
        states = States(Watched(*happened))  # type: ignore[arg-type]
        async with tasks.group() as group:
            group.start_soon(states.watch)
            await states.until(lambda: states._known.get("c") == happened[-1] or None)
            states.put("c", answer)
            group.cancel()
        return states.get("c")

    return tasks.run(main)


RUNS = RunState(status="running", generation=1, started_at=5.0)


@pytest.mark.parametrize(
    "newer",
    [
        RunState(status="exited", generation=1, started_at=5.0, exit_code=3),
        RunState(status="running", generation=1, started_at=5.0, health="healthy"),
    ],
    ids=["it has ended", "it is healthy"],
)
def test_an_answer_that_is_read_after_what_came_of_it_does_not_undo_it(newer: RunState):
    assert told(RUNS, newer, answer=RUNS) == newer


def test_an_answer_about_a_later_run_is_news():
    again = RunState(status="running", generation=2, started_at=9.0)
    assert told(RunState(status="exited", generation=1), answer=again) == again


def known_at_the_end(*happened: RunState | str) -> RunState:
    """What is known of a container that was removed, when the answer to its start is read last."""

    async def main() -> RunState:
        states = States(Watched(*happened))  # type: ignore[arg-type]
        async with tasks.group() as group:
            group.start_soon(states.watch)
            await states.until(lambda: "c" in states._removed or None)
            states.put("c", RUNS)
            group.cancel()
        return states.get("c")

    return tasks.run(main)


@pytest.mark.parametrize(
    "happened",
    [(), (RUNS,), (RunState(status="restarting", generation=1),)],
    ids=["nothing", "it runs", "it is restarting"],
)
def test_nobody_waits_for_what_was_removed_before_its_end_was_heard(happened: tuple[RunState, ...]):
    with pytest.raises(NotFound, match="no such container: c"):
        known_at_the_end(*happened, "destroy")


def test_the_end_of_what_was_removed_stays_known():
    ended = RunState(status="exited", generation=1, exit_code=3)
    assert known_at_the_end(RUNS, ended, "destroy") == ended
