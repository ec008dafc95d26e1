"""The loop of our own processes: tasks that wait for descriptors, events, threads and time.

Few modules of the standard library, one loop at a time in a thread, single use. The rules are
anyio's: a task ends with its group, an error cancels its siblings, cancelling is an exception at
the next wait (`Cancelled`, a BaseException) and level-triggered: a scope that is cancelled
interrupts every further wait inside it, up to a scope that shields. Used through runtime/tasks.py.
"""

from __future__ import annotations

import _thread
import heapq
import os
import select
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from itertools import count
from types import TracebackType, coroutine
from typing import Any, TypeVar

T = TypeVar("T")
THREADS = 40
"""So many work at once; as many as with anyio."""
Wait = Callable[["Loop", "Task"], Callable[[], None]]
"""Arranges that a task is woken; returns how to take it out of what it waits for."""


class Cancelled(BaseException):
    """Thrown into a task whose scope was cancelled; let it pass."""


class Closed(Exception):
    """What was waited for is being closed by another task."""


class Scope:
    """A block that can be ended from outside, by `cancel` or at a moment. Scopes nest; each task
    has a stack of them. Made before it is entered, it may be cancelled before, too."""

    def __init__(
        self, parent: Scope | None = None, *, seconds: float | None = None, shield: bool = False
    ) -> None:
        self.parent = parent
        self.shield = shield
        """What is cancelled outside does not reach in."""
        self.cancel_called = False
        self.cancelled_caught = False
        self._seconds = seconds

    def cancel(self) -> None:
        self.cancel_called = True
        if (loop := _here.loop) is not None:
            loop.interrupt_waiting()

    @property
    def is_cancelled(self) -> bool:
        """This one, or one around it."""
        scope: Scope | None = self
        while scope is not None:
            if scope.cancel_called:
                return True
            scope = None if scope.shield else scope.parent
        return False

    def __enter__(self) -> Scope:
        loop, self._task = _running()
        self.parent, self._task.scope = self._task.scope, self
        self._call_off = _never
        if self._seconds is not None and self._seconds != float("inf"):
            self._call_off = loop.at(time.monotonic() + self._seconds, self.cancel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._call_off()
        parent = self.parent
        assert parent is not None
        self._task.scope = parent
        if not isinstance(error, Cancelled) or not self.cancel_called:
            return False
        if parent.is_cancelled and not self.shield:
            return False
        self.cancelled_caught = True
        return True


class Deadline(Scope):
    """Raises TimeoutError when the block took longer."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        is_caught = super().__exit__(kind, error, trace)
        if is_caught:
            raise TimeoutError
        return is_caught


def _never() -> None:
    """There is no timer."""


class Task:
    """One coroutine on its way."""

    def __init__(self, work: Coroutine[Any, Any, Any], scope: Scope) -> None:
        self.work = work
        self.scope = scope
        self.has_begun = False
        self.waits: Callable[[], None] | None = None
        """Takes the task out of what it waits for; None while it does not wait."""
        self.on_end: Callable[[BaseException | None, Any], None] = lambda error, value: None


class Loop:
    def __init__(self) -> None:
        self.ready: deque[tuple[Task, BaseException | None]] = deque()
        self.tasks: set[Task] = set()
        self.current: Task | None = None
        self._poll = select.epoll()
        self._readers: dict[int, list[Task]] = {}
        self._writers: dict[int, list[Task]] = {}
        self._timers: list[tuple[float, int, list[Callable[[], None]]]] = []
        self._called_off = 0
        self._numbers = count()
        self.threads = Limiter(THREADS)

    # --- running

    def add(self, work: Coroutine[Any, Any, Any], scope: Scope) -> Task:
        task = Task(work, scope)
        self.tasks.add(task)
        self.ready.append((task, None))
        return task

    def run(self, main: Task) -> None:
        """Until `main` has ended."""
        while main in self.tasks:
            # one turn each: who is always ready keeps nobody from what arrives meanwhile
            for _turn in range(len(self.ready)):
                self._step(*self.ready.popleft())
            if main in self.tasks:
                self._wait()

    def _step(self, task: Task, error: BaseException | None) -> None:
        if task not in self.tasks:
            return
        self.current = task
        if error is None and task.has_begun and task.scope.is_cancelled:
            error = Cancelled()
        # one that is cancelled before its first turn still has it, up to its first wait: what it
        # was given, it gives back
        task.has_begun = True
        try:
            wait = task.work.throw(error) if error is not None else task.work.send(None)
        except StopIteration as end:
            self._end(task, None, end.value)
        except BaseException as failure:
            self._end(task, failure, None)
        else:
            if task.scope.is_cancelled:
                self.ready.append((task, Cancelled()))
            else:
                self._begin_wait(task, wait)
        finally:
            self.current = None

    def _begin_wait(self, task: Task, wait: Wait) -> None:
        """What cannot be waited for (a regular file: EPERM) is an error of the task that tried."""
        try:
            task.waits = wait(self, task)
        except OSError as error:
            self.ready.append((task, error))

    def _end(self, task: Task, error: BaseException | None, value: Any) -> None:
        self.tasks.discard(task)
        task.on_end(error, value)

    def wake(self, task: Task, error: BaseException | None = None) -> None:
        """Let a waiting task go on; once is enough."""
        if task.waits is not None:
            forget, task.waits = task.waits, None
            forget()
            self.ready.append((task, error))

    def interrupt_waiting(self) -> None:
        """After a scope was cancelled: whoever waits inside it waits no longer."""
        for task in list(self.tasks):
            if task.waits is not None and task.scope.is_cancelled:
                self.wake(task, Cancelled())

    def notify_closing(self, descriptor: int) -> None:
        """Whoever waits for it waits no longer: Closed."""
        for waiting in (self._readers, self._writers):
            for task in list(waiting.get(descriptor, ())):
                self.wake(task, Closed())

    def close(self) -> None:
        for task in list(self.tasks):
            task.work.close()
        self._poll.close()

    # --- waiting

    def _wait(self) -> None:
        timeout = -1.0
        if self.ready:
            timeout = 0.0
        elif self._timers:
            timeout = max(0.0, self._timers[0][0] - time.monotonic())
        elif not self._readers and not self._writers:
            raise RuntimeError("every task waits for another")
        for descriptor, events in self._poll.poll(timeout):
            if events & ~select.EPOLLOUT:
                self._wake_all(self._readers, descriptor)
            if events & ~select.EPOLLIN:
                self._wake_all(self._writers, descriptor)
        while self._timers and self._timers[0][0] <= time.monotonic():
            _moment, _number, calls = heapq.heappop(self._timers)
            if calls:
                calls.pop()()
            else:
                self._called_off -= 1

    def _wake_all(self, waiting: dict[int, list[Task]], descriptor: int) -> None:
        for task in list(waiting.get(descriptor, ())):
            self.wake(task)

    def wait_for(
        self, waiting: dict[int, list[Task]], descriptor: int, task: Task
    ) -> Callable[[], None]:
        waiting.setdefault(descriptor, []).append(task)
        try:
            self._register(descriptor)
        except BaseException:
            self._forget(waiting, descriptor, task)
            raise
        return lambda: self._forget(waiting, descriptor, task)

    def _forget(self, waiting: dict[int, list[Task]], descriptor: int, task: Task) -> None:
        waiting[descriptor].remove(task)
        if not waiting[descriptor]:
            del waiting[descriptor]
        self._register(descriptor)

    def _register(self, descriptor: int) -> None:
        """Make epoll's interest what the tasks' is."""
        events = select.EPOLLIN * (descriptor in self._readers)
        events |= select.EPOLLOUT * (descriptor in self._writers)
        try:
            if events:
                self._poll.register(descriptor, events)
            else:
                self._poll.unregister(descriptor)
        except FileExistsError:
            self._poll.modify(descriptor, events)
        except (FileNotFoundError, OSError) as error:
            # closed by its owner while a task waited: epoll has dropped it by itself
            if events:
                raise error

    def at(self, moment: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call it then; returns how to call it off."""
        calls = [call]
        heapq.heappush(self._timers, (moment, next(self._numbers), calls))

        def call_off() -> None:
            if calls:
                calls.clear()
                self._called_off += 1
                self._forget_timers()

        return call_off

    def _forget_timers(self) -> None:
        """Most deadlines are called off: they go when they are half of all."""
        if self._called_off > 64 and self._called_off * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if timer[2]]
            heapq.heapify(self._timers)
            self._called_off = 0

    def readers(self, descriptor: int, task: Task) -> Callable[[], None]:
        return self.wait_for(self._readers, descriptor, task)

    def writers(self, descriptor: int, task: Task) -> Callable[[], None]:
        return self.wait_for(self._writers, descriptor, task)


class _Here(_thread._local):
    loop: Loop | None = None


_here = _Here()
"""Of each thread: callers of the Python API may have several."""


def is_running() -> bool:
    """Whether this code is being run by a small loop."""
    loop = _here.loop
    return loop is not None and loop.current is not None


def run(work: Any) -> Any:
    """Drive one coroutine, and what it starts, to its end. Called from a task of another small
    loop, it holds that one up."""
    around, loop = _here.loop, Loop()
    outcome: list[tuple[BaseException | None, Any]] = []
    _here.loop = loop
    try:
        main = loop.add(work, Scope(None))
        main.on_end = lambda error, value: outcome.append((error, value))
        loop.run(main)
    finally:
        _here.loop = around
        loop.close()
    error, value = outcome[0]
    if error is not None:
        raise error
    return value


@coroutine
def _suspend(wait: Wait) -> Generator[Any, None, None]:
    """Give control back until what `wait` arranges happens."""
    yield wait


def _number(descriptor: Any) -> int:
    return descriptor if isinstance(descriptor, int) else int(descriptor.fileno())


async def wait_readable(descriptor: Any) -> None:
    number = _number(descriptor)
    await _suspend(lambda loop, task: loop.readers(number, task))


async def wait_writable(descriptor: Any) -> None:
    number = _number(descriptor)
    await _suspend(lambda loop, task: loop.writers(number, task))


def notify_closing(descriptor: Any) -> None:
    _running()[0].notify_closing(_number(descriptor))


async def sleep_forever() -> None:
    await Event().wait()


async def sleep(seconds: float) -> None:
    moment = time.monotonic() + seconds
    await _suspend(lambda loop, task: loop.at(moment, lambda: loop.wake(task)))


def _running() -> tuple[Loop, Task]:
    loop = _here.loop
    assert loop is not None
    assert loop.current is not None
    return loop, loop.current


class Event:
    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[tuple[Loop, Task]] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for loop, task in list(self._waiting):
            loop.wake(task)

    async def wait(self) -> None:
        if not self._is_set:
            await _suspend(self._enlist)

    def _enlist(self, loop: Loop, task: Task) -> Callable[[], None]:
        entry = (loop, task)
        self._waiting.append(entry)
        return lambda: self._waiting.remove(entry)


class Limiter:
    """At most `count` tasks inside the block; who came first goes first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[Event] = deque()

    async def acquire(self) -> None:
        if self._free and not self._queue:
            self._free -= 1
            return
        turn = Event()
        self._queue.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self.release()
            else:
                self._queue.remove(turn)
            raise

    def release(self) -> None:
        """To the next in the queue, if there is one."""
        if self._queue:
            self._queue.popleft().set()
        else:
            self._free += 1

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_exception: object) -> None:
        self.release()


class Group:
    """Tasks that end with the block. See runtime/tasks.py."""

    async def __aenter__(self) -> Group:
        self._loop, self._host = _running()
        self._scope = Scope()
        self._scope.__enter__()
        self._members: set[Task] = set()
        self._errors: list[BaseException] = []
        self._ended = Event()
        return self

    def start_soon(self, function: Callable[..., Any], *arguments: Any) -> None:
        task = self._loop.add(function(*arguments), Scope(self._scope))
        task.on_end = lambda error, value: self._on_end(task, error)
        self._members.add(task)

    def cancel(self) -> None:
        self._scope.cancel()

    def _on_end(self, task: Task, error: BaseException | None) -> None:
        self._members.discard(task)
        if error is not None and not isinstance(error, Cancelled):
            self._errors.append(error)
            self._scope.cancel()
        self._ended.set()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is not None:
            self._scope.cancel()
            if not isinstance(error, Cancelled):
                self._errors.insert(0, error)
        # the block itself must stay to see its tasks end, whatever was cancelled
        with Scope(shield=True):
            while self._members:
                self._ended = Event()
                await self._ended.wait()
        is_caught = self._scope.__exit__(kind, error, trace)
        if self._errors:
            if len(self._errors) == 1:
                if self._errors[0] is error:
                    return False
                raise self._errors[0]
            raise BaseExceptionGroup("several tasks failed", self._errors)
        outside = self._scope.parent
        if outside is not None and outside.is_cancelled:
            raise Cancelled
        return is_caught


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """What it returns or raises. It is waited for, whatever is cancelled meanwhile."""
    loop, _task = _running()
    async with loop.threads:
        ended = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        outcome: list[tuple[BaseException | None, Any]] = []

        def work() -> None:
            try:
                outcome.append((None, function(*arguments)))
            except BaseException as error:
                outcome.append((error, None))
            os.eventfd_write(ended, 1)

        try:
            _thread.start_new_thread(work, ())
            with Scope(shield=True):
                await wait_readable(ended)
        finally:
            os.close(ended)
    error, value = outcome.pop()
    if error is not None:
        raise error
    result: T = value
    return result
