"""Which containers to start, and after what: the second half of `up`.

A container that does not run is started, also one that has ended: that is what `up` means. The one
exception: a one-shot service, which others wait for with `service_completed_successfully`, that has
ended with 0. It runs again only when it was recreated, when it was named on the command line, or
when somebody who waits for it is about to start. So an unchanged `up` runs no migration anew beside
the application that uses its result, and a fresh start of the application still runs it first.
Source: reference cli.md 6.3, 6.5, 7; 19 (5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from compose.model.lifecycle import COMPLETED, HEALTHY, Dependency
from compose.model.project import Project
from compose.model.service import Service
from compose.options import CreateOptions, UpOptions
from compose.planning.actions import Condition, RunHooks, StartContainer, UnpauseContainer, WaitFor
from compose.planning.containers import Fate, Ready, add_stop, container_name
from compose.planning.dependencies import dependents
from compose.planning.observed import Observed, is_up
from compose.planning.plan import Plan, PlanBuilder, Step
from runtime.values import ContainerRecord


class Starts:
    """The start steps of a plan, service by service in dependency order."""

    def __init__(
        self,
        builder: PlanBuilder,
        project: Project,
        observed: Observed,
        wishes: CreateOptions,
        fates: Mapping[str, Fate],
        ready: Ready,
    ) -> None:
        self._builder = builder
        self._project = project
        self._observed = observed
        self._wishes = wishes
        self._fates = fates
        self._ready = ready
        self._restarted = _restarted(project, fates)
        self._starting = _starting(project, wishes, fates, self._restarted)
        self._started: dict[str, list[Step]] = {}
        """Steps after which the service's containers run, hooks done."""
        self._waits: dict[tuple[str, str], Step] = {}

    def add(self) -> None:
        """All of it: stops of what is restarted, starts, the final waits."""
        stopped = self._add_restart_stops()
        for name, fate in self._fates.items():
            self._add_service(fate.service, stopped.get(name, {}))
        for name in self._restarted:
            if name not in self._fates:
                self._add_service(self._project.services[name], stopped[name])
        if isinstance(self._wishes, UpOptions) and self._wishes.wait:
            for name in self._fates:
                self._add_final_wait(name)

    def _add_restart_stops(self) -> dict[str, dict[str, Step]]:
        """`restart: true`: dependents stop before what they depend on does. By service and name."""
        stopped: dict[str, dict[str, Step]] = {}
        for name in self._restarted:
            causes = self._causes(name)
            stopped[name] = {
                record.name: steps[-1]
                for record in self._kept(name)
                if (steps := self._add_restart_stop(record, causes))
            }
        for name in self._restarted:
            for cause in self._causes(name):
                for earlier in self._stops_of(cause):
                    earlier.add_before(stopped[name].values())
        return stopped

    def _causes(self, name: str) -> list[str]:
        changing = {other for other, fate in self._fates.items() if fate.replaced}
        changing.update(self._restarted)
        needs = self._project.services[name].depends_on
        return [other for other, needed in needs.items() if needed.restart and other in changing]

    def _add_restart_stop(self, record: ContainerRecord, causes: list[str]) -> list[Step]:
        steps = add_stop(
            self._builder,
            self._project,
            record,
            reason=" and ".join(f"{name} is {self._what_happens(name)}" for name in causes),
            grace=self._wishes.timeout,
        )
        if steps:
            self._ready.stops[record.id] = steps[0]
        return steps

    def _what_happens(self, name: str) -> str:
        return "restarted" if name in self._restarted else "recreated"

    def _stops_of(self, name: str) -> Iterable[Step]:
        fate = self._fates.get(name)
        replaced = [record for record, _ in fate.replaced] if fate is not None else []
        for record in (*replaced, *self._kept(name)):
            if record.id in self._ready.stops:
                yield self._ready.stops[record.id]

    def _kept(self, name: str) -> tuple[ContainerRecord, ...]:
        if name in self._fates:
            return self._fates[name].kept
        return tuple(r for r in self._observed.replicas(name) if is_up(r))

    def _add_service(self, service: Service, stopped: Mapping[str, Step]) -> None:
        started: list[Step] = []
        blockers = list(self._blockers(service)) if self._starts_any(service.name) else []
        prepared = self._add_pre_start(service, blockers)
        for name, record in self._replicas(service.name):
            made = self._ready.made.get(name)
            if not self._must_start(service.name, record, name in stopped):
                if made is None and name not in stopped and record is not None and is_up(record):
                    self._builder.untouched.append(name)
                continue
            after = [made, stopped.get(name), prepared, *self._networks_made(service)]
            started.append(self._add_start(service, name, record, after, blockers))
        self._started[service.name] = started

    def _replicas(self, name: str) -> list[tuple[str, ContainerRecord | None]]:
        """(final name, record) of the containers that the service has in the end; None: new."""
        fate = self._fates.get(name)
        if fate is None:
            return [(record.name, record) for record in self._kept(name)]
        final = dict(_final_names(fate, self._project, self._wishes))
        kept = [(final.get(record.id, record.name), record) for record in fate.kept]
        replaced = [(final[record.id], None) for record, _ in fate.replaced]
        created = [(new, None) for _, new in fate.created]
        return [*kept, *replaced, *created]

    def _must_start(self, name: str, record: ContainerRecord | None, stopped: bool) -> bool:
        if record is None or stopped:
            return True
        if record.state.status == "paused":
            return True
        return not is_up(record) and not (
            is_done(record) and self._is_one_shot(name) and name not in self._starting
        )

    def _is_one_shot(self, name: str) -> bool:
        return name in one_shots(self._project)

    def _starts_any(self, name: str) -> bool:
        return name in self._starting or name in self._restarted

    def _add_pre_start(self, service: Service, blockers: list[tuple[Step, bool]]) -> Step | None:
        """Once per service, before its first replica, and not while one runs."""
        fate = self._fates.get(service.name)
        if not service.pre_start or fate is None or not self._starts_any(service.name):
            return None
        if any(is_up(record) for record in fate.kept):
            return None
        name, record = self._replicas(service.name)[0]
        step = self._builder.add(
            RunHooks(
                project=self._project.name,
                service=service.name,
                name=name,
                id=record.id if record else "",
                kind="pre_start",
            ),
            after=[self._ready.made.get(name), *self._networks_made(service)],
        )
        _block(step, blockers)
        return step

    def _networks_made(self, service: Service) -> list[Step]:
        names = [self._project.networks[key].name for key in service.networks]
        return [self._ready.networks[name] for name in names if name in self._ready.networks]

    def _add_start(
        self,
        service: Service,
        name: str,
        record: ContainerRecord | None,
        after: Iterable[Step | None],
        blockers: list[tuple[Step, bool]],
    ) -> Step:
        project, known = self._project.name, record.id if record else ""
        if record is not None and record.state.status == "paused":
            return self._builder.add(
                UnpauseContainer(project=project, name=name, id=known), after=_distinct(after)
            )
        start = StartContainer(project=project, service=service.name, name=name, id=known)
        step = self._builder.add(start, after=_distinct(after))
        _block(step, blockers)
        if not service.post_start:
            return step
        hooks = RunHooks(
            project=project, service=service.name, name=name, id=known, kind="post_start"
        )
        return self._builder.add(hooks, after=[step])

    # --- waiting

    def _blockers(self, service: Service) -> Iterable[tuple[Step, bool]]:
        """(step, optional): what must have happened to the services that this one needs."""
        for name, dependency in service.depends_on.items():
            if name in self._fates or name in self._restarted:
                for step in self._reached(name, dependency, service):
                    yield step, not dependency.required

    def _reached(self, name: str, dependency: Dependency, service: Service) -> list[Step]:
        condition = _waited_for(dependency)
        if condition is None:
            return self._started.get(name, [])
        return self._wait(name, condition, service.name)

    def _wait(self, name: str, condition: Condition, needed_by: str) -> list[Step]:
        replicas = self._replicas(name)
        started = self._started.get(name, [])
        if not replicas or (not started and _is_reached(condition, replicas)):
            return []
        known = self._waits.get((name, condition))
        if known is not None:
            known.action = _needed_by_too(known.action, needed_by)
            return [known]
        step = self._builder.add(
            WaitFor(
                project=self._project.name,
                service=name,
                condition=condition,
                containers=tuple((n, record.id if record else "") for n, record in replicas),
                needed_by=(needed_by,) if needed_by else (),
                reason=f"needed by {needed_by}" if needed_by else "--wait",
            ),
            after=started,
        )
        self._waits[name, condition] = step
        return [step]

    def _add_final_wait(self, name: str) -> None:
        condition: Condition = "ready_or_done"
        if self._is_one_shot(name):
            condition = "service_completed_successfully"
        self._wait(name, condition, "")


def waits(project: Project, service: Service, names: Iterable[str], observed: Observed) -> Plan:
    """For a container that no plan starts: until those of its dependencies that are named are as
    its `depends_on` asks."""
    builder = PlanBuilder()
    for name in names:
        condition = _waited_for(service.depends_on[name])
        replicas = [(record.name, record) for record in observed.replicas(name)]
        if condition is not None and not _is_reached(condition, replicas):
            builder.add(
                WaitFor(
                    project=project.name,
                    service=name,
                    condition=condition,
                    containers=tuple((record.name, record.id) for _, record in replicas),
                    needed_by=(service.name,),
                    reason=f"needed by {service.name}",
                )
            )
    return builder.build()


def is_done(record: ContainerRecord) -> bool:
    """It has run and ended with 0."""
    return record.state.status == "exited" and record.state.exit_code == 0


def one_shots(project: Project) -> frozenset[str]:
    """The services that others wait for until they have ended."""
    return frozenset(
        name
        for service in project.services.values()
        for name, dependency in service.depends_on.items()
        if dependency.condition == COMPLETED
    )


def _restarted(project: Project, fates: Mapping[str, Fate]) -> tuple[str, ...]:
    """Services that depend with `restart: true` on one that is replaced, and are not so
    themselves."""
    replaced = {name for name, fate in fates.items() if fate.replaced}
    if not replaced:
        return ()
    found = dependents(project.services, replaced, restarting=True)
    return tuple(name for name in found if name not in replaced)


def _starting(
    project: Project,
    wishes: CreateOptions,
    fates: Mapping[str, Fate],
    restarted: Iterable[str],
) -> frozenset[str]:
    """Services of which something is started; dependents first, since they decide on one-shots."""
    found: set[str] = set(restarted)
    jobs = one_shots(project)
    for name in reversed(tuple(fates)):
        fate = fates[name]
        stopped = [record for record in fate.kept if not is_up(record)]
        asleep = any(record.state.status == "paused" for record in fate.kept)
        if name in jobs and name not in wishes.services:
            needed = any(_waits_for(project.services[other], name) for other in found)
            stopped = [record for record in stopped if needed or not is_done(record)]
        if fate.replaced or fate.created or stopped or asleep:
            found.add(name)
    return frozenset(found)


def _waited_for(dependency: Dependency) -> Condition | None:
    """None: that it was started is enough."""
    match dependency.condition:
        case "service_healthy" | "service_completed_successfully" | "running_or_healthy" as one:
            return one
        case _:
            return None


def _waits_for(service: Service, name: str) -> bool:
    dependency = service.depends_on.get(name)
    return dependency is not None and dependency.condition == COMPLETED


def _is_reached(
    condition: Condition, replicas: Sequence[tuple[str, ContainerRecord | None]]
) -> bool:
    """Whether nothing has to be waited for."""
    return all(record is not None and _holds(condition, record) for _, record in replicas)


def _holds(condition: Condition, record: ContainerRecord) -> bool:
    if condition == COMPLETED:
        return is_done(record)
    if condition == "ready_or_done" and is_done(record):
        return True
    healthy = record.state.health == "healthy"
    if condition != HEALTHY:
        healthy = healthy or not record.state.health
    return record.state.status == "running" and healthy


def _needed_by_too(action: object, name: str) -> WaitFor:
    assert isinstance(action, WaitFor)
    if not name or name in action.needed_by:
        return action
    needed_by = (*action.needed_by, name)
    return WaitFor(
        project=action.project,
        service=action.service,
        condition=action.condition,
        containers=action.containers,
        needed_by=needed_by,
        reason=f"needed by {', '.join(needed_by)}",
    )


def _block(step: Step, blockers: list[tuple[Step, bool]]) -> None:
    for before, optional in blockers:
        step.add_before([before], optional=optional)


def _distinct(steps: Iterable[Step | None]) -> list[Step]:
    return list(dict.fromkeys(step for step in steps if step is not None))


def _final_names(fate: Fate, project: Project, wishes: CreateOptions) -> Iterable[tuple[str, str]]:

    for record in (*fate.kept, *(record for record, _ in fate.replaced)):
        number = record.options.number
        yield record.id, container_name(project, fate.service, number, wishes.separator)
