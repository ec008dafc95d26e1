"""Between the caller's descriptors and a process in a container.

Pipes and sockets are handed over and cost nothing. Files, devices and terminals of the caller never
enter a container (V10: /proc/self/fd/0 would reopen the host's file): a pipe or the container's own
terminal stands between, and bytes are moved here. Source: DESIGN.md 4.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from compose.options import Stdio
from compose.scheduling.interrupts import Interrupts
from runtime import tasks

CHUNK = 65536
NONE = Stdio(stdin=-1, stdout=-1, stderr=-1)


class Handed:
    """The three descriptors for the process, and what moves bytes to and from those that are not
    the caller's own. Close `given` once the process has them."""

    def __init__(
        self, given: tuple[int, int, int], inward: Pump | None, outward: list[Pump]
    ) -> None:
        self.given = given
        self.inward = inward
        self.outward = outward


class Pump:
    """One direction: everything that can be read from `source` goes to `sink`. -1: nowhere."""

    def __init__(self, source: int, sink: int, *, owns_source: bool = False) -> None:
        self.source = source
        self.sink = sink
        self.owns_source = owns_source

    async def run(self) -> None:
        """Until the source ends; the sink is closed when it is ours."""
        try:
            while data := await _read(self.source):
                await _write(self.sink, data)
        except BrokenPipeError:
            pass
        finally:
            if not self.owns_source:
                os.close(self.sink)

    def drain(self) -> None:
        """What is still in the pipe, without waiting."""
        os.set_blocking(self.source, False)
        try:
            while data := os.read(self.source, CHUNK):
                _write_blocking(self.sink, data)
        except (BlockingIOError, OSError):
            pass


def is_handed_over(descriptor: int) -> bool:
    """Whether it may enter a container as it is."""
    if descriptor < 0:
        return False
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@contextmanager
def handed(stdio: Stdio) -> Iterator[Handed]:
    """Pipes where they are needed. All of ours are closed at the end."""
    with ExitStack() as stack:

        def pipe() -> tuple[int, int]:
            return os.pipe2(os.O_CLOEXEC)

        inward = None
        if is_handed_over(stdio.stdin):
            given_in = os.dup(stdio.stdin)
        else:
            given_in, ours = pipe()
            if stdio.stdin < 0:
                os.close(ours)
            else:
                inward = Pump(stdio.stdin, ours)
        given, outward = [given_in], []
        for descriptor in (stdio.stdout, stdio.stderr):
            if is_handed_over(descriptor):
                given.append(os.dup(descriptor))
                continue
            ours, theirs = pipe()
            stack.callback(os.close, ours)
            given.append(theirs)
            outward.append(Pump(ours, descriptor, owns_source=True))
        yield Handed((given[0], given[1], given[2]), inward, outward)


def close_given(one: Handed) -> None:
    """The process has its copies; ours would keep its pipes from ending."""
    for descriptor in one.given:
        os.close(descriptor)


async def move(one: Handed, ended: Callable[[], Awaitable[int]]) -> int:
    """Move bytes until the process has ended, and then what it left. Returns its exit code."""
    async with tasks.group() as group:
        if one.inward is not None:
            group.start_soon(one.inward.run)
        for pump in one.outward:
            os.set_blocking(pump.source, False)
            group.start_soon(pump.run)
        code = await ended()
        # a child that stays may hold the pipes open, and the caller's stdin may never end
        group.cancel()
    for pump in one.outward:
        pump.drain()
    return code


async def move_terminal(
    master: int, stdio: Stdio, ended: Callable[[], Awaitable[int]], interrupts: Interrupts
) -> int:
    """The same for a terminal: the caller's is raw meanwhile, and its size is kept."""
    with raw(stdio.stdin), resized(master, stdio.stdout, interrupts):
        os.set_blocking(master, False)
        outward = Pump(master, stdio.stdout, owns_source=True)
        async with tasks.group() as group:
            if stdio.stdin >= 0:
                group.start_soon(_type, stdio.stdin, master)
            group.start_soon(outward.run)
            code = await ended()
            group.cancel()
        outward.drain()
    return code


async def _type(keyboard: int, master: int) -> None:
    while data := await _read(keyboard):
        await _write(master, data)


@contextmanager
def raw(terminal: int) -> Iterator[None]:
    """Keys go to the container as they are, Ctrl-C too."""
    if terminal < 0 or not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    try:
        # now, without the flush of the default: what was typed ahead is meant for the program
        tty.setraw(terminal, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def resized(master: int, terminal: int, interrupts: Interrupts) -> Iterator[None]:
    """The container's terminal follows the caller's."""

    def follow() -> None:
        if (size := size_of(terminal)) is not None:
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    before, interrupts.on_resize = interrupts.on_resize, follow
    try:
        yield
    finally:
        interrupts.on_resize = before


def size_of(terminal: int) -> tuple[int, int] | None:
    """(columns, rows); None where there is no terminal."""
    if terminal < 0 or not os.isatty(terminal):
        return None
    found = os.get_terminal_size(terminal)
    return found.columns or 80, found.lines or 24


async def _read(descriptor: int) -> bytes:
    """Some bytes; nothing at the end."""
    while True:
        try:
            await tasks.wait_readable(descriptor)
        except PermissionError:  # a regular file: always readable, and not for epoll
            return os.read(descriptor, CHUNK)
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            continue
        except OSError:  # EIO: the last of a terminal's other end is closed
            return b""


async def _write(descriptor: int, data: bytes) -> None:
    """All of it; a slow reader holds the writer up, and nobody else."""
    if descriptor < 0:
        return
    while data:
        try:
            await tasks.wait_writable(descriptor)
        except PermissionError:
            return _write_blocking(descriptor, data)
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            continue


def _write_blocking(descriptor: int, data: bytes) -> None:
    while data and descriptor >= 0:
        data = data[os.write(descriptor, data) :]
