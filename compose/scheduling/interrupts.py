"""Ctrl-C and SIGTERM, for a command in the main thread: the first asks, the second insists.

A signal is turned into a readable pipe, so that nothing is ever interrupted between two lines of
our own. What a signal means is the running verb's: by default it is cancelled; an attached `up`
stops its containers in order first, and kills them at the second. Exit code 130 either way.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from compose.errors import Interrupted
from runtime import tasks

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """The signals that arrived; `on_signal` is told each one with its number and how many came.
    `on_resize` hears of the terminal's new size."""

    def __init__(self, descriptor: int = -1) -> None:
        self._descriptor = descriptor
        self.count = 0
        self.on_signal: Callable[[int, int], None] = lambda number, count: None
        self.on_resize: Callable[[], None] = lambda: None

    async def listen(self) -> None:
        """Until cancelled."""
        while True:
            await tasks.wait_readable(self._descriptor)
            for number in os.read(self._descriptor, 64):
                if number == signal.SIGWINCH:
                    self.on_resize()
                elif number in SIGNALS:
                    self.count += 1
                    self.on_signal(number, self.count)

    @contextmanager
    def handled_by(self, on_signal: Callable[[int, int], None]) -> Iterator[None]:
        """For the block, signals mean something else."""
        before, self.on_signal = self.on_signal, on_signal
        try:
            yield
        finally:
            self.on_signal = before

    @property
    def can_listen(self) -> bool:
        return self._descriptor >= 0


@contextmanager
def caught() -> Iterator[Interrupts]:
    """Signals go to the pipe; outside the main thread they are somebody else's affair."""
    if threading.current_thread() is not threading.main_thread():
        yield Interrupts()
        return
    readable, writable = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    handlers: dict[int, Any] = {}
    wakeup = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        number: int
        for number in (*SIGNALS, signal.SIGWINCH):
            # an ignored signal stays ignored: nohup, a background job of a shell
            if signal.getsignal(number) is not signal.SIG_IGN:
                handlers[number] = signal.signal(number, lambda *_: None)
        yield Interrupts(readable)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(readable)
        os.close(writable)


async def cancelled_by(interrupts: Interrupts, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it; a signal that nobody else handles cancels it. Raises Interrupted."""
    if not interrupts.can_listen:
        return await call()
    numbers: list[int] = []
    result: list[T] = []

    def cancel(number: int, _count: int) -> None:
        numbers.append(number)
        group.cancel()

    async with tasks.group() as group:
        with interrupts.handled_by(cancel):
            group.start_soon(interrupts.listen)
            result.append(await call())
            group.cancel()
    if numbers or not result:
        raise Interrupted("operation cancelled by user", code="E290")
    return result[0]
