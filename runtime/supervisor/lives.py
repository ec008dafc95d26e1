"""What lasts as long as a run of a container: its names and ports, its probes, the watch on its
memory.

One task per run with a task per line; the end of the run cancels it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from runtime import tasks
from runtime.supervisor import memory, probes
from runtime.supervisor.project import Project, report_exception
from runtime.supervisor.supervised import Supervised


def begin(project: Project, container: Supervised) -> None:
    """At its start, and when a new supervisor takes it over."""
    container.life = tasks.scope()
    container.lived = tasks.event()
    project.start_task(_live, project, container, container.life, container.lived)


async def end(container: Supervised) -> None:
    """Returns when none of its tasks uses its descriptors any more."""
    container.life.cancel()
    # forever: until they have ended, all of them cancelled; what they do in a thread has deadlines
    await container.lived.wait()


async def _live(
    project: Project, container: Supervised, scope: tasks.Scope, lived: tasks.Event
) -> None:
    try:
        with scope:
            async with tasks.group() as group:
                for work in (_serve, probes.probe, memory.watch):
                    group.start_soon(_apart, work, project, container)
    finally:
        lived.set()


async def _apart(
    work: Callable[[Project, Supervised], Awaitable[None]],
    project: Project,
    container: Supervised,
) -> None:
    """What goes wrong in one of them is lost; the others are not, nor is the container."""
    try:
        await work(project, container)
    except Exception:
        report_exception(f"{work.__module__}.{work.__name__} of {container.record.name}")


async def _serve(project: Project, container: Supervised) -> None:
    await project.machine.serve(container.record, container.descriptors)
