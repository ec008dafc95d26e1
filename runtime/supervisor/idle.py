"""When nothing is left to do, both processes end; a client that comes at the same moment is served.

The keeper decides, for it alone can see whether somebody queues (EndIfIdle).
"""

from __future__ import annotations

from runtime import tasks
from runtime.errors import RuntimeFault
from runtime.messages import Done, EndIfIdle
from runtime.supervisor.project import Project

FIRST_CLIENT = 10.0
"""Whoever had us started is still reading files."""
BETWEEN_COMMANDS = 1.0
"""A command may ask several things, each on a connection of its own."""


async def wait_for_idle(project: Project) -> None:
    """Returns when the keeper has granted the end."""
    while True:
        await _settle_down(project)
        # Whoever comes from here on stays in the queue, where the keeper sees him. Accepted, he
        # would be invisible to it, and lost with us.
        project.may_accept = tasks.event()
        try:
            await project.keeper.request(EndIfIdle(), Done)
        except RuntimeFault:
            # Somebody queues: he is served, and then it is asked again. A process that the keeper
            # has yet to reap is no change here, hence the limit.
            project.may_accept.set()
            with tasks.move_on_after(BETWEEN_COMMANDS):
                await project.wait_for_change()
        else:
            return


async def _settle_down(project: Project) -> None:
    """Returns after a pause in which nothing happened; none when nothing of the project exists."""
    while True:
        while not is_idle(project):
            await project.wait_for_change()
        with tasks.move_on_after(patience(project)) as pause:
            await project.wait_for_change()
        if pause.cancelled_caught and is_idle(project):
            return


def is_idle(project: Project) -> bool:
    return not (
        project.connections
        or project.requests
        or project.leases
        or len(project.executions)
        or any(not container.is_idle for container in project.containers.values())
    )


def patience(project: Project) -> float:
    """Seconds without anything to do before the end."""
    if not project.had_clients:
        return FIRST_CLIENT
    return BETWEEN_COMMANDS if project.machine.containers() else 0.0
