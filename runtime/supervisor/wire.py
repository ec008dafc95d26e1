"""Frames over a stream socket, for tasks: to a client, and to the keeper."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Sequence
from typing import Any

from runtime import messages, tasks

Frame = tuple[Any, int, list[int]]
"""Message, request id, descriptors (the receiver's to close)."""


class Wire:
    """One connection. One task receives; any task sends, a frame at a time."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._frames = messages.Frames()
        self._received: list[Frame] = []
        self._sending = tasks.lock()

    async def receive(self) -> Frame:
        """The next frame. Raises EOFError, OSError, ProtocolError."""
        while not self._received:
            try:
                self._received += messages.receive(self._socket, self._frames)
            except BlockingIOError:
                # forever: until the peer speaks or ends
                await tasks.wait_readable(self._socket)
        return self._received.pop(0)

    async def send(
        self, message: Any, request_id: int = 0, descriptors: Sequence[int] = ()
    ) -> None:
        """The whole frame; the caller keeps its descriptors. Raises OSError when the peer is
        gone."""
        frame = messages.pack(message, request_id, descriptors=len(descriptors))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        async with self._sending:
            sent = await self._send_some(frame, rights if descriptors else [])
            while sent < len(frame):
                sent += await self._send_some(frame[sent:], [])

    async def _send_some(self, data: bytes, ancillary: Any) -> int:
        while True:
            try:
                return self._socket.sendmsg([data], ancillary)
            except BlockingIOError:
                # forever: a peer that never reads holds up its own task alone
                await tasks.wait_writable(self._socket)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            tasks.notify_closing(self._socket)
        self._socket.close()
        for _message, _request_id, descriptors in self._received:
            close_all(descriptors)
        self._received.clear()
        self._frames.close()


def close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
