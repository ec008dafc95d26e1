"""What happened, kept in the database and told to whoever watches."""

from __future__ import annotations

import time
from collections.abc import Mapping

from runtime.errors import RuntimeFault
from runtime.messages import Happened
from runtime.supervisor.log_writer import report
from runtime.supervisor.machine import Machine
from runtime.supervisor.mailbox import Mailbox
from runtime.values import ContainerRecord, Event, RunState

BACKLOG = 4096
"""R08: a watcher that is so far behind is let go; it connects anew and reads the state."""


class Bulletin:
    """The project's events."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._watchers: list[Mailbox[Happened]] = []

    def publish(
        self,
        record: ContainerRecord,
        action: str,
        state: RunState,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """An event of a container, with its state after it."""
        event = Event(
            time=time.time(),
            type="container",
            action=action,
            id=record.id,
            project_id=record.project_id,
            attributes={
                "name": record.name,
                "service": record.options.service,
                "image": record.options.image,
                **({"oneoff": "True"} if record.options.oneoff else {}),
                **(attributes or {}),
            },
        )
        try:
            self._machine.append_event(event)
        except RuntimeFault as fault:
            # whoever waits for this event must not wait for ever because a disk is full or slow
            report(f"the event {action} of {record.name} is not kept: {fault.answered}")
        self._tell(Happened(event=event, state=state))

    def watch(self) -> Mailbox[Happened]:
        """Everything from now on; it ends when the watcher is too slow. Close it when done."""
        watcher = Mailbox[Happened](BACKLOG)
        self._watchers.append(watcher)
        return watcher

    def _tell(self, happened: Happened) -> None:
        for watcher in tuple(self._watchers):
            if not watcher.put(happened):
                self._watchers.remove(watcher)
                watcher.close()
