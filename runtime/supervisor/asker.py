"""Questions to name servers on a container's own loopback: asked from inside, by one socket.

The init opened it, since a socket belongs to the namespace it was made in; so all questions share
its port, and a reply is known by its sender, its number and the question it repeats. Datagrams
alone: a connection would need a socket of its own for each question. Source: D40.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from runtime import tasks
from runtime.networks import dns_wire
from runtime.networks.names import Forward
from runtime.supervisor.plain_sockets import Address

_DATAGRAM = 65535


class _Question:
    def __init__(self, server: Address, forward: Forward) -> None:
        self.server = server
        self.forward = forward
        self.reply = b""
        self.answered = tasks.event()


class Asker:
    """The socket of one container, and who waits for what comes back on it."""

    def __init__(self, handle: socket.socket) -> None:
        self._handle = handle
        self._waiting: dict[int, _Question] = {}

    async def serve(self) -> None:
        """Hand replies to those who wait, until cancelled."""
        while True:  # forever: until the container ends
            await tasks.wait_readable(self._handle)
            # an earlier question met a server that is not there
            with suppress(OSError):
                self._take(*self._handle.recvfrom(_DATAGRAM))

    def _take(self, data: bytes, sender: Address) -> None:
        number = int.from_bytes(data[:2], "big")
        question = self._waiting.get(number)
        if question is None or question.server != sender:
            return
        if dns_wire.is_reply_to(question.forward.query, number, data):
            question.reply = data
            question.answered.set()

    async def ask(self, server: Address, forward: Forward, data: bytes) -> bytes:
        """The reply. The caller sets the deadline."""
        number = self._free_number()
        question = self._waiting[number] = _Question(server, forward)
        try:
            with suppress(OSError):
                self._handle.sendto(dns_wire.renumber(data, number), server)
            await question.answered.wait()
            return question.reply
        finally:
            del self._waiting[number]

    def _free_number(self) -> int:
        while True:
            number = int.from_bytes(os.urandom(2), "big")
            if number not in self._waiting:
                return number
