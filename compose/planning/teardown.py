"""`down`, `stop`, `rm`, and `kill`, `pause`, `unpause`: what exists, in reverse dependency order.

Containers of a service stop when those of all its dependents have; removals run beside further
stops. Networks go when every container has gone. Source: reference cli.md 10.
"""

from __future__ import annotations

from collections.abc import Iterable

from compose.errors import ComposeError
from compose.model.project import Project
from compose.options import DownOptions, KillOptions, RemoveOptions, Services, StopOptions
from compose.planning.actions import (
    KillContainer,
    PauseContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    UnpauseContainer,
)
from compose.planning.containers import Ready, add_removal, add_stop
from compose.planning.dependencies import dependents, in_order
from compose.planning.images import image_of, is_built_in
from compose.planning.observed import Observed, is_orphan, is_up
from compose.planning.plan import Plan, PlanBuilder, Step
from compose.planning.selection import check_services
from runtime.values import ContainerRecord


def take_down(project: Project, observed: Observed, options: DownOptions) -> Plan:
    """The plan of `down`. Raises NotFound for an unknown service."""
    check_services(project, options.services)
    builder, ready = PlanBuilder(), Ready()
    names = _downward(project, options.services)
    _add_removals(builder, project, observed, options, names, ready)
    if options.remove_orphans:
        _add_orphans(builder, project, observed, options, ready)
    gone = list(ready.removed.values())
    _add_networks(builder, project, observed, gone)
    if options.volumes:
        _add_volumes(builder, project, observed, gone)
    if options.rmi:
        _add_images(builder, project, observed, options, names, gone)
    if not options.services:
        _name_those_left(builder, project, observed)
    plan_is_empty = not gone and not observed.networks and not builder.has_steps
    if plan_is_empty and not options.services:
        builder.warnings.append(f'No resource found to remove for project "{project.name}".')
    return builder.build()


def _name_those_left(builder: PlanBuilder, project: Project, observed: Observed) -> None:
    """Docker leaves the containers of profiles that are not on, and keeps silent about it."""
    left = [
        (record.name, project.disabled_services[record.options.service].profiles)
        for record in observed.containers
        if record.options.service in project.disabled_services
    ]
    if left:
        names = ", ".join(name for name, _ in left)
        profiles = sorted({profile for _, several in left for profile in several[:1]})
        flags = " ".join(f"--profile {profile}" for profile in profiles)
        is_one = len(left) == 1
        why = "stays: its profile is not on" if is_one else "stay: their profiles are not on"
        whom = "it" if is_one else "them"
        builder.warnings.append(f"{names} {why}; `pycompose {flags} down` removes {whom}, too")


def _downward(project: Project, services: Services) -> tuple[str, ...]:
    """Dependents first."""
    named = dependents(project.services, services) if services else tuple(project.services)
    order = in_order(project.services)
    return tuple(name for name in reversed(order) if name in named)


def _add_removals(
    builder: PlanBuilder,
    project: Project,
    observed: Observed,
    options: DownOptions,
    names: tuple[str, ...],
    ready: Ready,
) -> None:
    chain = _Chain(project)
    for name in names:
        stops: list[Step] = []
        for record in _of_service(observed, name):
            add_removal(
                builder,
                project,
                record,
                ready,
                reason="",
                grace=options.timeout,
                volumes=options.volumes,
                after=chain.before(name),
            )
            stops.append(ready.last_stops[record.id])
        chain.add(name, stops)


def _add_orphans(
    builder: PlanBuilder, project: Project, observed: Observed, options: DownOptions, ready: Ready
) -> None:
    for record in observed.containers:
        if record.id not in ready.removed and is_orphan(record, project.all_services):
            add_removal(builder, project, record, ready, reason="orphan", grace=options.timeout)


def _add_networks(
    builder: PlanBuilder, project: Project, observed: Observed, gone: list[Step]
) -> None:
    for name, record in observed.networks.items():
        if record.options.project == project.name:
            builder.add(RemoveNetwork(name=name, tolerant=True), after=gone)


def _add_volumes(
    builder: PlanBuilder, project: Project, observed: Observed, gone: list[Step]
) -> None:
    for volume in project.volumes.values():
        record = observed.volumes.get(volume.name)
        if record is not None and not volume.external and record.options.project == project.name:
            builder.add(RemoveVolume(name=volume.name, tolerant=True), after=gone)
    # those of containers that are there go with them; `up -V` leaves others
    mounted = {name for r in observed.containers for name in r.anonymous_volumes.values()}
    for name, record in observed.volumes.items():
        options = record.options
        if options.anonymous and options.project == project.name and name not in mounted:
            builder.add(RemoveVolume(name=name, tolerant=True), after=gone)


def _add_images(
    builder: PlanBuilder,
    project: Project,
    observed: Observed,
    options: DownOptions,
    names: tuple[str, ...],
    gone: list[Step],
) -> None:
    """`local`: images that were built and have no name of the user's; `all`: every service's."""
    references: dict[str, None] = {}  # services may share one
    for name in names:
        service = project.services[name]
        reference = image_of(project, service)
        is_local = service.build is not None and not service.image
        if is_built_in(reference) or not (options.rmi == "all" or is_local):
            continue
        if reference in observed.images:
            references[reference] = None
    for reference in references:
        builder.add(RemoveImage(reference=reference), after=gone)


def stop(project: Project, observed: Observed, options: StopOptions) -> Plan:
    """The plan of `stop`: the named services alone."""
    check_services(project, options.services)
    builder, chain = PlanBuilder(), _Chain(project)
    for name in reversed(in_order(project.services)):
        if options.services and name not in options.services:
            chain.add(name, [])
            continue
        stops = [
            steps[-1]
            for record in observed.replicas(name)
            if (
                steps := add_stop(
                    builder, project, record, grace=options.timeout, after=chain.before(name)
                )
            )
        ]
        chain.add(name, stops)
    return builder.build()


def removable(
    project: Project, observed: Observed, options: RemoveOptions
) -> tuple[ContainerRecord, ...]:
    """The containers that `rm` is about: those that do not run, or all with `stop`."""
    check_services(project, options.services)
    names = options.services or tuple(project.services)
    return tuple(
        record
        for record in observed.containers
        if record.options.service in names
        and not record.options.oneoff
        and (options.stop or not is_up(record))
    )


def remove(project: Project, observed: Observed, options: RemoveOptions) -> Plan:
    """The plan of `rm`."""
    builder, ready, chain = PlanBuilder(), Ready(), _Chain(project)
    found = removable(project, observed, options)
    for name in reversed(in_order(project.services)):
        stops: list[Step] = []
        for record in (record for record in found if record.options.service == name):
            add_removal(
                builder,
                project,
                record,
                ready,
                reason="",
                volumes=options.volumes,
                force=options.stop,
                after=chain.before(name),
            )
            stops.append(ready.last_stops[record.id])
        chain.add(name, stops)
    return builder.build()


def kill(project: Project, observed: Observed, options: KillOptions) -> Plan:
    """The plan of `kill`: one-offs too, no order, no hooks."""
    check_services(project, options.services)
    builder, ready = PlanBuilder(), Ready()
    for record in _of_services(observed, project, options.services):
        if is_up(record):
            builder.add(
                KillContainer(
                    project=project.name, name=record.name, id=record.id, signal=options.signal
                )
            )
    if options.remove_orphans:
        _add_orphans(builder, project, observed, DownOptions(timeout=0), ready)
    return builder.build()


def pause(project: Project, observed: Observed, services: Services) -> Plan:
    """The plan of `pause`. Raises ComposeError for a container that is paused already."""
    check_services(project, services)
    builder = PlanBuilder()
    for record in _of_services(observed, project, services):
        if record.state.status == "paused":
            raise ComposeError(f"container {record.name} is already paused", code="E240")
        if is_up(record):
            builder.add(PauseContainer(project=project.name, name=record.name, id=record.id))
    return builder.build()


def unpause(project: Project, observed: Observed, services: Services) -> Plan:
    """The plan of `unpause`."""
    check_services(project, services)
    builder = PlanBuilder()
    for record in _of_services(observed, project, services):
        if record.state.status == "paused":
            builder.add(UnpauseContainer(project=project.name, name=record.name, id=record.id))
    return builder.build()


def _of_service(observed: Observed, name: str) -> Iterable[ContainerRecord]:
    return (record for record in observed.containers if record.options.service == name)


def _of_services(
    observed: Observed, project: Project, services: Services
) -> Iterable[ContainerRecord]:
    names = services or tuple(project.services)
    return (record for record in observed.containers if record.options.service in names)


class _Chain:
    """What must have stopped before a service may: its dependents, however far away."""

    def __init__(self, project: Project) -> None:
        self._stops: dict[str, list[Step]] = {}
        self._users: dict[str, list[str]] = {}
        for name, service in project.services.items():
            for other in service.depends_on:
                self._users.setdefault(other, []).append(name)

    def before(self, name: str) -> list[Step]:
        found: dict[Step, None] = {}
        for other in self._users.get(name, ()):
            found.update(dict.fromkeys(self._stops.get(other, ())))
        return list(found)

    def add(self, name: str, stops: list[Step]) -> None:
        """A service without containers passes on what it waited for itself."""
        self._stops[name] = stops or self.before(name)
