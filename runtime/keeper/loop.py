"""One epoll loop: descriptors and deadlines, each with a function. No threads, no tasks."""

from __future__ import annotations

import select
import time
from collections.abc import Callable


class Loop:
    """Functions called here never block and never raise for what a peer did."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._functions: dict[int, Callable[[], None]] = {}
        self._deadlines: dict[Callable[[], None], float] = {}
        self._ended = False

    def watch(self, descriptor: int, function: Callable[[], None]) -> None:
        """Call it whenever the descriptor is readable or at its end."""
        self._functions[descriptor] = function
        self._poll.register(descriptor, select.EPOLLIN)

    def watch_writing(self, descriptor: int, *, writing: bool) -> None:
        """Call the descriptor's function when it takes bytes again, too."""
        events = select.EPOLLIN | (select.EPOLLOUT if writing else 0)
        self._poll.modify(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Before the descriptor is closed."""
        if self._functions.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def call_later(self, seconds: float, function: Callable[[], None]) -> None:
        """Once; a later call for the same function replaces the earlier one."""
        self._deadlines[function] = time.monotonic() + seconds

    def run(self) -> None:
        while not self._ended:
            for descriptor, _events in self._poll.poll(self._timeout()):
                # forgotten by a function that ran just before: skip it
                if function := self._functions.get(descriptor):
                    function()
            self._call_due()

    def end(self) -> None:
        self._ended = True

    def _timeout(self) -> float | None:
        if not self._deadlines:
            return None
        return max(0.0, min(self._deadlines.values()) - time.monotonic())

    def _call_due(self) -> None:
        now = time.monotonic()
        for function in [one for one, due in self._deadlines.items() if due <= now]:
            del self._deadlines[function]
            function()
