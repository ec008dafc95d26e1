"""A project that ends with its owner (a test run): at his end it is removed by what the database
knows.

The owner's pidfd is held by the keeper, so that a lease outlives the supervisor.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence

from runtime import tasks
from runtime.errors import RuntimeFault
from runtime.linux import sockets
from runtime.messages import Done, Hello, Hold, TakeLease
from runtime.paths import ProjectPaths
from runtime.supervisor import stops
from runtime.supervisor.log_writer import report
from runtime.supervisor.project import Project
from runtime.supervisor.supervised import Supervised
from runtime.supervisor.wire import Wire

OWNER = "project"
"""Of descriptors that belong to no container."""
PREFIX = "lease"


async def take(project: Project, descriptors: Sequence[int], *, volumes: bool) -> None:
    """From now on. `descriptors` is one pidfd, which stays the caller's. Raises RuntimeFault."""
    if len(descriptors) != 1:
        raise RuntimeFault("a lease needs the owner's pidfd", code="E346")
    pidfd = os.dup(descriptors[0])
    name = _new_name(project, volumes=volumes)
    try:
        await project.keeper.request(Hold(owner=OWNER, names=(name,)), Done, (pidfd,))
    except BaseException:
        os.close(pidfd)
        raise
    _begin(project, name, pidfd)


def resume(project: Project, held: Mapping[str, int]) -> None:
    """Those of the last supervisor, as its keeper gives them back."""
    for name, pidfd in held.items():
        if name.startswith(PREFIX):
            _begin(project, name, pidfd)


def _new_name(project: Project, *, volumes: bool) -> str:
    names = (f"{PREFIX}-{number}-{'volumes' * volumes}" for number in itertools.count(1))
    return next(name for name in names if name not in project.leases)


def _begin(project: Project, name: str, pidfd: int) -> None:
    project.leases[name] = pidfd
    project.start_task(_end_with_owner, project, name, pidfd)


async def _end_with_owner(project: Project, name: str, pidfd: int) -> None:
    # forever: until the owner ends
    await tasks.wait_readable(pidfd)
    report("the owner of this project ended: it is removed")
    await remove_everything(project, volumes=name.endswith("volumes"))
    del project.leases[name]
    os.close(pidfd)
    project.note_change()


async def remove_everything(project: Project, *, volumes: bool) -> None:
    """Containers all at once, then networks, volumes and the row."""
    project.is_ending = True
    async with tasks.group() as group:
        for record in project.machine.containers():
            group.start_soon(_remove, project, project.find(record.id))
    await project.machine.remove_project(volumes=volumes)


async def hand_over(project: Project, paths: ProjectPaths) -> None:
    """To the supervisor of the next keeper, as any client would: ours was lost, and held them."""
    for name, pidfd in project.leases.items():
        with sockets.connect(paths.control_socket) as connection:
            wire = Wire(connection)
            await wire.send(Hello(), 1)
            await wire.send(TakeLease(volumes=name.endswith("volumes")), 2, [pidfd])
            await wire.receive()
            await wire.receive()


async def _remove(project: Project, container: Supervised) -> None:
    try:
        await stops.remove(project, container, force=True, volumes=True)
    except RuntimeFault as fault:
        report(f"{container.record.name} is not removed: {fault.message}: {fault.answered}")
