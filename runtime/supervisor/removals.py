"""Containers that are removed at the same time: in one thread and with two commits for all.

A thread for each would spend more on taking turns than on the work. Whoever comes while some are
being removed goes with the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runtime import tasks
from runtime.frozen import dataclass
from runtime.supervisor.together import Together
from runtime.values import ContainerRecord

Remove = Callable[[Sequence["Wish"]], Mapping[str, Exception]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    record: ContainerRecord
    volumes: bool


class Removals:
    """`remove` blocks, and says by container what went wrong."""

    def __init__(self, remove: Remove) -> None:
        self._remove = remove
        self._wishes: list[Wish] = []
        self._outcomes: dict[str, Exception | None] = {}
        self._together = Together(self._remove_all)

    async def ask(self, record: ContainerRecord, *, volumes: bool) -> None:
        """Returns when it is gone. Raises what the removal of this one raised."""
        self._outcomes.pop(record.id, None)
        self._wishes.append(Wish(record=record, volumes=volumes))
        await self._together.ask(is_done=lambda: record.id in self._outcomes)
        if error := self._outcomes.pop(record.id):
            raise error

    async def _remove_all(self) -> None:
        wishes, self._wishes = self._wishes, []
        outcomes: dict[str, Exception | None] = {one.record.id: None for one in wishes}
        try:
            outcomes |= await tasks.in_thread(self._remove, wishes)
        except Exception as error:
            outcomes = dict.fromkeys(outcomes, error)
        self._outcomes |= outcomes
