"""What lasts as long as a run of a container: its names and ports, its probes, the watch on its
memory.

One task per run with a task per line; the end of the run cancels it.
"""

from __future__ import annotations

import anyio

from runtime.supervisor import memory, probes
from runtime.supervisor.project import Project, report_exception
from runtime.supervisor.supervised import Supervised


def begin(project: Project, container: Supervised) -> None:
    """At its start, and when a new supervisor takes it over."""
    container.life = anyio.CancelScope()
    container.lived = anyio.Event()
    project.start_task(_live, project, container, container.life, container.lived)


async def end(container: Supervised) -> None:
    """Returns when none of its tasks uses its descriptors any more."""
    container.life.cancel()
    await container.lived.wait()


async def _live(
    project: Project, container: Supervised, scope: anyio.CancelScope, lived: anyio.Event
) -> None:
    try:
        with scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_serve, project, container)
                tasks.start_soon(probes.probe, project, container)
                tasks.start_soon(memory.watch, project, container)
    finally:
        lived.set()


async def _serve(project: Project, container: Supervised) -> None:
    try:
        await project.machine.serve(container.record, container.descriptors)
    except Exception:
        # names and forwarded ports are lost, the container is not
        report_exception(f"serving {container.record.name}")
