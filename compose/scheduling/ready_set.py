"""Which actions of a plan may start now, and which are lost because of what. Pure.

An action is ready when all its predecessors are done; one that failed, or was lost itself, loses
its successors, except those that asked for it as optional: for them it counts as done.
"""

from __future__ import annotations

from compose.planning.plan import Plan


class ReadySet:
    """What run_plan.py asks after every action. Numbers are the plan's."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._missing = {number: len(plan.predecessors(number)) for number in plan.numbers}
        self._ready = [number for number, count in self._missing.items() if not count]
        self.failures: dict[int, Exception] = {}
        """What went wrong, in the order in which it did."""
        self.lost: dict[int, int] = {}
        """Actions that can not be done any more -> the failed one that is to blame."""

    @property
    def serious(self) -> dict[int, Exception]:
        """The failures but for those that only optional successors felt."""
        blamed = set(self.lost.values())
        return {
            number: error
            for number, error in self.failures.items()
            if number in blamed or not self._is_optional(number)
        }

    def _is_optional(self, number: int) -> bool:
        later = self._plan.successors(number)
        return bool(later) and all(self._plan.is_optional(number, one) for one in later)

    def take(self) -> list[int]:
        """The actions that may start; each is given out once."""
        ready, self._ready = self._ready, []
        return ready

    def finished(self, number: int) -> None:
        for later in self._plan.successors(number):
            self._count(later)

    def failed(self, number: int, error: Exception) -> None:
        self.failures[number] = error
        self._lose_successors(number, number)

    def _lose_successors(self, number: int, cause: int) -> None:
        for later in self._plan.successors(number):
            if self._plan.is_optional(number, later):
                self._count(later)
            elif later not in self.lost:
                self.lost[later] = cause
                self._lose_successors(later, cause)

    def _count(self, number: int) -> None:
        self._missing[number] -= 1
        if not self._missing[number] and number not in self.lost:
            self._ready.append(number)
