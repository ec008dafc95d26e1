"""Carry out a plan: what is ready runs at once, under a limit; a failure loses its dependents only.

Everything that runs is a task of one group, so nothing outlives the call: cancelling it cancels
what runs, and what was done stays done. Leaves the doing to perform.py and the deciding to
ready_set.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from compose.errors import ActionFailed
from compose.planning.actions import Action, WaitFor
from compose.planning.plan import Plan
from compose.scheduling import reports
from compose.scheduling.ready_set import ReadySet
from runtime import tasks

Perform = Callable[[Action], Awaitable[None]]
OnOptional = Callable[[Action, Exception], None]


async def run_plan(
    plan: Plan, perform: Perform, *, parallel: int = -1, on_optional: OnOptional | None = None
) -> None:
    """Returns when every action is done. Raises ActionFailed with every failure and its cause.

    `parallel` -1: no limit. `on_optional` hears of failures that only optional successors felt.
    """
    if plan.is_empty:
        return
    ready = ReadySet(plan)
    final_waits: list[Any] = []
    slots = tasks.limiter(parallel) if parallel > 0 else None

    async def one(number: int) -> None:
        action = plan.action(number)
        try:
            # waiting is no work: it must not hold a slot that what it waits for needs
            async with slots if slots and not isinstance(action, WaitFor) else nullcontext():
                if isinstance(action, WaitFor) and not action.needed_by:
                    # nothing depends on them: a failure is told now, not when the last is ready
                    if not ready.serious:
                        with tasks.scope() as scope:
                            final_waits.append(scope)
                            await perform(action)
                else:
                    await perform(action)
        except Exception as error:
            ready.failed(number, error)
            for scope in final_waits if ready.serious else ():
                scope.cancel()
        else:
            ready.finished(number)
        start_ready()

    def start_ready() -> None:
        for number in ready.take():
            group.start_soon(one, number)

    async with tasks.group() as group:
        start_ready()
    _report(plan, ready, on_optional)


def _report(plan: Plan, ready: ReadySet, on_optional: OnOptional | None) -> None:
    serious = ready.serious
    if on_optional is not None:
        for number in ready.failures.keys() - serious.keys():
            on_optional(plan.action(number), ready.failures[number])
    if serious:
        first = next(iter(serious.values()))
        raise _failure(plan, serious) from first


def _failure(plan: Plan, failures: dict[int, Exception]) -> ActionFailed:
    return reports.failure([(plan.action(number), error) for number, error in failures.items()])
