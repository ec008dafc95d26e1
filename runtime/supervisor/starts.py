"""Starting a container: the machine prepares, the keeper forks, the machine attaches, the keeper
runs.

A failure at any point undoes what was done and leaves the container as it was, with the reason in
its state. The order and who does what stand in machine.py.
"""

from __future__ import annotations

import contextlib
import signal
import time
from typing import Any, TypeVar

from runtime import frozen, tasks
from runtime.containers import log_options, restart
from runtime.errors import RuntimeFault, StartFailed
from runtime.frozen import dataclass
from runtime.linux import faults
from runtime.messages import (
    MAX_DESCRIPTORS,
    Done,
    Failure,
    Forked,
    Hold,
    LaunchFailed,
    LaunchRequest,
    Release,
    Running,
)
from runtime.supervisor import lives
from runtime.supervisor.keeper_link import Conversation
from runtime.supervisor.log_writer import NoLog, open_sink, report
from runtime.supervisor.machine import PreparedLaunch
from runtime.supervisor.project import Project, no_such_container
from runtime.supervisor.supervised import Supervised
from runtime.supervisor.wire import close_all

T = TypeVar("T")

FOREGROUND = "foreground-pty"
"""Name of a held terminal that a caller reads himself."""
REAP_SECONDS = 5.0
DIED = "init"
"""The step of an init that said nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWish:
    """How this one run begins."""

    handed: tuple[int, ...] = ()
    """stdin, stdout, stderr of the caller; closed by whoever made this."""
    is_foreground: bool = False
    """The caller has the output: there is no log of this run."""
    columns: int = 0
    rows: int = 0
    by_policy: bool = False


async def start(project: Project, container: Supervised, wish: StartWish) -> None:
    """Returns when its program runs; one that runs already is left alone. Raises StartFailed,
    PortTaken, NotFound, RuntimeFault."""
    if not wish.by_policy:
        # a user's start does not wait for a policy's
        container.waiting.cancel()
    async with container.lock:
        if container.is_running or (wish.by_policy and container.state.status != "restarting"):
            return
        # while this waited for its turn it may have been stopped, or removed
        if project.containers.get(container.id) is not container:
            raise no_such_container(container.id)
        if project.is_ending:
            raise RuntimeFault("the project is being stopped", code="E334")
        await _start(project, container, wish)


async def _start(project: Project, container: Supervised, wish: StartWish) -> None:
    before = container.state
    generation = before.generation + 1
    try:
        prepared = await project.machine.prepare_launch(container.record, generation=generation)
        _check_keeper(project, container, prepared.request)
        request = _complete(project, container, prepared.request, wish)
        await _launch(project, container, frozen.replace(prepared, request=request), wish)
    except BaseException as error:
        # whoever cancels this must still find nothing half-made
        with tasks.scope(shield=True):
            await _undo(project, container, before, error)
        raise
    _began(project, container, wish)


def _check_keeper(project: Project, container: Supervised, request: LaunchRequest) -> None:
    """R41: an older keeper leaves out what it does not know, and this would show the host."""
    if request.root.laid and not project.keeper_lays_entries:
        raise StartFailed(
            f"{container.record.name}: the keeper of the project is of an older version",
            code="E350",
            tried="start a container of `image: host`",
            hint="`pycompose stop` and `pycompose start` give the project a new one",
            exit_code=125,
        )


def _complete(
    project: Project, container: Supervised, request: LaunchRequest, wish: StartWish
) -> LaunchRequest:
    """The part that depends on who starts it."""
    options = container.record.options
    stdio = "tty" if options.tty else "handed" if wish.is_foreground else "pipes"
    return frozen.replace(
        request,
        stdio=stdio,
        open_stdin=options.stdin_open,
        columns=wish.columns,
        rows=wish.rows,
        log_folder="" if wish.is_foreground else str(project.machine.log_folder(container.record)),
    )


async def _launch(
    project: Project, container: Supervised, prepared: PreparedLaunch, wish: StartWish
) -> None:
    container.descriptors.update(prepared.held)
    container.warnings = prepared.warnings
    for warning in prepared.warnings:
        report(f"{container.record.name}: {warning}")
    handed = wish.handed if prepared.request.stdio == "handed" else ()
    async with project.keeper.ask(prepared.request, handed) as conversation:
        forked, (container.pidfd,) = await _expect(conversation, Forked)
        try:
            await _configure(project, container, prepared, forked)
        except BaseException as error:
            told = None
            with tasks.move_on_after(REAP_SECONDS, shield=True):
                _kill(container.pidfd)
                told, descriptors = await conversation.reply()
                close_all(descriptors)
            if isinstance(error, RuntimeFault) and _has_reason(told):
                # it had ended by itself: what it said of that tells more than what we met then
                raise _failure(told) from error
            raise
        # forever: until it runs or is dead; a mount may wait for its server, and stops.py kills it
        running, descriptors = await _expect(conversation, Running)
    container.descriptors.update(zip(running.descriptors, descriptors, strict=True))
    if wish.is_foreground:
        await _mark_foreground(project, container)


async def _configure(
    project: Project, container: Supervised, prepared: PreparedLaunch, forked: Forked
) -> None:
    assert container.pidfd is not None
    attached = await project.machine.attach(
        container.record, prepared, forked=forked, pidfd=container.pidfd
    )
    # Intention: a supervisor that takes over finds ports and addresses of what then runs.
    container.change(
        generation=prepared.request.generation,
        pid=forked.pid,
        start_time=forked.start_time,
        ports=attached.ports,
        endpoints=attached.endpoints,
    )
    project.write_intention(container)
    await _hold(project, container, prepared)
    await project.keeper.tell(attached.configure)


async def _mark_foreground(project: Project, container: Supervised) -> None:
    """Its terminal is the caller's to read: the next supervisor must not take it for a log's."""
    if (terminal := container.descriptors.pop("pty", None)) is not None:
        container.descriptors[FOREGROUND] = terminal
        await project.keeper.tell(Release(owner=container.id, names=("pty",)))
        await project.keeper.tell(Hold(owner=container.id, names=(FOREGROUND,)), (terminal,))


async def _hold(project: Project, container: Supervised, prepared: PreparedLaunch) -> None:
    names = tuple(prepared.held)
    for begin in range(0, len(names), MAX_DESCRIPTORS):
        batch = names[begin : begin + MAX_DESCRIPTORS]
        descriptors = tuple(prepared.held[name] for name in batch)
        await project.keeper.request(Hold(owner=container.id, names=batch), Done, descriptors)


async def _expect(conversation: Conversation, kind: type[T]) -> tuple[T, list[int]]:
    message, descriptors = await conversation.reply()
    if isinstance(message, kind):
        return message, descriptors
    close_all(descriptors)
    raise _failure(message)


def _has_reason(message: Any) -> bool:
    """Whether an init said why it ended, or the kernel did."""
    return isinstance(message, LaunchFailed) and (message.step != DIED or message.oom_killed)


def _failure(message: Any) -> RuntimeFault:
    if isinstance(message, LaunchFailed):
        hint = "raise its memory limit: the kernel killed its init for want of memory"
        return StartFailed(
            message.message,
            code=_code(message.exit_code),
            tried=message.step,
            answered=message.answered,
            hint=hint if message.oom_killed else message.hint,
            exit_code=message.exit_code,
        )
    if isinstance(message, Failure):
        return RuntimeFault(message.message, code=message.code)
    return RuntimeFault(f"the keeper answered {type(message).__name__}", code="E332")


def _code(exit_code: int) -> str:
    return {126: "E336", 127: "E337"}.get(exit_code, "E335")


async def _undo(project: Project, container: Supervised, before: Any, error: BaseException) -> None:
    """Back to what it was, with the reason. D60: a start that fails is not tried again."""
    exit_code = error.exit_code if isinstance(error, StartFailed) else before.exit_code
    container.close()
    await project.keeper.tell(Release(owner=container.id))
    await project.machine.release(container.record)
    container.state = frozen.replace(
        before,
        status="created" if before.status == "created" else "exited",
        generation=container.state.generation,
        pid=0,
        start_time=0,
        ports=(),
        exit_code=exit_code,
        error=_first_line(error),
    )
    project.write_state(container)


def _kill(pidfd: int) -> None:
    """An init that waits for what will never come."""
    with contextlib.suppress(ProcessLookupError):
        with faults.point("kill init"):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _first_line(error: BaseException) -> str:
    if isinstance(error, RuntimeFault):
        return f"{error.message}: {error.answered}" if error.answered else error.message
    return str(error) or type(error).__name__


def _began(project: Project, container: Supervised, wish: StartWish) -> None:
    """It runs: write it down, say it, and begin what lasts as long as it does."""
    container.restart, _ = restart.advance(
        container.record.options.restart,
        container.restart,
        restart.Started(by_policy=wish.by_policy),
        project.clock(),
    )
    container.is_handed = wish.is_foreground
    # a `down` that was to remove them did not come to it
    container.networks_go = False
    container.ended = tasks.event()
    container.change(
        status="running",
        started_at=time.time(),
        finished_at=0.0,
        exit_code=0,
        error="",
        oom_killed=False,
        restart_count=container.restart.count,
        health="",
        probes=(),
        failing_streak=0,
    )
    project.machine.set_desired(container.id, "running")
    begin_log(project, container, new_run=True)
    lives.begin(project, container)
    project.publish(container, "start")


def begin_log(project: Project, container: Supervised, *, new_run: bool) -> None:
    """Output goes to the log from here on. A disk that refuses costs the log, not the container."""
    outputs = container.outputs()
    if not outputs or container.is_handed:
        return
    folder = project.machine.log_folder(container.record)
    try:
        settings = log_options.settle(container.record)
        sink = open_sink(folder, container.id, settings)
        project.logs.begin(container.id, sink, outputs, new_run=new_run)
    except (OSError, RuntimeFault) as error:
        report(f"{container.record.name}: its output is dropped: {error}")
        project.logs.begin(container.id, NoLog(), outputs, new_run=new_run)
