"""Blocking work in a thread of its own, for a coroutine that goes on: what the work reports comes
back in order.

Pulling and pushing wait for sockets, disks and locks, and use both cores; the loop that waits for
them may be anyio's or the small one of a short command.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from runtime import tasks
from runtime.values import Progress

T = TypeVar("T")

OnProgress = Callable[[Progress], None]


class _Work(Generic[T]):
    """The thread's side. The descriptor is readable when there is something to look at."""

    def __init__(self, work: Callable[[OnProgress], T]) -> None:
        self._work = work
        self._reports: deque[Progress] = deque()
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.thread = threading.Thread(target=self._run, name="images", daemon=True)
        self.has_ended = False
        self._error: BaseException | None = None
        self._result: T

    def _run(self) -> None:
        try:
            self._result = self._work(self._report)
        except BaseException as error:
            self._error = error
        self.has_ended = True
        os.eventfd_write(self.descriptor, 1)

    def _report(self, progress: Progress) -> None:
        self._reports.append(progress)
        os.eventfd_write(self.descriptor, 1)

    def take_reports(self, on_progress: OnProgress) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)
        while self._reports:
            on_progress(self._reports.popleft())

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result


async def in_thread(
    work: Callable[[OnProgress], T], *, on_progress: OnProgress, cancel: Callable[[], None]
) -> T:
    """What `work` returns or raises. `cancel` must make it end soon; it is called when the caller
    is cancelled, and the thread is waited for: nothing goes on behind the caller's back.
    """
    running = _Work(work)
    running.thread.start()
    try:
        while not running.has_ended:
            await tasks.wait_readable(running.descriptor)
            running.take_reports(on_progress)
        running.take_reports(on_progress)
    except BaseException:
        cancel()
        raise
    finally:
        running.thread.join()
        os.close(running.descriptor)
    return running.result()
