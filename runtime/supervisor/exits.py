"""The end of a run: last output, state, `die`, release; then what the restart policy says.

    keeper: Exited -> its tasks end -> its output is drained (D74) -> state and `die`
    -> release -> restart?

The keeper has written the exit down before it told us, so whatever interrupts this, the next
supervisor does it again from the record.
"""

from __future__ import annotations

import time

from runtime import tasks
from runtime.containers import restart
from runtime.errors import RuntimeFault
from runtime.messages import ProcessRecord, Release
from runtime.supervisor import lives, starts, stops
from runtime.supervisor.log_writer import report
from runtime.supervisor.project import Project
from runtime.supervisor.supervised import Supervised


async def container_ended(project: Project, record: ProcessRecord) -> None:
    """The keeper says so. Once per run: a repeated word is ignored."""
    container = project.containers.get(record.container_id)
    if container is None:
        return
    async with container.lock:
        if container.is_running and container.state.generation == record.generation:
            await settle(project, container, record)


async def settle(
    project: Project, container: Supervised, record: ProcessRecord, *, error: str = ""
) -> None:
    """Bring an ended run to its end, with `container.lock` held. `record` has an exit code."""
    await lives.end(container)
    if container.record.options.pid:
        # L63: in a pid namespace that is not its own, the others live on and hold its pipes open
        await project.machine.kill(container.record)
    await _drain(project, container)
    if record.oom_kills > container.oom_kills:
        container.oom_kills = record.oom_kills
        container.change(oom_killed=True)
        project.publish(container, "oom")
    # decided before it is told: whoever hears of a `die` hears whether it comes back
    pause = _pause_before_restart(project, container, record)
    _note_end(project, container, record, error, comes_back=pause is not None)
    await _release(project, container)
    if pause is not None and container.state.status == "restarting":
        restart_later(project, container, pause)
    container.ended.set()
    project.note_change()
    if container.record.options.auto_remove and container.state.status == "exited":
        project.start_task(_remove_by_itself, project, container)


async def _drain(project: Project, container: Supervised) -> None:
    if container.outputs():
        await project.logs.finish(container.id)
        names = tuple(container.outputs())
        await project.keeper.tell(Release(owner=container.id, names=names))
    container.close()


def _note_end(
    project: Project,
    container: Supervised,
    record: ProcessRecord,
    error: str,
    *,
    comes_back: bool,
) -> None:
    assert record.exit_code is not None
    finished_at = record.finished_at or time.time()
    duration = max(0, int(finished_at - container.state.started_at))
    container.change(
        status="restarting" if comes_back else "exited",
        restart_count=container.restart.count,
        exit_code=record.exit_code,
        finished_at=finished_at,
        error=error,
        pid=0,
        start_time=0,
        ports=(),
    )
    attributes = {"exitCode": str(record.exit_code), "execDuration": str(duration)}
    project.publish(container, "die", {**attributes, **({"cause": error} if error else {})})


async def _release(project: Project, container: Supervised) -> None:
    try:
        await project.machine.release(container.record, networks_go=container.networks_go)
    except RuntimeFault as fault:
        report(f"{container.record.name}: {fault.message}: {fault.answered}")
    except OSError as error:  # it has ended all the same
        report(f"{container.record.name}: something of it is left: {error}")


def _pause_before_restart(
    project: Project, container: Supervised, record: ProcessRecord
) -> float | None:
    """Seconds; None: its policy leaves it down."""
    assert record.exit_code is not None
    container.restart, instructions = restart.advance(
        container.record.options.restart,
        container.restart,
        restart.Ended(exit_code=record.exit_code),
        project.clock(),
    )
    pauses = (one.after for one in instructions if isinstance(one, restart.StartAgain))
    return next(pauses, None)


def restart_later(project: Project, container: Supervised, pause: float) -> None:
    """State `restarting` until then; a stop or a user's start cancels the wait."""
    container.change(status="restarting", restart_count=container.restart.count)
    project.write_state(container)
    container.waiting = tasks.scope()
    if not project.is_ending:
        project.start_task(_restart, project, container, container.waiting, pause)


async def _remove_by_itself(project: Project, container: Supervised) -> None:
    """`run --rm`, whose caller may be gone."""
    await stops.remove(project, container, force=True, volumes=True)


async def _restart(
    project: Project, container: Supervised, scope: tasks.Scope, pause: float
) -> None:
    with scope:
        await tasks.sleep(pause)
        while _joins_what_is_down(project, container):
            # forever: until that runs, or somebody stops this one
            await project.wait_for_change()
    if scope.cancel_called or container.state.status != "restarting":
        return
    try:
        await starts.start(project, container, starts.StartWish(by_policy=True))
    except RuntimeFault as fault:
        report(f"{container.record.name} is not restarted: {fault.message}: {fault.answered}")
        # whoever waits for it hears that it does not come back
        attributes = {"exitCode": str(container.state.exit_code), "cause": fault.message}
        project.publish(container, "die", attributes)


def _joins_what_is_down(project: Project, container: Supervised) -> bool:
    """It shares namespaces with a container that may be started yet: its own policy may do that, or
    the command that found both down."""
    others = map(project.containers.get, container.record.options.joined_containers)
    return any(other is not None and not other.is_running for other in others)
