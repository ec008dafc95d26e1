"""Structured tasks for code that runs in a caller's event loop or in a process of ours.

Inside a running event loop (AsyncStack, tests) everything here is anyio's. Our commands and
supervisors `run` the same coroutines with the small loop of small_loop.py: importing asyncio and
anyio takes longer (40 ms of each first `up`) than taking a container down.
Coroutines wait with the functions of this module only.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypeVar, cast

from runtime import small_loop

T = TypeVar("T")


class Group(Protocol):
    """Tasks that end with the block they were started in."""

    def start_soon(
        self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any
    ) -> None:
        """Begin at the next chance. What the task raises ends the group."""

    def cancel(self) -> None:
        """End all tasks of the group, and the block, at their next wait."""


class Event(Protocol):
    def set(self) -> None: ...

    def is_set(self) -> bool: ...

    async def wait(self) -> Any: ...


class Scope(AbstractContextManager[Any], Protocol):
    """A block that `cancel` ends, now or as soon as it is entered."""

    @property
    def cancel_called(self) -> bool: ...

    @property
    def cancelled_caught(self) -> bool:
        """The block ended because of it."""

    def cancel(self) -> None: ...


class Limiter(AbstractAsyncContextManager[Any], Protocol):
    """Who came first goes first."""

    async def acquire(self) -> None: ...

    def release(self) -> None: ...


Closed = small_loop.Closed
"""Raised by the waits for a descriptor, after `notify_closing` of it."""


def run(function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Drive a coroutine to its end, in this thread, without an event loop's packages."""
    value: T = small_loop.run(function(*arguments))
    return value


def group() -> AbstractAsyncContextManager[Group]:
    """A block that ends when its tasks have; an error of one cancels the others and is raised."""
    return small_loop.Group() if small_loop.is_running() else _AnyioGroup()


def event() -> Event:
    if small_loop.is_running():
        return small_loop.Event()
    import anyio

    return anyio.Event()


async def wait_readable(descriptor: Any) -> None:
    """Until a read would not block. `descriptor` is a number or has a `fileno`. Raises Closed."""
    if small_loop.is_running():
        return await small_loop.wait_readable(descriptor)
    import anyio

    try:
        await anyio.wait_readable(descriptor)
    except anyio.ClosedResourceError:
        raise Closed from None


async def wait_writable(descriptor: Any) -> None:
    """Until a write would not block. Raises Closed."""
    if small_loop.is_running():
        return await small_loop.wait_writable(descriptor)
    import anyio

    try:
        await anyio.wait_writable(descriptor)
    except anyio.ClosedResourceError:
        raise Closed from None


def notify_closing(descriptor: Any) -> None:
    """Before it is closed: whoever waits for it gets Closed."""
    if small_loop.is_running():
        return small_loop.notify_closing(descriptor)
    import anyio

    anyio.notify_closing(descriptor)


async def sleep(seconds: float) -> None:
    if small_loop.is_running():
        return await small_loop.sleep(seconds)
    import anyio

    await anyio.sleep(seconds)


async def sleep_forever() -> None:
    """Until cancelled."""
    await event().wait()


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """What it returns or raises. It is waited for, whatever is cancelled meanwhile."""
    if small_loop.is_running():
        return await small_loop.in_thread(function, *arguments)
    from anyio import to_thread

    return await to_thread.run_sync(function, *arguments)


def scope(*, shield: bool = False) -> Scope:
    """`shield`: what is cancelled outside does not reach in."""
    return move_on_after(None, shield=shield)


def fail_after(seconds: float | None) -> Scope:
    """Raises TimeoutError in a block that takes longer; None: never."""
    if small_loop.is_running():
        return small_loop.Deadline(seconds=seconds)
    import anyio

    return cast("Scope", anyio.fail_after(seconds))


def move_on_after(seconds: float | None, *, shield: bool = False) -> Scope:
    """Leaves a block that takes longer; None: never."""
    if small_loop.is_running():
        return small_loop.Scope(seconds=seconds, shield=shield)
    import anyio

    return anyio.move_on_after(seconds, shield=shield)


def limiter(count: int) -> Limiter:
    """A block that at most `count` tasks are in at once."""
    if small_loop.is_running():
        return small_loop.Limiter(count)
    import anyio

    return anyio.Semaphore(count)


def lock() -> Limiter:
    """A block that one task is in at a time."""
    return limiter(1)


class _AnyioGroup:
    """anyio's task group, with one error raised as itself and not in a group of one."""

    async def __aenter__(self) -> _AnyioGroup:
        import anyio

        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> bool | None:
        try:
            return await self._group.__aexit__(*exception)
        except BaseExceptionGroup as errors:
            if len(errors.exceptions) == 1:
                raise errors.exceptions[0] from None
            raise

    def start_soon(
        self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any
    ) -> None:
        self._group.start_soon(function, *arguments)

    def cancel(self) -> None:
        self._group.cancel_scope.cancel()
