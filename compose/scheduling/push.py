"""`push`: the images of services that are built, to the registries of their names."""

from __future__ import annotations

from compose.options import PushOptions
from compose.planning import images
from compose.planning.dependencies import closure
from compose.planning.selection import check_services
from compose.scheduling.events import ResourceEvent
from compose.scheduling.observe import observe
from compose.scheduling.session import Session


async def push(session: Session, options: PushOptions) -> None:
    """Raises ActionFailed, unless failures are to be ignored."""
    project = session.project
    check_services(project, options.services)
    names = options.services or tuple(project.services)
    if options.include_deps:
        names = closure(project.services, names)
    for name in names:
        service = project.services[name]
        if service.image and not service.build:
            session.on_event(
                ResourceEvent(id=f"Image {service.image}", text="Skipped", status="Done")
            )
    plan = images.pushing(project, names, options)
    observed = observe(session.engine, project, names=())
    await session.carry_out(plan, observed, quiet_pull=options.quiet)
