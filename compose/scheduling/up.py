"""`up`, `create`, `start`, `restart`, `scale`: make what is missing, start what does not run."""

from __future__ import annotations

import os
from collections.abc import Iterable

from compose.errors import NotFound
from compose.model.project import Project
from compose.options import CreateOptions, RestartOptions, StartOptions, UpOptions
from compose.planning import identity, images, restarts, support
from compose.planning.converge import converge, resources, selected
from compose.planning.observed import Observed
from compose.planning.plan import Plan
from compose.scheduling.observe import observe
from compose.scheduling.session import Session


async def up(session: Session, options: CreateOptions) -> int:
    """`create`, and with UpOptions `up`. Returns the exit code: not 0 for abort options alone."""
    async with session.leaving_nothing():
        return await _up(session, options)


async def _up(session: Session, options: CreateOptions) -> int:
    if isinstance(options, UpOptions) and not options.all_resources:
        _check_some(session.project)
    observed, plan = await prepare(session, options)
    wait_timeout = options.wait_timeout if isinstance(options, UpOptions) else None
    if isinstance(options, UpOptions) and options.lease and not session.dry:
        await take_lease(session)
    if isinstance(options, UpOptions) and is_attached(options) and not session.dry:
        from compose.scheduling.attach import up_attached

        return await up_attached(session, options, plan, observed)
    await session.carry_out(
        plan, observed, quiet_pull=options.quiet_pull, wait_timeout=wait_timeout
    )
    return 0


def _check_some(project: Project) -> None:
    """Raises NotFound where profiles leave nothing to bring up."""
    if project.services:
        return
    profiles = {name for one in project.all_services.values() for name in one.profiles}
    raise NotFound(
        "no service selected",
        code="E202",
        hint=f"activate one of their profiles ({', '.join(sorted(profiles))})" if profiles else "",
    )


def is_attached(options: UpOptions) -> bool:
    return not (options.detach or options.wait or options.no_start)


async def prepare(session: Session, options: CreateOptions) -> tuple[Observed, Plan]:
    """Everything up to the first action of the plan: checks, warnings, images that may be newer."""
    project = session.project
    names = selected(project, options)
    observed = observe(session.engine, project)
    session.warn_of(support.check(project, names, observed, options.scale))
    _warn_of_links_to_nobody(session, names)
    warn_of_build(session, names, asked=options.build)
    folder = _mind_other_folder(session, observed, options)
    refresh = images.refreshing(project, names, options, observed)
    if not refresh.is_empty:
        await session.carry_out(refresh, observed, quiet_pull=options.quiet_pull)
        observed = observe(session.engine, project)
    plan = converge(project, observed, options)
    if folder and identity.replaces_most(plan, observed, folder):
        raise identity.refuse(project, folder, "recreating its containers")
    session.check_ports(plan, observed)
    return observed, plan


def _mind_other_folder(session: Session, observed: Observed, options: CreateOptions) -> str:
    """The folder whose project this is, when nobody said that it is meant. Raises ComposeError for
    what would take something from it."""
    project = session.project
    folder = identity.other_folder(project, observed)
    if not folder or session.is_meant or options.yes:
        return ""
    session.warn(identity.warning(project, folder))
    if options.remove_orphans:
        raise identity.refuse(project, folder, "`--remove-orphans`")
    return folder


async def check(session: Session, names: tuple[str, ...]) -> None:
    """What of the services cannot be done here: warned of, or raised."""
    observed = observe(session.engine, session.project, names=names)
    session.warn_of(support.check(session.project, names, observed))
    _warn_of_links_to_nobody(session, names)


def _warn_of_links_to_nobody(session: Session, names: Iterable[str]) -> None:
    """A container that is linked may come later, from another project: nothing is refused."""
    services = session.project.all_services
    links = {
        (name, link.partition(":")[0]): None
        for name in names
        for link in services[name].external_links
    }
    if not links:
        return
    known = {record.name for record in session.engine.containers()}
    known |= {*services, *(service.container_name for service in services.values())}
    for name, linked in links:
        if linked not in known and not linked.startswith(f"{session.project.name}-"):
            session.warn(
                f'service "{name}" links to the container "{linked}", and there is none: its name '
                "is not found until there is"
            )


def warn_of_build(session: Session, names: tuple[str, ...], *, asked: bool) -> None:
    """`--build` where nothing is built: images that are here may be older than their sources."""
    services = session.project.all_services
    built = [name for name in names if services[name].build is not None] if asked else []
    if built:
        session.warn(
            "--build: nothing is built in this version; the images that are here are used, of "
            + " and ".join(built)
        )


async def make_resources(session: Session, options: CreateOptions) -> None:
    """The networks and volumes that the named services use, and the removal of orphans."""
    project = session.project
    observed = observe(session.engine, project, names=())
    if options.remove_orphans:
        _mind_other_folder(session, observed, options)
    await session.carry_out(resources(project, observed, options), observed)


async def take_lease(session: Session) -> None:
    """The project ends with this process."""
    pidfd = os.pidfd_open(os.getpid())
    try:
        await session.engine.lease(pidfd)
    finally:
        os.close(pidfd)


async def start(session: Session, options: StartOptions) -> None:
    observed = observe(session.engine, session.project)
    plan = restarts.start(session.project, observed, options)
    session.check_ports(plan, observed)
    await session.carry_out(plan, observed, wait_timeout=options.wait_timeout)


async def restart(session: Session, options: RestartOptions) -> None:
    observed = observe(session.engine, session.project)
    await session.carry_out(restarts.restart(session.project, observed, options), observed)


def explain(project: Project, observed: Observed, options: UpOptions) -> Plan:
    """The plan alone, with the pulls that would come first."""
    support.check(project, selected(project, options), observed, options.scale)
    return converge(project, observed, options)
