"""Structured tasks for code that may run in an event loop or in a command that lives 50 ms.

Inside a running event loop (AsyncStack, the supervisor's tools, tests) everything here is anyio's.
In a short command of ours `run` drives the same coroutines with the small loop of small_loop.py,
because importing asyncio and anyio alone takes longer (90 ms) than taking ten containers down.
Coroutines that are to run in both wait with the functions of this module only.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypeVar

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

    async def wait(self) -> Any: ...


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
    """Until a read would not block. `descriptor` is a number or has a `fileno`."""
    if small_loop.is_running():
        return await small_loop.wait_readable(descriptor)
    import anyio

    await anyio.wait_readable(descriptor)


async def wait_writable(descriptor: Any) -> None:
    """Until a write would not block."""
    if small_loop.is_running():
        return await small_loop.wait_writable(descriptor)
    import anyio

    await anyio.wait_writable(descriptor)


async def sleep(seconds: float) -> None:
    if small_loop.is_running():
        return await small_loop.sleep(seconds)
    import anyio

    await anyio.sleep(seconds)


def fail_after(seconds: float | None) -> AbstractContextManager[Any]:
    """Raises TimeoutError in a block that takes longer; None: never."""
    if small_loop.is_running():
        return small_loop.fail_after(seconds)
    import anyio

    return anyio.fail_after(seconds)


def move_on_after(seconds: float | None) -> AbstractContextManager[Any]:
    """Leaves a block that takes longer; None: never."""
    if small_loop.is_running():
        return small_loop.move_on_after(seconds)
    import anyio

    return anyio.move_on_after(seconds)


def limiter(count: int) -> AbstractAsyncContextManager[Any]:
    """A block that at most `count` tasks are in at once."""
    if small_loop.is_running():
        return small_loop.Limiter(count)
    import anyio

    return anyio.CapacityLimiter(count)


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
