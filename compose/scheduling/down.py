"""`down`, `stop`, `rm`, `kill`, `pause`, `unpause`: nothing is made, some of it ends."""

from __future__ import annotations

from compose.options import DownOptions, KillOptions, RemoveOptions, Services, StopOptions
from compose.planning import identity, teardown
from compose.scheduling.observe import observe
from compose.scheduling.session import Session


async def down(session: Session, options: DownOptions) -> None:
    """Afterwards nothing of the project is left, but for volumes and images that were not named."""
    project = session.project
    observed = observe(session.engine, project, names=None if options.rmi else ())
    folder = identity.other_folder(project, observed)
    if folder and not session.is_meant and not options.yes:
        session.warn(identity.warning(project, folder))
        if options.volumes:
            raise identity.refuse(project, folder, "`down --volumes`")
        if options.remove_orphans:
            raise identity.refuse(project, folder, "`--remove-orphans`")
    plan = teardown.take_down(project, observed, options)
    await session.carry_out(plan, observed)
    if observed.project is not None and not options.services and not session.dry:
        if plan.is_empty:
            # a command that failed has begun a supervisor: one that finds its project forgotten
            # before it is up leaves its folder behind
            async with session.engine.watch():
                pass
        await session.engine.remove_project_row(project.name)
    elif observed.project is None and not options.services and not session.dry:
        for container_id in await session.engine.sweep():
            session.warn(f"container {container_id[:12]} was of no known project: it was ended")


async def stop(session: Session, options: StopOptions) -> None:
    observed = observe(session.engine, session.project, names=())
    await session.carry_out(teardown.stop(session.project, observed, options), observed)


async def remove(session: Session, options: RemoveOptions) -> None:
    observed = observe(session.engine, session.project, names=())
    await session.carry_out(teardown.remove(session.project, observed, options), observed)


async def kill(session: Session, options: KillOptions) -> None:
    observed = observe(session.engine, session.project, names=())
    await session.carry_out(teardown.kill(session.project, observed, options), observed)


async def pause(session: Session, services: Services) -> None:
    observed = observe(session.engine, session.project, names=())
    await session.carry_out(teardown.pause(session.project, observed, services), observed)


async def unpause(session: Session, services: Services) -> None:
    observed = observe(session.engine, session.project, names=())
    await session.carry_out(teardown.unpause(session.project, observed, services), observed)
