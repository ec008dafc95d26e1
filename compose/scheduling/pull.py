"""`pull`: the images of services, whether a container needs them now or not."""

from __future__ import annotations

from compose.model.service import Service
from compose.options import PullOptions
from compose.planning import images
from compose.planning.dependencies import closure
from compose.planning.selection import check_services
from compose.scheduling.events import ResourceEvent
from compose.scheduling.observe import observe
from compose.scheduling.session import Session
from compose.scheduling.work import Work


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
    work = session.work(observed, quiet_pull=options.quiet)
    session.announce(plan, observed)
    try:
        await session.run(plan, work)
    finally:
        _tell_buildable(session, work)


def _tell_buildable(session: Session, work: Work) -> None:
    """What could not be pulled and can be built: the command that does it, in Docker's words."""
    services = session.project.all_services
    names = [name for action in work.not_pulled for name in action.services if services[name].build]
    if names:
        session.warn(
            "Some service image(s) must be built from source by running:\n"
            f"    pycompose build {' '.join(names)}"
        )


def _tell_skipped(session: Session, service: Service) -> None:
    if not service.image:
        _skip(session, service.name, "No image to be pulled")


def _skip(session: Session, name: str, why: str) -> None:
    session.on_event(ResourceEvent(id=f"Image {name}", text="Skipped", details=why, status="Done"))
