"""Work that many ask for at the same time, done once for all of them.

A hundred containers start at once, and each needs the rules of the firewall to know it: whoever
comes while the work is under way shares the next turn of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from runtime import tasks


class Together:
    """`work` sees all that was true when it began."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._turn = tasks.lock()
        self._asked = 0
        self._done = 0

    async def ask(self, *, is_done: Callable[[], bool] = lambda: False) -> None:
        """Returns when the work was done from beginning to end after this call, or when `is_done`
        says that another's turn has brought about what is wanted. Raises what the work raised, to
        one of those who asked; the next does it anew."""
        self._asked += 1
        ticket = self._asked
        async with self._turn:
            if self._done >= ticket or is_done():
                return
            covered = self._asked
            await self._work()
            self._done = covered
