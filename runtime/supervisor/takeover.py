"""What a supervisor does first: find out what runs, and go on with it (R10); and what it does last
when its keeper died (R11).

Truth order (R02): what the keeper holds, then the records it wrote, then the state that the last
supervisor wrote. Containers are not touched; what could not be saved is said.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping

from runtime import tasks
from runtime.containers import restart
from runtime.errors import Unreachable
from runtime.frozen import dataclass
from runtime.messages import Held, ProcessRecord, Release, Roster, TakeBack
from runtime.state import run_states
from runtime.supervisor import exits, leases, lives, starts, stops
from runtime.supervisor.keeper_link import lost_keeper
from runtime.supervisor.log_writer import report
from runtime.supervisor.project import Project
from runtime.supervisor.starts import FOREGROUND
from runtime.supervisor.supervised import Supervised
from runtime.values import ContainerRecord

LOST = "lost keeper"
UNSEEN = "the machine went down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the keeper gave back."""

    descriptors: Mapping[str, Mapping[str, int]]
    """owner -> name -> descriptor."""
    processes: Mapping[str, ProcessRecord]
    """By container."""
    lays_entries: bool = False


async def take_over(project: Project) -> None:
    """Before the first client is answered. Raises Unreachable when the keeper is lost."""
    kept = await _take_back(project)
    project.keeper_lays_entries = kept.lays_entries
    leases.resume(project, kept.descriptors.get(leases.OWNER, {}))
    records = project.machine.containers()
    # before anything is taken over: a restart may begin at once, and would be taken for a stray
    await project.machine.remove_strays(_still_open(records, kept))
    try:
        async with tasks.group() as group:
            for record in records:
                group.start_soon(_take_one, project, record, kept)
    except BaseExceptionGroup as group:
        # R11: it may die at this moment, too
        if group.subgroup(Unreachable) is not None:
            raise lost_keeper() from group
        raise
    await _let_go_of_strangers(project, kept)


def _still_open(records: Iterable[ContainerRecord], kept: Kept) -> set[str]:
    """Those whose run goes on, or whose end is yet to be settled."""
    alive = {one.container_id for one in kept.processes.values() if one.exit_code is None}
    return alive | {one.id for one in records if one.is_running or one.state.pid}


async def _take_back(project: Project) -> Kept:
    descriptors: dict[str, dict[str, int]] = {}
    async with project.keeper.ask(TakeBack()) as conversation:
        while True:
            message, received = await conversation.reply()
            if isinstance(message, Roster):
                return Kept(
                    descriptors=descriptors,
                    processes={one.container_id: one for one in message.processes},
                    lays_entries=message.lays_entries,
                )
            assert isinstance(message, Held)
            names = zip(message.names, received, strict=True)
            descriptors.setdefault(message.owner, {}).update(names)


async def _take_one(project: Project, record: ContainerRecord, kept: Kept) -> None:
    container = project.supervise(record)
    process = kept.processes.get(record.id)
    async with container.lock:
        container.descriptors = dict(kept.descriptors.get(record.id, {}))
        if process is not None and process.generation == container.state.generation:
            await _go_on(project, container, process)
        else:
            await _go_on_without_process(project, container)


async def _go_on(project: Project, container: Supervised, process: ProcessRecord) -> None:
    """It runs, or it ended while nobody was there to hear."""
    was_noted = container.is_running
    container.is_handed = FOREGROUND in container.descriptors
    container.ended = tasks.event()
    if not was_noted:
        if container.state.finished_at >= process.started_at > 0:
            # its end is written down; only its output was still held
            await _drop_output(project, container)
            return
        container.change(
            status="running",
            pid=process.pid,
            start_time=process.start_time,
            started_at=process.started_at,
            error="",
        )
    if container.state.status == "paused":
        container.thawed = tasks.event()
    starts.begin_log(project, container, new_run=not was_noted)
    if process.exit_code is not None:
        await exits.settle(project, container, process)
        return
    with contextlib.suppress(ProcessLookupError):
        # ended and reaped since the roster was written: its end is on the way to us
        container.pidfd = os.pidfd_open(process.pid)
    lives.begin(project, container)
    if not was_noted:
        project.publish(container, "start")


async def _drop_output(project: Project, container: Supervised) -> None:
    starts.begin_log(project, container, new_run=False)
    if container.outputs():
        await project.logs.finish(container.id)
    await project.keeper.tell(Release(owner=container.id))
    container.close()
    container.ended.set()
    if container.state.status == "restarting":
        _restart_as_decided(project, container)


def _restart_as_decided(project: Project, container: Supervised) -> None:
    """It has been counted already."""
    policy = container.record.options.restart
    exits.restart_later(project, container, restart.pause_after_takeover(policy))


async def _go_on_without_process(project: Project, container: Supervised) -> None:
    rebooted = _is_from_before_reboot(project, container)
    if rebooted:
        # `boot` follows the policies then; any other command leaves what is down
        container.restart, _ = restart.advance(
            container.record.options.restart, container.restart, restart.StopAsked(), 0.0
        )
    if container.descriptors:
        await _drop_output(project, container)
    elif container.is_running:
        await _settle_lost(project, container, rebooted=rebooted)
    elif container.state.status == "restarting":
        if rebooted:
            stops.cancel_restart(project, container)
        else:
            _restart_as_decided(project, container)
    elif container.state.pid:
        # its start was under way when supervisor or keeper died: nothing half-made stays
        await project.machine.release(container.record)
        container.change(pid=0, start_time=0, ports=())
        project.write_state(container)


async def _settle_lost(project: Project, container: Supervised, *, rebooted: bool = False) -> None:
    """Its keeper is gone: its record tells the end, or what is left is killed."""
    container.ended = tasks.event()
    record = _record(project, container)
    if record is not None and record.exit_code is not None:
        await exits.settle(project, container, record)
        return
    await project.machine.kill(container.record)
    ended = _lost(container, run_states.UNKNOWN_EXIT if rebooted else run_states.LOST_EXIT)
    await exits.settle(project, container, ended, error=UNSEEN if rebooted else LOST)


def _is_from_before_reboot(project: Project, container: Supervised) -> bool:
    record = _record(project, container)
    return record is not None and record.boot_id != run_states.boot_id()


def _record(project: Project, container: Supervised) -> ProcessRecord | None:
    return run_states.read_process(project.paths, container.id, container.state.generation)


def _lost(container: Supervised, exit_code: int) -> ProcessRecord:
    state = container.state
    return ProcessRecord(
        container_id=container.id,
        generation=state.generation,
        pid=state.pid,
        start_time=state.start_time,
        started_at=state.started_at,
        exit_code=exit_code,
    )


async def _let_go_of_strangers(project: Project, kept: Kept) -> None:
    """Containers that were removed while their last output was still held."""
    for owner, descriptors in kept.descriptors.items():
        if owner not in project.containers and owner != leases.OWNER:
            await project.keeper.tell(Release(owner=owner))
            for descriptor in descriptors.values():
                os.close(descriptor)


async def after_lost_keeper(project: Project) -> bool:
    """R11: its children fell to PID 1 and their exit codes are lost, so nothing of them may go on.

    True when something is to be started again, which the next keeper's supervisor does.
    """
    report("the keeper was lost: its containers are killed, and restarted as their policies say")
    project.is_ending = True
    project.executions.lost()
    async with tasks.group() as group:
        for record in project.machine.containers():
            container = project.supervise(record)
            if container.is_running:
                group.start_soon(_lose, project, container)
    return any(one.state.status == "restarting" for one in project.containers.values())


async def _lose(project: Project, container: Supervised) -> None:
    async with container.lock:
        if not container.is_running:
            return
        await _settle_lost(project, container)
