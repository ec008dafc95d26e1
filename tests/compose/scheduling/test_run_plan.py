"""`--wait` is told of a failure when it happens, whatever else is still waited for or yet to begin."""

import pytest

from compose.errors import ActionFailed, ComposeError
from compose.planning.actions import Action, StartContainer, WaitFor
from compose.planning.plan import PlanBuilder
from compose.scheduling.run_plan import run_plan
from runtime import tasks


def start(service: str) -> StartContainer:
    return StartContainer(project="p", service=service, name=f"p-{service}-1", id=service)


def wait(service: str, *, needed_by: tuple[str, ...] = ()) -> WaitFor:
    return WaitFor(
        project="p",
        service=service,
        condition="ready_or_done",
        containers=((f"p-{service}-1", service),),
        needed_by=needed_by,
    )


class Performer:
    """The waits for `fails` fail, the start of `slow` takes until then, and its wait for ever."""

    def __init__(self, *, fails: str) -> None:
        self.fails = fails
        self.has_failed = tasks.event()
        self.begun: list[str] = []

    async def __call__(self, action: Action) -> None:
        self.begun.append(str(action))
        match action:
            case StartContainer(service="slow"):
                await self.has_failed.wait()
                await tasks.sleep(0)
            case WaitFor(service=service) if service == self.fails:
                self.has_failed.set()
                raise ComposeError(f"{service} ended", code="E206")
            case WaitFor(service="slow"):
                await tasks.sleep_forever()


def test_a_wait_that_would_begin_after_a_failure_does_not_hold_up_the_word_of_it():
    builder = PlanBuilder()
    builder.add(wait("slow"), after=[builder.add(start("slow"))])
    builder.add(wait("dies"), after=[builder.add(start("dies"))])

    async def main() -> Performer:
        performer = Performer(fails="dies")
        with tasks.fail_after(5), pytest.raises(ActionFailed, match="dies ended"):
            await run_plan(builder.build(), performer)
        return performer

    assert tasks.run(main).begun == [
        "start slow-1",
        "start dies-1",
        "wait until dies is ready or done",
    ]


def test_a_failure_that_only_optional_successors_felt_cuts_no_wait_short():
    builder = PlanBuilder()
    after = builder.add(wait("db", needed_by=("web",)))
    begun = builder.add(start("web"))
    begun.add_before([after], optional=True)
    builder.add(wait("web"), after=[begun])
    builder.add(wait("slow"))
    told: list[str] = []

    async def main() -> Performer:
        performer = Performer(fails="db")
        with tasks.move_on_after(0.05) as cut:
            await run_plan(
                builder.build(),
                performer,
                on_optional=lambda _action, error: told.append(str(error)),
            )
        assert cut.cancelled_caught
        return performer

    assert "wait until web is ready or done" in tasks.run(main).begun
    assert told == []
