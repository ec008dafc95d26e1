"""Keeping a supervisor alive: when to start the next one, and how. The pauses are pure."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import time

from runtime.linux import faults
from runtime.paths import Paths

LISTENER = 3
CHANNEL = 4
"""Descriptors that a supervisor finds at its start."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
GOOD_LIFE = 2.0
"""Seconds after which a death is an accident and not a habit."""
HOPELESS = 5
"""So many short lives in a row: the keeper moves the logs itself until one lasts."""
PROGRAM = os.path.join(os.path.dirname(os.path.dirname(__file__)), "supervisor", "__main__.py")


def next_pause(short_lives: int) -> float:
    """Seconds before the next start: none after the first death, then growing."""
    if short_lives == 0:
        return 0.0
    return min(FIRST_PAUSE * 2.0 ** (short_lives - 1), LONGEST_PAUSE)


class Supervision:
    """The supervisor that lives now, and the count of those that did not last."""

    def __init__(
        self, paths: Paths, project_id: str, listener: socket.socket, *, program: str = PROGRAM
    ) -> None:
        self._arguments = [str(paths.data), str(paths.run), project_id]
        self._listener = listener
        self._program = program
        self._short_lives = 0
        self._started_at = 0.0
        self.pid = 0
        self.channel: socket.socket | None = None

    @property
    def is_hopeless(self) -> bool:
        return self._short_lives >= HOPELESS

    def spawn(self) -> None:
        """Start one; `pid` and `channel` are its. Raises OSError."""
        mine, its = socket.socketpair()
        try:
            with its, faults.point("spawn supervisor"):
                self.pid = self._spawn(_high(its), _high(self._listener))
            self.channel = mine
        except OSError:
            mine.close()
            raise
        finally:
            # one that could not be started has had the shortest of lives
            self._started_at = time.monotonic()

    def name_project(self, project_id: str) -> None:
        """Whose supervisor it is, and those that follow; an early one does not know it yet."""
        is_new = self._arguments[-1] != project_id
        self._arguments[-1] = project_id
        if is_new and self.channel is not None:
            # one that died meanwhile is noticed by its end
            with contextlib.suppress(OSError):
                self.channel.sendall(f"{project_id}\n".encode())

    def abandon(self) -> None:
        """End one that never learned what for."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def _spawn(self, channel: int, listener: int) -> int:
        try:
            return os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-E", "-s", "-S", self._program, *self._arguments],
                self._environment(),
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, listener, LISTENER),
                    (os.POSIX_SPAWN_DUP2, channel, CHANNEL),
                ],
                # P05: Python ignores these two, and a child would inherit that
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        finally:
            os.close(channel)
            os.close(listener)

    def _environment(self) -> dict[str, str]:
        """A planned fault strikes once: the next supervisor gets the chance to mend it."""
        environment = dict(os.environ)
        if self._started_at:
            environment.pop("PYCOMPOSE_FAULT", None)
        return environment

    def ended(self) -> float:
        """It died: the seconds until the next one is due."""
        self.pid = 0
        self.channel = None
        if time.monotonic() - self._started_at >= GOOD_LIFE:
            self._short_lives = 0
        pause = next_pause(self._short_lives)
        self._short_lives += 1
        return pause


def _high(one: socket.socket) -> int:
    """A copy that the numbers given to the supervisor cannot collide with."""
    return fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 16)
