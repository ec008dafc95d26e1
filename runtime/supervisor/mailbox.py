"""What one task has to say to another, in order."""

from __future__ import annotations

import math
from collections import deque
from typing import Generic, TypeVar

from runtime import tasks

T = TypeVar("T")


class NoMore(Exception):
    """The mailbox is closed, and everything that was in it is taken out."""


class Mailbox(Generic[T]):
    """One task takes out, any puts in."""

    def __init__(self, limit: float = math.inf) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._changed = tasks.event()
        self.is_closed = False

    def put(self, item: T) -> bool:
        """False when it is full, or closed."""
        if self.is_closed or len(self._items) >= self._limit:
            return False
        self._items.append(item)
        self._changed.set()
        return True

    async def take(self) -> T:
        """The oldest, as soon as there is one. Raises NoMore."""
        while not self._items:
            if self.is_closed:
                raise NoMore
            self._changed = tasks.event()
            await self._changed.wait()
        return self._items.popleft()

    def take_all(self) -> list[T]:
        """What is there now."""
        items = list(self._items)
        self._items.clear()
        return items

    def close(self) -> None:
        """Nothing more comes in; what is in it can still be taken."""
        self.is_closed = True
        self._changed.set()
