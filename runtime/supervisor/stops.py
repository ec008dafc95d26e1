"""Ending a container: ask, wait, kill; and the lesser words, a signal, pause and resume.

Source: L60, L61, R21, R22.
"""

from __future__ import annotations

import contextlib
import math
import signal

from runtime import tasks
from runtime.containers import restart
from runtime.errors import InUse, RuntimeFault
from runtime.linux import faults
from runtime.linux.signals import parse_signal
from runtime.supervisor.project import Project
from runtime.supervisor.supervised import Supervised
from runtime.values import COMES_BACK, ContainerRecord

GRACE = 10.0
AFTER_FAILED_SIGNAL = 2.0
AFTER_KILL = 10.0
AFTER_CGROUP_KILL = 2.0
START_SECONDS = 30.0
"""How long a stop waits for a start that is under way."""


async def stop(
    project: Project,
    container: Supervised,
    *,
    grace: float | None,
    by_hand: bool = True,
    comes_back: bool = False,
    networks_go: bool = False,
) -> None:
    """Returns when it has ended and everything of it is released. Raises RuntimeFault when it
    cannot be killed."""
    _mark_stopped(project, container, by_hand=by_hand)
    await _end_of_start(container)
    async with container.lock:
        if not container.restart.is_stopped:
            # a start that was under way has begun its count anew
            _mark_stopped(project, container, by_hand=by_hand)
        if not await _is_to_stop(project, container):
            return
    container.networks_go = networks_go
    if comes_back:
        project.publish(container, COMES_BACK)
    number = stop_signal(container.record)
    wait = _grace(container.record) if grace is None else grace
    if wait == 0:
        number = signal.SIGKILL
    if not await _signal_and_wait(project, container, number, wait):
        await _kill(project, container)
    project.publish(container, "stop")


async def _end_of_start(container: Supervised) -> None:
    """A start that is under way comes to its end first; one that does not (a mount whose server is
    silent) is given up, by the death of its init."""
    with tasks.move_on_after(START_SECONDS):
        async with container.lock:
            return
    if container.pidfd is not None and not container.is_running:
        with contextlib.suppress(ProcessLookupError), faults.point("kill init"):
            signal.pidfd_send_signal(container.pidfd, signal.SIGKILL)


async def _is_to_stop(project: Project, container: Supervised) -> bool:
    if container.state.status == "restarting":
        _stay_down(project, container)
        return False
    return container.is_running


def cancel_restart(project: Project, container: Supervised) -> None:
    container.waiting.cancel()
    container.change(status="exited")
    project.write_state(container)


def _stay_down(project: Project, container: Supervised) -> None:
    cancel_restart(project, container)
    # whoever waits for it to run again hears that it will not
    project.publish(container, "stop")


async def _signal_and_wait(
    project: Project, container: Supervised, number: int, wait: float
) -> bool:
    sent = await send_signal(project, container, number)
    seconds = wait if sent else min(wait, AFTER_FAILED_SIGNAL)
    if number == signal.SIGKILL:
        seconds = AFTER_KILL
        if container.networks_go:
            await project.machine.leave_networks(container.record)
    with tasks.move_on_after(math.inf if seconds < 0 else seconds):
        await container.ended.wait()
    return container.ended.is_set()


async def _kill(project: Project, container: Supervised) -> None:
    if await _signal_and_wait(project, container, signal.SIGKILL, AFTER_KILL):
        return
    with tasks.move_on_after(AFTER_CGROUP_KILL):
        await project.machine.kill(container.record)
        await container.ended.wait()
    if not container.ended.is_set():
        raise RuntimeFault(
            f"{container.record.name} cannot be killed",
            code="E338",
            tried=f"SIGKILL to process {container.state.pid}",
            answered="it is still there (it waits in the kernel, as `ps` shows by a D)",
            hint="try again when the disk or network file system that it waits for answers",
        )


def _mark_stopped(project: Project, container: Supervised, *, by_hand: bool) -> None:
    container.restart, _ = restart.advance(
        container.record.options.restart, container.restart, restart.StopAsked(), project.clock()
    )
    if by_hand:
        project.machine.set_desired(container.id, "stopped")


async def send_signal(project: Project, container: Supervised, number: int) -> bool:
    """To init; False when it is gone. A paused container gets it and is thawed (L61)."""
    if container.pidfd is None:
        return False
    try:
        with faults.point("signal container"):
            signal.pidfd_send_signal(container.pidfd, number)
    except ProcessLookupError:
        return False
    project.publish(container, "kill", {"signal": str(int(number))})
    if container.state.status == "paused":
        try:
            await unpause(project, container)
        except (RuntimeFault, OSError):
            # v2 kills what is frozen: there may be nothing left to thaw
            if container.is_running:
                raise
    return True


async def kill(project: Project, container: Supervised, name: str) -> None:
    """One signal. SIGKILL and the stop signal mean that it is to stay down (D60). Raises
    RuntimeFault."""
    number = signal_number(name)
    if number in (signal.SIGKILL, stop_signal(container.record)):
        _mark_stopped(project, container, by_hand=True)
        if container.state.status == "restarting":
            _stay_down(project, container)
            return
    if not container.is_running:
        raise not_running(container.record)
    await send_signal(project, container, number)


async def pause(project: Project, container: Supervised) -> None:
    """Raises RuntimeFault."""
    async with container.lock:
        if container.state.status == "paused":
            raise RuntimeFault(f"container {container.record.name} is already paused", code="E339")
        if not container.is_running:
            raise not_running(container.record)
        await project.machine.freeze(container.record)
        container.thawed = tasks.event()
        container.change(status="paused")
        project.publish(container, "pause")


async def unpause(project: Project, container: Supervised) -> None:
    """Raises RuntimeFault."""
    if container.state.status != "paused":
        raise RuntimeFault(f"container {container.record.name} is not paused", code="E339")
    await project.machine.thaw(container.record)
    if container.state.status == "paused":
        container.change(status="running")
        container.thawed.set()
        project.publish(container, "unpause")


async def remove(project: Project, container: Supervised, *, force: bool, volumes: bool) -> None:
    """Raises InUse when it runs and `force` is not given."""
    if not container.is_running:
        # `die` was told, and whoever heard it may be faster than the release
        await _end_of_start(container)
    if not container.is_idle:
        if not force:
            raise InUse(
                f"container {container.record.name} is {container.state.status}",
                code="E319",
                tried=f"remove {container.record.name}",
                answered=f"it is {container.state.status}",
                hint="stop it first, or force the removal",
            )
        await stop(project, container, grace=0)
    async with container.lock:
        if container.id not in project.containers:
            return  # somebody was faster
        await project.machine.remove_container(container.record, volumes=volumes)
        project.containers.pop(container.id, None)
        container.change(status="removing")
        project.bulletin.publish(container.record, "destroy", container.state)
        project.note_change()


async def stop_all(project: Project, *, grace: float | None, by_hand: bool) -> None:
    """Every container, at once."""
    async with tasks.group() as group:
        for container in tuple(project.containers.values()):
            group.start_soon(_stop_one, project, container, grace, by_hand)


async def _stop_one(
    project: Project, container: Supervised, grace: float | None, by_hand: bool
) -> None:
    with contextlib.suppress(RuntimeFault):
        await stop(project, container, grace=grace, by_hand=by_hand)


def stop_signal(record: ContainerRecord) -> int:
    """Its own, the image's, SIGTERM; this too where an image says what is no signal."""
    try:
        return parse_signal(record.options.stop_signal or record.image.stop_signal or "SIGTERM")
    except ValueError:
        return signal.SIGTERM


def signal_number(name: str) -> int:
    """Raises RuntimeFault."""
    try:
        return parse_signal(name)
    except ValueError:
        fault = RuntimeFault(f"invalid signal: {name}", code="E341", hint="`kill -l` lists them")
    raise fault


def _grace(record: ContainerRecord) -> float:
    given = record.options.stop_grace_period
    return GRACE if given is None else given


def not_running(record: ContainerRecord) -> RuntimeFault:
    return RuntimeFault(f"container {record.name} is not running", code="E342")
