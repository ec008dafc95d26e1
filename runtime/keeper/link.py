"""The keeper's end of the socket pair to its supervisor. It never blocks: a supervisor that hangs
must not keep the keeper from reaping.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from runtime import messages
from runtime.keeper.loop import Loop

Receive = Callable[[Any, int, list[int]], None]


class Link:
    """One supervisor's connection; a new supervisor gets a new one."""

    def __init__(self, connection: socket.socket, loop: Loop, receive: Receive) -> None:
        self._connection = connection
        self._connection.setblocking(False)
        self._loop = loop
        self._receive = receive
        self._frames = messages.Frames()
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._open = True
        loop.watch(connection.fileno(), self._ready)

    def send(self, message: Any, request_id: int = 0, descriptors: Sequence[int] = ()) -> None:
        """Now or as soon as the peer reads. The caller keeps its descriptors."""
        if not self._open:
            return
        frame = messages.pack(message, request_id, descriptors=len(descriptors))
        # duplicated: the caller may close its own before this frame gets its turn
        self._waiting.append((frame, [os.dup(one) for one in descriptors]))
        self._write()

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._loop.forget(self._connection.fileno())
        with contextlib.suppress(OSError):
            # a child that was just forked has a copy of this end, and the peer must see its end
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        for _frame, descriptors in self._waiting:
            _close(descriptors)
        self._waiting.clear()

    def _ready(self) -> None:
        self._write()
        try:
            whole = messages.receive(self._connection, self._frames)
        except BlockingIOError:
            return
        except (EOFError, OSError, messages.ProtocolError):
            self.close()
            return
        for message, request_id, descriptors in whole:
            self._receive(message, request_id, descriptors)

    def _write(self) -> None:
        try:
            while self._waiting:
                self._write_first()
        except BlockingIOError:
            self._loop.watch_writing(self._connection.fileno(), writing=True)
        except OSError:
            self.close()
        else:
            if self._open:
                self._loop.watch_writing(self._connection.fileno(), writing=False)

    def _write_first(self) -> None:
        frame, descriptors = self._waiting.popleft()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        try:
            sent = self._connection.sendmsg([frame], rights if descriptors else [])
        except BlockingIOError:
            self._waiting.appendleft((frame, descriptors))
            raise
        _close(descriptors)
        if sent < len(frame):
            self._waiting.appendleft((frame[sent:], []))


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
