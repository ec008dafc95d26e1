"""`pull`: the images of services, whether a container needs them now or not."""

from __future__ import annotations

from compose.errors import ActionFailed
from compose.model.service import Service
from compose.options import PullOptions
from compose.planning import images
from compose.planning.dependencies import closure
from compose.planning.selection import check_services
from compose.scheduling.events import ResourceEvent
from compose.scheduling.observe import observe
from compose.scheduling.session import Session


async def pull(session: Session, options: PullOptions) -> None:
    """Raises ActionFailed, unless failures are to be ignored."""
    project = session.project
    check_services(project, options.services)
    names = options.services or tuple(project.services)
    if options.include_deps:
        names = closure(project.services, names)
    observed = observe(session.engine, project, names=names)
    for name in names:
        _tell_skipped(session, project.services[name])
    plan = images.pulling(project, names, options, observed)
    for reference in images.already_here(project, names, options, observed):
        _skip(session, reference, "Image is already present locally")
    try:
        await session.carry_out(plan, observed, quiet_pull=options.quiet)
    except ActionFailed as error:
        if not options.ignore_pull_failures:
            raise
        session.warn(error.message)


def _tell_skipped(session: Session, service: Service) -> None:
    if not service.image:
        _skip(session, service.name, "No image to be pulled")


def _skip(session: Session, name: str, why: str) -> None:
    session.on_event(ResourceEvent(id=f"Image {name}", text="Skipped", details=why, status="Done"))
