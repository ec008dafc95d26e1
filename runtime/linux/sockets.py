"""Unix sockets at paths of any length: their address holds 108 bytes, a PYCOMPOSE_ROOT may be
longer.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def address(path: Path) -> Iterator[str]:
    """One for bind and connect, good inside the block. Raises FileNotFoundError when the folder is
    not there."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect(path: Path) -> socket.socket:
    """A stream to whoever listens there. Raises FileNotFoundError, ConnectionRefusedError when
    nobody does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address(path) as short:
            connection.connect(short)
    except BaseException:
        connection.close()
        raise
    return connection


def is_listening(path: Path) -> bool:
    """Whether somebody takes connections; a socket that a dead process left does not count."""
    try:
        connect(path).close()
    except OSError:
        return False
    return True
