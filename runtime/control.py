"""A connection to a project's supervisor, blocking or within anyio: one request each.

`exec` and `run` ask in the blocking form, since an event loop would cost them more than their work.
A keeper that is just ending closes the connection before Welcome; the caller then starts the next
one and asks again.
"""

from __future__ import annotations

import contextlib
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
            raise errors.Unreachable(
                "the project's supervisor does not answer",
                code="E323",
                tried=f"ask at {self._path}",
                answered=f"not a word for {WELCOME_SECONDS:g} seconds",
                hint=f"see {self._path.parent}/engine.log",
            )

    def _fill(self) -> None:
        try:
            self._received += receive(self._socket, self._frames)
        except (EOFError, ConnectionResetError) as error:
            if self._welcome is None:
                raise NobodyThere from error
            raise errors.Unreachable(
                "the supervisor ended before it answered",
                code="E320",
                tried="wait for its answer",
                answered="end of the connection",
                hint="run the command again: it goes on from what exists",
            ) from error

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
