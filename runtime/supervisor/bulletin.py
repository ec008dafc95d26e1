"""What happened, kept in the database and told to whoever watches.

A row costs a commit, so those of one turn of the loop are written together: before anybody is
answered or told, so that he finds them there.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

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

    def __init__(
        self, machine: Machine, *, start_task: Callable[[Callable[[], Awaitable[None]]], None]
    ) -> None:
        self._machine = machine
        self._start_task = start_task
        self._unwritten: list[Event] = []
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
        self._unwritten.append(event)
        if len(self._unwritten) == 1:
            self._start_task(self._write_later)
        self._tell(Happened(event=event, state=state))

    def write(self) -> None:
        """What was published so far stands in the database."""
        events, self._unwritten = self._unwritten, []
        if not events:
            return
        try:
            self._machine.append_events(events)
        except RuntimeFault as fault:
            # whoever waits for one must not wait for ever because a disk is full or slow
            for event in events:
                name = event.attributes["name"]
                report(f"the event {event.action} of {name} is not kept: {fault.answered}")

    async def _write_later(self) -> None:
        self.write()

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
