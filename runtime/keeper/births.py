"""A process on its way to its program: what its channel says between fork and execve.

forked -> (Configure) -> Ready -> Run -> end of the channel = the program was executed
                              \\-> StepFailed, or a death = it was not
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from runtime.keeper.loop import Loop
from runtime.messages import (
    ExecRequest,
    Frames,
    LaunchRequest,
    ProtocolError,
    Ready,
    StepFailed,
    receive,
    send,
)

FORKED_NOT_EXECUTED = 0x40
"""PF_FORKNOEXEC in the flags of /proc/PID/stat; execve(2) clears it before it closes descriptors.
"""


class Stdio(NamedTuple):
    """The child's ends."""

    stdin: int
    stdout: int
    stderr: int


class Birth(Protocol):
    """What runtime.init gives back right after the fork."""

    @property
    def pid(self) -> int: ...

    @property
    def pidfd(self) -> int: ...

    @property
    def start_time(self) -> int: ...

    @property
    def channel(self) -> socket.socket: ...


class Births(Protocol):
    """The forking half: runtime.init, or a stand-in that forks plain processes."""

    def fork_init(self, request: LaunchRequest, stdio: Stdio | None) -> Birth: ...

    def fork_exec(self, request: ExecRequest, stdio: Stdio | None) -> Birth: ...


class Newborn:
    """Follows one birth and tells once how it went."""

    def __init__(
        self,
        birth: Birth,
        loop: Loop,
        *,
        ready: Callable[[tuple[str, ...], list[int]], None],
        executed: Callable[[], None],
    ) -> None:
        self._pid = birth.pid
        self._channel = birth.channel
        self._channel.setblocking(False)
        self._loop = loop
        self._ready = ready
        self._executed = executed
        self._frames = Frames()
        self.failure: StepFailed | None = None
        self.is_executed = False
        self._open = True
        loop.watch(self._channel.fileno(), self.read)

    def tell(self, message: Any) -> None:
        """To the child; one that is dead is noticed by its exit."""
        if not self._open:
            return
        self._channel.setblocking(True)
        try:
            send(self._channel, message)
        except OSError:
            return
        finally:
            self._channel.setblocking(False)

    def read(self) -> None:
        """All that the channel holds now. Also called when the process has ended, so that its last
        words count."""
        while self._open:
            try:
                whole = receive(self._channel, self._frames)
            except BlockingIOError:
                return
            except (EOFError, OSError, ProtocolError):
                self._end()
                return
            for message, _request_id, descriptors in whole:
                self._take(message, descriptors)

    def _take(self, message: Any, descriptors: list[int]) -> None:
        match message:
            case Ready():
                self._ready(message.descriptors, descriptors)
            case StepFailed():
                self.failure = message
            case _:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _end(self) -> None:
        self._open = False
        self._loop.forget(self._channel.fileno())
        self._channel.close()
        if self.failure is None and has_executed(self._pid):
            self.is_executed = True
            self._executed()


def has_executed(pid: int) -> bool:
    """Whether the child of ours, alive or a zombie, got as far as execve(2): the end of its channel
    alone could also be its death. False for one that is reaped: what it forked held the channel."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not int(fields[6]) & FORKED_NOT_EXECUTED
