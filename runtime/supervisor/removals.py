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


@dataclass(slots=True, kw_only=True)
class Wish:
    """One container that is to go, and how that went."""

    record: ContainerRecord
    volumes: bool
    is_done: bool = False
    error: Exception | None = None


Remove = Callable[[Sequence[Wish]], Mapping[str, Exception]]


class Removals:
    """`remove` blocks, and says by container what went wrong."""

    def __init__(self, remove: Remove) -> None:
        self._remove = remove
        self._wishes: list[Wish] = []
        self._together = Together(self._remove_all)

    async def ask(self, record: ContainerRecord, *, volumes: bool) -> None:
        """Returns when it is gone. Raises what the removal of this one raised."""
        wish = Wish(record=record, volumes=volumes)
        self._wishes.append(wish)
        await self._together.ask(is_done=lambda: wish.is_done)
        if wish.error is not None:
            raise wish.error

    async def _remove_all(self) -> None:
        wishes, self._wishes = self._wishes, []
        errors: Mapping[str, Exception]
        try:
            errors = await tasks.in_thread(self._remove, wishes)
        except Exception as error:
            errors = {wish.record.id: error for wish in wishes}
        for wish in wishes:
            wish.error = errors.get(wish.record.id)
            wish.is_done = True
