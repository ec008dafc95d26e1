"""A further process in a container: for `exec`, and for probes.

ask the machine for its document -> the keeper forks and joins -> it runs -> its exit code
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from runtime import frozen, tasks
from runtime.errors import RuntimeFault, StartFailed
from runtime.messages import ExecFailed, ExecForked, ExecRequest
from runtime.supervisor.exec_exits import Ended
from runtime.supervisor.mailbox import NoMore
from runtime.supervisor.project import Project
from runtime.supervisor.stops import not_running
from runtime.supervisor.supervised import Supervised
from runtime.supervisor.wire import close_all
from runtime.values import ExecOptions

KILL_SECONDS = 5.0


class Execution:
    """One that runs."""

    def __init__(self, exec_id: str, pid: int, pty: int | None, pidfd: int, ended: Ended) -> None:
        self.exec_id = exec_id
        self.pid = pid
        self.pty = pty
        self._pidfd = pidfd
        self._ended = ended

    async def wait(self) -> int:
        """Its exit code. 137 when the keeper was lost."""
        try:
            return await self._ended.take()
        except NoMore:
            return 128 + signal.SIGKILL

    def kill(self) -> None:
        """It and all that it started (E09), as far as they can be found."""
        for pid in (*descendants(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                if pid == self.pid:
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def execute(
    project: Project,
    container: Supervised,
    options: ExecOptions,
    *,
    stdio: Sequence[int] = (),
    size: tuple[int, int] = (0, 0),
    start_within: float = math.inf,
) -> AsyncIterator[Execution]:
    """It runs when the block is entered; its end is the caller's business. `stdio` stays the
    caller's. Raises StartFailed (126, 127), RuntimeFault, TimeoutError."""
    exec_id, ended = project.executions.expect()
    try:
        request = await _prepare(project, container, options, exec_id=exec_id, size=size)
        try:
            with tasks.fail_after(start_within):
                pid, descriptors = await _launch(project, request, stdio)
        except RuntimeFault as fault:
            if _has_ended(container):
                raise not_running(container.record) from fault
            raise
        *terminals, pidfd = descriptors
        execution = Execution(exec_id, pid, terminals[0] if terminals else None, pidfd, ended)
        try:
            yield execution
        finally:
            close_all(descriptors)
    finally:
        project.executions.forget(exec_id)


def _has_ended(container: Supervised) -> bool:
    """Also where its end is still on the way to us."""
    return container.pidfd is None or bool(select.select([container.pidfd], [], [], 0)[0])


async def _prepare(
    project: Project,
    container: Supervised,
    options: ExecOptions,
    *,
    exec_id: str,
    size: tuple[int, int],
) -> ExecRequest:
    if container.state.status == "paused":
        raise RuntimeFault(
            f"container {container.record.name} is paused",
            code="E343",
            hint="unpause it before `exec`",
        )
    if not container.is_running:
        raise not_running(container.record)
    record = frozen.replace(container.record, state=container.state)
    request = await project.machine.prepare_exec(record, options, exec_id=exec_id)
    return frozen.replace(
        request,
        exec_id=exec_id,
        container_id=container.id,
        pid=container.state.pid,
        start_time=container.state.start_time,
        tty=options.tty,
        columns=size[0],
        rows=size[1],
    )


async def _launch(
    project: Project, request: ExecRequest, stdio: Sequence[int]
) -> tuple[int, list[int]]:
    async with project.keeper.ask(request, () if request.tty else stdio) as conversation:
        message, descriptors = await conversation.reply()
    if isinstance(message, ExecForked):
        return message.pid, descriptors
    close_all(descriptors)
    if isinstance(message, ExecFailed):
        raise StartFailed(
            message.message,
            code={126: "E336", 127: "E337"}.get(message.exit_code, "E335"),
            # its arguments may be secret
            tried=f"execute {next(iter(request.process.get('args', ())), '')}",
            answered=message.answered,
            hint=message.hint,
            exit_code=message.exit_code,
        )
    raise RuntimeFault(f"the keeper answered {type(message).__name__}", code="E332")


def descendants(pid: int) -> list[int]:
    """Of the host's view, parents first; empty where the kernel does not list children."""
    found: list[int] = []
    for task in _listed(f"/proc/{pid}/task"):
        for child in _children(f"/proc/{pid}/task/{task}/children"):
            found += [child, *descendants(child)]
    return found


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _children(path: str) -> list[int]:
    try:
        with open(path, encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []
