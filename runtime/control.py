"""Connections to a project's supervisor: a `Channel` for one request, a `Line` for those of many
tasks.

`exec` and `run` ask in the blocking form, since an event loop would cost them more than their work.
A keeper that is just ending closes the connection before Welcome; the caller then starts the next
one and asks again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime import errors, tasks
from runtime.messages import Failure, Frames, Hello, Welcome, receive, send

WELCOME_SECONDS = 60.0
"""To the first word of a supervisor. It takes milliseconds, but after a lost keeper the next one
kills what that one left before it answers anybody."""


class NobodyThere(Exception):
    """No supervisor answers: none runs, or it is just ending. Raised by `Channel`; the engine
    starts one."""


class Channel:
    """One connection. Use it as a context manager: closing it is how a request is given up."""

    def __init__(self, control_socket: Path) -> None:
        self._path = control_socket
        self._socket = _connect(control_socket)
        self._frames = Frames()
        self._received: list[tuple[Any, int, list[int]]] = []
        self._welcome: Welcome | None = None

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()
        for _message, _id, descriptors in self._received:
            for descriptor in descriptors:
                os.close(descriptor)
        self._received.clear()

    def greet(self) -> None:
        """Say who we are and want nothing."""
        with contextlib.suppress(OSError):
            send(self._socket, Hello(), 1)

    def ask(self, message: Any, descriptors: Sequence[int] = ()) -> None:
        """Send the request, with Hello in front of the first one."""
        try:
            if self._welcome is None:
                send(self._socket, Hello(), 1)
            send(self._socket, message, 2, descriptors)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise NobodyThere from error

    def answer(self) -> tuple[Any, list[int]]:
        """Wait for the next reply. Raises the RuntimeFault that a Failure carries, NobodyThere,
        Unreachable."""
        while (reply := self._next()) is None:
            # forever, once it has spoken: until the request is done or the supervisor ends
            if self._welcome is None:
                self._check(select.select([self._socket], [], [], WELCOME_SECONDS)[0])
            self._fill()
        return reply

    async def answer_later(self) -> tuple[Any, list[int]]:
        """The same for a caller with an event loop."""
        while (reply := self._next()) is None:
            with tasks.move_on_after(WELCOME_SECONDS if self._welcome is None else None) as waiting:
                # forever, once it has spoken: until the request is done or the supervisor ends
                await tasks.wait_readable(self._socket)
            self._check(not waiting.cancelled_caught)
            self._fill()
        return reply

    def fileno(self) -> int:
        return self._socket.fileno()

    def _check(self, has_spoken: object) -> None:
        if not has_spoken:
            raise _silent(self._path)

    def _fill(self) -> None:
        try:
            self._received += receive(self._socket, self._frames)
        except (EOFError, ConnectionResetError) as error:
            if self._welcome is None:
                raise NobodyThere from error
            raise _ended() from error

    def _next(self) -> tuple[Any, list[int]] | None:
        while self._received:
            message, _id, descriptors = self._received.pop(0)
            if isinstance(message, Welcome):
                self._welcome = message
            elif isinstance(message, Failure):
                raise as_fault(message)
            else:
                return message, descriptors
        return None


class Line:
    """One connection for the requests of many tasks, within an event loop: an answer is told from
    the others by its number. One of those who wait reads for all."""

    def __init__(self, control_socket: Path) -> None:
        self._path = control_socket
        self._socket = _connect(control_socket)
        self._frames = Frames()
        self._numbers = itertools.count(2)
        self._waiting: dict[int, tasks.Event] = {}
        self._answers: dict[int, tuple[Any, list[int]]] = {}
        self._has_reader = False
        self._has_spoken = False
        self.has_ended = False
        # one that is just ending is noticed by the first request
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            send(self._socket, Hello(), 1)

    def close(self) -> None:
        self.has_ended = True
        self._socket.close()
        self._frames.close()

    async def ask(self, message: Any, descriptors: Sequence[int] = ()) -> tuple[Any, list[int]]:
        """The answer. Raises the RuntimeFault that a Failure carries, NobodyThere, Unreachable."""
        number = next(self._numbers)
        try:
            send(self._socket, message, number, descriptors)
        except (BrokenPipeError, ConnectionResetError) as error:
            self.has_ended = True
            raise NobodyThere from error
        self._waiting[number] = tasks.event()
        try:
            answer, received = await self._answer_to(number)
        finally:
            del self._waiting[number]
            _, unread = self._answers.pop(number, (None, []))
            for descriptor in unread:
                os.close(descriptor)
            self._let_another_read()
        if isinstance(answer, Failure):
            raise as_fault(answer)
        return answer, received

    async def _answer_to(self, number: int) -> tuple[Any, list[int]]:
        while number not in self._answers:
            if self.has_ended:
                raise _ended() if self._has_spoken else NobodyThere
            if self._has_reader:
                # forever: until the one who reads has it, or has done
                await self._waiting[number].wait()
                self._waiting[number] = tasks.event()
            else:
                await self._read()
        return self._answers.pop(number)

    async def _read(self) -> None:
        self._has_reader = True
        try:
            with tasks.move_on_after(None if self._has_spoken else WELCOME_SECONDS) as waiting:
                # forever, once it has spoken: until a request is done or the supervisor ends
                await tasks.wait_readable(self._socket)
            if waiting.cancelled_caught:
                raise _silent(self._path)
            for message, number, descriptors in receive(self._socket, self._frames):
                self._take(message, number, descriptors)
        except (EOFError, ConnectionResetError):
            self.has_ended = True
            for event in self._waiting.values():
                event.set()
        finally:
            self._has_reader = False

    def _take(self, message: Any, number: int, descriptors: list[int]) -> None:
        self._has_spoken = True
        if number in self._waiting:
            self._answers[number] = message, descriptors
            self._waiting[number].set()
            return
        # the Welcome, or whoever asked gave up
        for descriptor in descriptors:
            os.close(descriptor)

    def _let_another_read(self) -> None:
        if not self._has_reader:
            for number, event in self._waiting.items():
                if number not in self._answers:
                    event.set()
                    return


def _silent(control_socket: Path) -> errors.Unreachable:
    return errors.Unreachable(
        "the project's supervisor does not answer",
        code="E323",
        tried=f"ask at {control_socket}",
        answered=f"not a word for {WELCOME_SECONDS:g} seconds",
        hint=f"see {control_socket.parent}/engine.log",
    )


def _ended() -> errors.Unreachable:
    return errors.Unreachable(
        "the supervisor ended before it answered",
        code="E320",
        tried="wait for its answer",
        answered="end of the connection",
        hint="run the command again: it goes on from what exists",
    )


def as_fault(failure: Failure) -> errors.RuntimeFault:
    """The exception that the other side raised."""
    kind = getattr(errors, failure.kind, errors.RuntimeFault)
    fault: errors.RuntimeFault = kind(
        failure.message,
        code=failure.code,
        tried=failure.tried,
        answered=failure.answered,
        hint=failure.hint,
        exit_code=failure.exit_code,
    )
    return fault


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # a socket's address holds 108 bytes, a PYCOMPOSE_ROOT may be longer
            connection.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        connection.close()
        raise NobodyThere from error
    return connection
