"""Waiting on plain non-blocking sockets, for resolver and forwarder.

They come as descriptors from a container's namespace or from the keeper, and go back to their
owner.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime import tasks

Address = tuple[Any, ...]
"""What connect and sendto take, of either family."""


@contextmanager
def borrow(descriptor: int) -> Iterator[socket.socket]:
    """The socket behind a descriptor that stays its owner's."""
    handle = socket.socket(fileno=descriptor)
    try:
        handle.setblocking(False)
        yield handle
    finally:
        handle.detach()


async def connect(handle: socket.socket, address: Address) -> None:
    """Raises OSError. The caller sets the deadline."""
    try:
        handle.connect(address)
        return
    except BlockingIOError:
        await tasks.wait_writable(handle)
    if number := handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, "connect")


async def receive(handle: socket.socket, size: int) -> bytes:
    """At least a byte; empty at the end of the stream. Raises OSError."""
    while True:
        try:
            return handle.recv(size)
        except BlockingIOError:
            await tasks.wait_readable(handle)


async def receive_exactly(handle: socket.socket, size: int) -> bytes:
    """Raises EOFError when the stream ends before."""
    data = b""
    while len(data) < size:
        piece = await receive(handle, size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


async def send_all(handle: socket.socket, data: bytes) -> None:
    """Raises OSError."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[handle.send(rest) :]
        except BlockingIOError:
            await tasks.wait_writable(handle)


def numeric_address(host: str, port: int) -> tuple[socket.AddressFamily, Address]:
    """The family and address of an address as text, with its %scope. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    family, _kind, _protocol, _name, address = found[0]
    return family, address
