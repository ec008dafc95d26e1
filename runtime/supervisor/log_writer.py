"""Moves what containers write into their logs: one thread for all of them, apart from the event
loop.

A disk that takes its time must not hold up names, probes and requests, so this is a thread with a
poll of its own. It moves bytes with splice(2): killed at any point it loses none (measured; a read
and a write do). What it does with them is the sink's business, by driver.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from runtime import tasks
from runtime.containers.log_options import LogSettings
from runtime.linux import files
from runtime.log_segments import (
    STREAMS,
    SegmentWriter,
    discard,
    is_out_of_space,
    segment_path,
)

DRAIN_SECONDS = 2.0
"""D74: a grandchild may hold a pipe open for ever."""
TERMINAL_READ = 64 * 1024
UNREADABLE = "unreadable"
"""A file of this name in the log folder: the driver is `none`."""


class Sink(Protocol):
    """Where the bytes of one container go."""

    def splice(self, stream: int, pipe: int) -> int: ...

    def write(self, stream: int, data: bytes) -> None: ...

    def mark_start(self) -> None: ...

    def close(self) -> None: ...


class NoLog:
    """The driver none."""

    def splice(self, stream: int, pipe: int) -> int:
        return discard(pipe)

    def write(self, stream: int, data: bytes) -> None: ...

    def mark_start(self) -> None: ...

    def close(self) -> None: ...


class PackingWriter(SegmentWriter):
    """The driver local: segments that are full are packed."""

    def _rotate(self) -> None:
        full = self._number
        super()._rotate()
        from runtime.supervisor.json_log import pack

        for stream in STREAMS:
            if (path := segment_path(self._folder, full, stream)).exists():
                pack(path)


def open_sink(folder: Path, container_id: str, settings: LogSettings) -> Sink:
    """Raises OSError."""
    files.ensure_directory(folder)
    if settings.driver == "none":
        files.write_atomically(folder / UNREADABLE, b"")
        return NoLog()
    if settings.driver == "json-file":
        from runtime.supervisor.json_log import JsonLog  # with datetime, which no other log needs

        return JsonLog(folder, container_id, settings)
    kind = PackingWriter if settings.compress else SegmentWriter
    return kind(folder, settings.rotation)


class _Log:
    """One container's outputs on their way to its sink."""

    def __init__(self, container_id: str, sink: Sink, outputs: Mapping[str, int]) -> None:
        self.container_id = container_id
        self.sink = sink
        self.outputs = dict(outputs)
        self.finished: int | None = None
        """An eventfd that somebody waits on."""
        self.is_dropping = False


class LogWriter:
    """The thread, and how others speak to it."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._commands: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._wake, select.EPOLLIN)
        self._logs: dict[str, _Log] = {}
        self._by_descriptor: dict[int, tuple[_Log, str]] = {}
        self._ended = False

    # ---- for tasks

    async def run(self) -> None:
        """As long as the supervisor lives; on cancellation the thread ends first."""
        async with tasks.group() as group:
            group.start_soon(tasks.in_thread, self._loop)
            try:
                # forever: until the supervisor ends
                await tasks.sleep_forever()
            finally:
                self._do(self._end)

    def begin(
        self, container_id: str, sink: Sink, outputs: Mapping[str, int], *, new_run: bool
    ) -> None:
        """From now on. `outputs` (stdout, stderr, pty) stay the caller's, until `finish`."""
        if new_run:
            sink.mark_start()
        self._do(lambda: self._begin(_Log(container_id, sink, outputs)))

    async def finish(self, container_id: str, *, within: float = DRAIN_SECONDS) -> None:
        """Everything that was written is in the log, or the time is over; the sink is closed."""
        finished = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._do(lambda: self._announce(container_id, finished))
            with tasks.move_on_after(within) as scope:
                await tasks.wait_readable(finished)
            if scope.cancelled_caught:
                self._do(lambda: self._give_up(container_id))
                # forever: until the thread has had its turn, which a slow disk may delay
                await tasks.wait_readable(finished)
        finally:
            # the thread closes it: it may be about to write to it
            self._do(lambda: self._forget_waiter(container_id, finished))

    # ---- the thread

    def _do(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        os.eventfd_write(self._wake, 1)

    def _loop(self) -> None:
        while not self._ended:
            for descriptor, _events in self._poll.poll():
                if descriptor == self._wake:
                    self._obey()
                elif descriptor in self._by_descriptor:
                    self._move(*self._by_descriptor[descriptor])
        for log in self._logs.values():
            with contextlib.suppress(OSError):
                log.sink.close()

    def _obey(self) -> None:
        os.eventfd_read(self._wake)
        while self._commands:
            self._commands.popleft()()

    def _begin(self, log: _Log) -> None:
        self._logs[log.container_id] = log
        for name, descriptor in log.outputs.items():
            self._by_descriptor[descriptor] = (log, name)
            self._poll.register(descriptor, select.EPOLLIN)

    def _announce(self, container_id: str, finished: int) -> None:
        log = self._logs.get(container_id)
        if log is None:
            os.eventfd_write(finished, 1)
            return
        log.finished = finished
        self._close_if_done(log)

    def _forget_waiter(self, container_id: str, finished: int) -> None:
        if log := self._logs.get(container_id):
            log.finished = None
        os.close(finished)

    def _give_up(self, container_id: str) -> None:
        if log := self._logs.get(container_id):
            for name in tuple(log.outputs):
                self._output_ended(log, name)

    def _end(self) -> None:
        self._ended = True

    def _move(self, log: _Log, name: str) -> None:
        descriptor = log.outputs[name]
        try:
            moved = _move_once(log.sink, name, descriptor)
            log.is_dropping = log.is_dropping and not moved
        except BlockingIOError:
            return
        except OSError as error:
            moved = self._after_error(log, name, descriptor, error)
        if not moved:
            self._output_ended(log, name)

    def _after_error(self, log: _Log, name: str, descriptor: int, error: OSError) -> int:
        """R15: a full disk must not stop the container; EIO of a terminal is its end."""
        if name == "pty" or not is_out_of_space(error):
            return 0
        if not log.is_dropping:
            log.is_dropping = True
            report(f"the output of {log.container_id} is dropped: {error}")
        try:
            return discard(descriptor)
        except BlockingIOError:
            return 1

    def _output_ended(self, log: _Log, name: str) -> None:
        descriptor = log.outputs.pop(name)
        self._poll.unregister(descriptor)
        del self._by_descriptor[descriptor]
        self._close_if_done(log)

    def _close_if_done(self, log: _Log) -> None:
        if log.outputs or log.finished is None:
            return
        del self._logs[log.container_id]
        try:
            log.sink.close()
        except OSError as error:
            report(f"the log of {log.container_id} is not closed: {error}")
        os.eventfd_write(log.finished, 1)


def _move_once(sink: Sink, name: str, descriptor: int) -> int:
    if name != "pty":
        return sink.splice(STREAMS.index(name), descriptor)
    # a terminal is no pipe: its few bytes are copied
    data = os.read(descriptor, TERMINAL_READ)
    sink.write(0, data)
    return len(data)


def report(text: str) -> None:
    """One line of the engine log (our stderr)."""
    sys.stderr.write(f"supervisor: {text}\n")
    sys.stderr.flush()
