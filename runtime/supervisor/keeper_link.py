"""The supervisor's end of the socket pair to its keeper: questions with their replies, and exits.

A question may have several replies (a launch: Forked, then Running). What the keeper says unasked
goes to `hear`. The end of the connection is the end of the keeper.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from runtime import tasks
from runtime.errors import RuntimeFault, Unreachable
from runtime.messages import Failure, ProtocolError
from runtime.supervisor.mailbox import Mailbox, NoMore
from runtime.supervisor.wire import Wire, close_all

T = TypeVar("T")
Reply = tuple[Any, list[int]]


class Conversation:
    """One question's replies, in order."""

    def __init__(self, replies: Mailbox[Reply]) -> None:
        self._replies = replies

    async def reply(self) -> Reply:
        """The next one, with its descriptors. Raises Unreachable when the keeper is gone."""
        try:
            # forever: until the keeper, which never blocks, has said it or is dead
            return await self._replies.take()
        except NoMore:
            raise lost_keeper() from None

    async def expect(self, kind: type[T]) -> tuple[T, list[int]]:
        """The next one, which must be a `kind`. Raises RuntimeFault for a Failure."""
        message, descriptors = await self.reply()
        if isinstance(message, kind):
            return message, descriptors
        close_all(descriptors)
        if isinstance(message, Failure):
            raise RuntimeFault(message.message, code=message.code, answered=message.answered)
        raise RuntimeFault(f"the keeper answered {type(message).__name__}", code="E332")


class KeeperLink:
    """The one connection to the keeper."""

    def __init__(self, wire: Wire, *, hear: Callable[[Any], None]) -> None:
        self._wire = wire
        self._hear = hear
        self._numbers = itertools.count(1)
        self._open: dict[int, Mailbox[Reply]] = {}
        self._is_lost = False

    async def run(self) -> None:
        """Receive until the keeper ends; then every question fails."""
        try:
            while True:
                message, request_id, descriptors = await self._wire.receive()
                self._deliver(message, request_id, descriptors)
        except (EOFError, OSError, ProtocolError, tasks.Closed):
            return
        finally:
            self._is_lost = True
            for replies in self._open.values():
                replies.close()

    async def tell(self, message: Any, descriptors: Sequence[int] = ()) -> None:
        """Without a reply. A keeper that is gone is noticed elsewhere."""
        try:
            await self._wire.send(message, 0, descriptors)
        except (OSError, tasks.Closed):
            return

    @asynccontextmanager
    async def ask(
        self, message: Any, descriptors: Sequence[int] = ()
    ) -> AsyncIterator[Conversation]:
        """Raises Unreachable."""
        number = next(self._numbers)
        replies = self._open[number] = Mailbox[Reply]()
        try:
            await self._send(message, number, descriptors)
            yield Conversation(replies)
        finally:
            del self._open[number]
            for _message, unread in replies.take_all():
                close_all(unread)

    async def request(
        self, message: Any, kind: type[T], descriptors: Sequence[int] = ()
    ) -> tuple[T, list[int]]:
        """One question with one reply of that kind. Raises RuntimeFault, Unreachable."""
        async with self.ask(message, descriptors) as conversation:
            return await conversation.expect(kind)

    async def _send(self, message: Any, number: int, descriptors: Sequence[int]) -> None:
        if self._is_lost:
            raise lost_keeper()
        try:
            await self._wire.send(message, number, descriptors)
        except (OSError, tasks.Closed) as error:
            raise lost_keeper() from error

    def _deliver(self, message: Any, request_id: int, descriptors: list[int]) -> None:
        if request_id in self._open:
            self._open[request_id].put((message, descriptors))
        elif request_id:
            # whoever asked gave up
            close_all(descriptors)
        else:
            close_all(descriptors)
            self._hear(message)


def lost_keeper(*, exit_code: int = 1) -> Unreachable:
    return Unreachable(
        "the project's keeper ended",
        code="E333",
        tried="ask the keeper",
        answered="end of the connection",
        hint="run the command again: it goes on from what exists",
        exit_code=exit_code,
    )
