"""The requests of clients: a task per connection, a task per request, and HANDLERS, which says what
is done with each. Read HANDLERS first.

A request goes on when its client is gone (a container half stopped helps nobody), but for those
that exist for the client alone: watching, and a process that runs in his foreground.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from runtime import tasks
from runtime.errors import RuntimeFault
from runtime.messages import (
    AttachContainer,
    Attached,
    ContainerStarted,
    ContainerStopped,
    Done,
    ExecEnded,
    ExecInContainer,
    ExecStarted,
    Failure,
    Happened,
    Hello,
    KillContainer,
    PauseContainer,
    ProtocolError,
    RemoveContainer,
    RemoveNetwork,
    StartContainer,
    StopContainer,
    TakeLease,
    UnpauseContainer,
    WatchEvents,
    Welcome,
)
from runtime.supervisor import execs, leases, starts, stops
from runtime.supervisor.keeper_link import lost_keeper
from runtime.supervisor.mailbox import Mailbox, NoMore
from runtime.supervisor.project import Project, report_exception
from runtime.supervisor.starts import FOREGROUND, StartWish
from runtime.supervisor.wire import Wire, close_all

HELLO_SECONDS = 10.0
PAUSE_WHEN_FULL = 0.2
GONE = (EOFError, OSError, ProtocolError, tasks.Closed)


class Call:
    """One request: who asked, what came along, and how to answer."""

    def __init__(
        self, project: Project, wire: Wire, request_id: int, descriptors: list[int]
    ) -> None:
        self.project = project
        self.descriptors = descriptors
        """Closed when the request is done."""
        self.gone = tasks.event()
        """The client is."""
        self._wire = wire
        self._request_id = request_id

    async def reply(self, message: Any, descriptors: Sequence[int] = ()) -> None:
        """A client that is gone hears nothing."""
        self.project.bulletin.write()
        try:
            await self._wire.send(message, self._request_id, descriptors)
        except GONE:
            self.gone.set()


async def serve(project: Project, listener: socket.socket) -> None:
    """Accept until the listener is closed."""
    while listener.fileno() >= 0:
        try:
            # forever: until the project is down
            await tasks.wait_readable(listener)
            if not project.may_accept.is_set():
                # until the keeper refuses our end; if it grants it, this task is cancelled
                await project.may_accept.wait()
                continue
            connection, _address = listener.accept()
        except BlockingIOError:
            continue
        except tasks.Closed:
            return
        except OSError as error:
            if error.errno == errno.EBADF:
                continue  # closed in the same turn in which somebody came
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            # R16: clients wait in the queue until descriptors are free again
            await tasks.sleep(PAUSE_WHEN_FULL)
            continue
        # before anything else may run: idle.py must know of it
        project.connections += 1
        project.start_task(_converse, project, Wire(connection))


async def _converse(project: Project, wire: Wire) -> None:
    calls: set[Call] = set()
    try:
        with tasks.fail_after(HELLO_SECONDS):
            hello, request_id, descriptors = await wire.receive()
        close_all(descriptors)
        if not isinstance(hello, Hello):
            return
        project.had_clients = True
        await wire.send(Welcome(supervisor_pid=os.getpid(), keeper_pid=os.getppid()), request_id)
        while True:
            # forever: until the client closes
            message, request_id, descriptors = await wire.receive()
            call = Call(project, wire, request_id, descriptors)
            calls.add(call)
            project.requests += 1
            project.start_task(_answer, message, call, calls)
    except (*GONE, TimeoutError):
        return
    finally:
        for call in calls:
            call.gone.set()
        wire.close()
        project.connections -= 1
        project.note_change()


async def _answer(message: Any, call: Call, calls: set[Call]) -> None:
    handler = HANDLERS.get(type(message))
    try:
        if handler is None:
            raise RuntimeFault(f"unknown request: {type(message).__name__}", code="E344")
        await handler(message, call)
    except RuntimeFault as fault:
        await call.reply(as_failure(fault))
    except Exception as error:
        report_exception(f"answering {type(message).__name__}")
        await call.reply(
            Failure(
                message=f"{type(message).__name__} failed in the supervisor",
                code="E345",
                answered=f"{type(error).__name__}: {error}",
                hint="this is a defect of pycompose; its engine log says where",
            )
        )
    finally:
        close_all(call.descriptors)
        calls.discard(call)
        call.project.requests -= 1
        call.project.note_change()


def as_failure(fault: RuntimeFault) -> Failure:
    return Failure(
        message=fault.message,
        kind=type(fault).__name__,
        code=fault.code,
        tried=fault.tried,
        answered=fault.answered,
        hint=fault.hint,
        exit_code=fault.exit_code,
    )


# --- one function per request


async def _start(request: StartContainer, call: Call) -> None:
    container = call.project.find(request.container_id)
    wish = StartWish(
        handed=tuple(call.descriptors),
        is_foreground=request.handed_stdio,
        columns=request.columns,
        rows=request.rows,
    )
    await starts.start(call.project, container, wish)
    terminal = container.descriptors.get(FOREGROUND) if request.handed_stdio else None
    descriptors = [] if terminal is None else [terminal]
    started = ContainerStarted(state=container.state, warnings=container.warnings)
    await call.reply(started, descriptors)


async def _stop(request: StopContainer, call: Call) -> None:
    container = call.project.find(request.container_id)
    await stops.stop(
        call.project,
        container,
        grace=request.grace,
        by_hand=request.by_hand,
        comes_back=request.comes_back,
        networks_go=request.networks_go,
    )
    await call.reply(ContainerStopped(state=container.state))


async def _kill(request: KillContainer, call: Call) -> None:
    container = call.project.find(request.container_id)
    await stops.kill(call.project, container, request.signal)
    await call.reply(Done())


async def _pause(request: PauseContainer, call: Call) -> None:
    await stops.pause(call.project, call.project.find(request.container_id))
    await call.reply(Done())


async def _unpause(request: UnpauseContainer, call: Call) -> None:
    await stops.unpause(call.project, call.project.find(request.container_id))
    await call.reply(Done())


async def _remove(request: RemoveContainer, call: Call) -> None:
    # one that is just removing itself has no row to be found by: it is waited for
    removing = call.project.containers.get(request.container_id)
    container = removing or call.project.find(request.container_id)
    await stops.remove(call.project, container, force=request.force, volumes=request.volumes)
    await call.reply(Done())


async def _remove_network(request: RemoveNetwork, call: Call) -> None:
    await call.project.machine.remove_network(request.network_id)
    await call.reply(Done())


async def _exec(request: ExecInContainer, call: Call) -> None:
    container = call.project.find(request.container_id)
    size = (request.columns, request.rows)
    # Docker writes the whole command line; ours may hold a secret, and events are kept
    program = request.options.command[0] if request.options.command else ""
    project = call.project
    project.bulletin.publish(container.record, f"exec_create: {program}", container.state)
    stdio = call.descriptors or _nothing(call)
    async with execs.execute(
        project, container, request.options, stdio=stdio, size=size
    ) as execution:
        project.bulletin.publish(container.record, f"exec_start: {program}", container.state)
        # the process has its own copies; the caller waits for the end of his pipes
        close_all(call.descriptors)
        call.descriptors.clear()
        started = ExecStarted(exec_id=execution.exec_id, pid=execution.pid)
        await call.reply(started, [] if execution.pty is None else [execution.pty])
        exit_code = await _foreground(execution, call, detached=request.options.detach)
        if project.executions.are_lost:
            raise lost_keeper(exit_code=exit_code)
        project.bulletin.publish(
            container.record,
            "exec_die",
            container.state,
            {"execID": execution.exec_id, "exitCode": str(exit_code)},
        )
        await call.reply(ExecEnded(exec_id=execution.exec_id, exit_code=exit_code))


def _nothing(call: Call) -> list[int]:
    """A detached process reads nothing, and nobody reads it."""
    call.descriptors += [os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC) for _ in range(3)]
    return call.descriptors


async def _foreground(execution: execs.Execution, call: Call, *, detached: bool) -> int:
    """Its exit code. E07: it ends with its client unless it is detached."""
    async with tasks.group() as group:
        if not detached:
            group.start_soon(_kill_when_gone, execution, call)
        exit_code = await execution.wait()
        group.cancel()
    return exit_code


async def _kill_when_gone(execution: execs.Execution, call: Call) -> None:
    # forever: until the process ends
    await call.gone.wait()
    execution.kill()


async def _attach(request: AttachContainer, call: Call) -> None:
    container = call.project.find(request.container_id)
    if not container.is_running:
        raise stops.not_running(container.record)
    open_ones = container.descriptors
    terminal = open_ones.get("pty", open_ones.get(FOREGROUND))
    writing = terminal if terminal is not None else open_ones.get("stdin")
    if writing is None:
        writing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        call.descriptors.append(writing)
    await call.reply(Attached(tty=terminal is not None), [writing])
    call.project.bulletin.publish(container.record, "attach", container.state)


async def _watch(request: WatchEvents, call: Call) -> None:
    happenings = call.project.bulletin.watch()
    try:
        await call.reply(Done())
        async with tasks.group() as group:
            group.start_soon(_tell_all, call, happenings, group)
            # forever: until the client is gone
            await call.gone.wait()
            group.cancel()
    finally:
        happenings.close()


async def _tell_all(call: Call, happenings: Mailbox[Happened], group: tasks.Group) -> None:
    with contextlib.suppress(NoMore):
        while True:
            # forever: until something happens
            await call.reply(await happenings.take())
    await call.reply(Failure(message="more events came than were read", code="E349"))
    group.cancel()


async def _take_lease(request: TakeLease, call: Call) -> None:
    await leases.take(call.project, call.descriptors, volumes=request.volumes)
    await call.reply(Done())


HANDLERS: Mapping[type, Callable[[Any, Call], Awaitable[None]]] = {
    StartContainer: _start,
    StopContainer: _stop,
    KillContainer: _kill,
    PauseContainer: _pause,
    UnpauseContainer: _unpause,
    RemoveContainer: _remove,
    RemoveNetwork: _remove_network,
    ExecInContainer: _exec,
    AttachContainer: _attach,
    WatchEvents: _watch,
    TakeLease: _take_lease,
}
