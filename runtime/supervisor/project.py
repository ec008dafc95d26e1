"""What the supervisor's tasks share: the containers, and the ways to keeper, logs and watchers."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping

from runtime import tasks
from runtime.errors import NotFound
from runtime.paths import ProjectPaths
from runtime.supervisor.bulletin import Bulletin
from runtime.supervisor.exec_exits import ExecExits
from runtime.supervisor.keeper_link import KeeperLink
from runtime.supervisor.log_writer import LogWriter, report
from runtime.supervisor.machine import Machine
from runtime.supervisor.supervised import Supervised
from runtime.values import ContainerRecord

Clock = Callable[[], float]


class Project:
    """One project under supervision."""

    def __init__(
        self,
        *,
        paths: ProjectPaths,
        machine: Machine,
        keeper: KeeperLink,
        logs: LogWriter,
        group: tasks.Group,
        clock: Clock = time.monotonic,
    ) -> None:
        self.paths = paths
        self.machine = machine
        self.keeper = keeper
        self.logs = logs
        self.group = group
        self.clock = clock
        self.bulletin = Bulletin(machine, start_task=self.start_task)
        self.executions = ExecExits()
        self.containers: dict[str, Supervised] = {}
        self.connections = 0
        """Accepted and not closed; one that has not said Hello yet counts too."""
        self.had_clients = False
        self.may_accept = tasks.event()
        """Set but while the keeper is asked whether both may end: see idle.py."""
        self.may_accept.set()
        self.requests = 0
        """Requests being answered; one whose client is gone counts too."""
        self.keeper_lays_entries = False
        """Whether its inits know `RootFilesystem.laid`."""
        self.leases: dict[str, int] = {}
        """Name -> pidfd of the owner."""
        self.is_ending = False
        """The keeper is lost, or everything is being stopped: nothing is started any more."""
        self._changed = tasks.event()

    def find(self, container_id: str) -> Supervised:
        """Raises NotFound."""
        return self.supervise(self.machine.container(container_id))

    def supervise(self, record: ContainerRecord) -> Supervised:
        """The one of this record, which was just read."""
        supervised = self.containers.get(record.id)
        if supervised is None:
            supervised = self.containers[record.id] = Supervised(record)
        # its name may have changed since
        supervised.record = record
        return supervised

    def publish(
        self, container: Supervised, action: str, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Write the container's state down, then say what happened."""
        self.write_state(container)
        self.bulletin.publish(container.record, action, container.state, attributes)

    def write_intention(self, container: Supervised) -> None:
        """Before the kernel is touched. Raises OSError: then nothing is done."""
        if container.written != container.state:
            container.written = None
            self.machine.write_state(container.id, container.state)
            container.written = container.state
        self.note_change()

    def write_state(self, container: Supervised) -> None:
        """What is so by now, as far as the disk lets us: it must not cost an exit. The keeper's
        record stands in for what is missing (R02)."""
        try:
            self.write_intention(container)
        except OSError as error:
            report(f"the state of {container.record.name} is not written down: {error}")
            self.note_change()

    def note_change(self) -> None:
        """Something that may make the project idle."""
        changed, self._changed = self._changed, tasks.event()
        changed.set()

    async def wait_for_change(self) -> None:
        # forever: until something happens; `main` cancels it
        await self._changed.wait()

    def start_task(self, function: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """In the background. What goes wrong in it is written to the engine log, and costs that
        task alone.
        """
        self.group.start_soon(_guarded, function, *arguments)


async def _guarded(function: Callable[..., Awaitable[None]], *arguments: object) -> None:
    try:
        await function(*arguments)
    except Exception:
        report_exception(getattr(function, "__name__", "task"))


def report_exception(where: str) -> None:
    """A defect of ours, in the engine log."""
    sys.stderr.write(f"supervisor: {where} failed\n{traceback.format_exc()}")
    sys.stderr.flush()


def no_such_container(container_id: str) -> NotFound:
    return NotFound(f"no such container: {container_id[:12]}", code="E314")
