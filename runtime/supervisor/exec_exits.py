"""Who waits for the exit code of which further process."""

from __future__ import annotations

import itertools
import os

from runtime.messages import ExecExited
from runtime.supervisor.mailbox import Mailbox

Ended = Mailbox[int]


class ExecExits:
    """Ids of executions, and their exit codes on the way to those who started them."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[str, Ended] = {}
        self.are_lost = False
        """The keeper is."""

    def expect(self) -> tuple[str, Ended]:
        """A new id, and where its exit code will come out."""
        exec_id = f"{os.getpid()}-{next(self._numbers)}"
        ended = self._waiting[exec_id] = Ended()
        return exec_id, ended

    def ended(self, message: ExecExited) -> None:
        if (waiting := self._waiting.get(message.exec_id)) is not None:
            waiting.put(message.exit_code)

    def forget(self, exec_id: str) -> None:
        self._waiting.pop(exec_id).close()

    def lost(self) -> None:
        """The keeper is gone, and with it every exit code."""
        self.are_lost = True
        for waiting in self._waiting.values():
            waiting.close()

    def __len__(self) -> int:
        return len(self._waiting)
