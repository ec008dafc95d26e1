"""`start` and `restart`: existing containers, nothing made, nothing compared.

`restart` follows `restart: true` dependencies alone, as Docker Compose does: each service restarts
after those, and other dependencies play no part. Source: reference cli.md 10.
"""

from __future__ import annotations

from compose.errors import NotFound
from compose.model.attribute import replace
from compose.model.project import Project
from compose.options import RestartOptions, StartOptions, UpOptions
from compose.planning.actions import RunHooks, StartContainer, WaitFor
from compose.planning.containers import Fate, Ready, add_stop
from compose.planning.dependencies import closure, dependents, in_order
from compose.planning.observed import Observed
from compose.planning.plan import Plan, PlanBuilder, Step
from compose.planning.selection import check_services
from compose.planning.starts import Starts
from runtime.values import ContainerRecord


def start(project: Project, observed: Observed, options: StartOptions) -> Plan:
    """The plan of `start`: the services and their dependencies. Raises NotFound."""
    check_services(project, options.services)
    names = closure(project.services, options.services or project.services)
    fates: dict[str, Fate] = {}
    for name in in_order({name: project.services[name] for name in names}):
        service = project.services[name]
        fates[name] = Fate(service=service, kept=observed.replicas(name))
        if not fates[name].kept and service.replicas and service.provider is None:
            raise NotFound(
                f'service "{name}" has no container to start',
                code="E204",
                hint=f"`pycompose up {name}` makes it",
            )
    wishes = UpOptions(services=options.services, wait=options.wait)
    builder = PlanBuilder()
    Starts(builder, project, observed, wishes, fates, Ready()).add()
    return builder.build()


def restart(project: Project, observed: Observed, options: RestartOptions) -> Plan:
    """The plan of `restart`."""
    check_services(project, options.services)
    names = options.services or tuple(project.services)
    if not options.no_deps:
        names = dependents(project.services, names, restarting=True)
    followed = _with_restart_edges_alone(project)
    builder = PlanBuilder()
    done: dict[str, list[Step]] = {}
    for name in in_order(followed.services):
        if name in names:
            before = _before(builder, followed, observed, name, done)
            done[name] = [
                _add(builder, project, record, options, before)
                for record in observed.replicas(name)
                if record.state.status != "created"
            ]
    return builder.build()


def _with_restart_edges_alone(project: Project) -> Project:
    services = {
        name: replace(
            service, depends_on={k: d for k, d in service.depends_on.items() if d.restart}
        )
        for name, service in project.services.items()
    }
    return replace(project, services=services)


def _before(
    builder: PlanBuilder,
    project: Project,
    observed: Observed,
    name: str,
    done: dict[str, list[Step]],
) -> list[Step]:
    steps: list[Step] = []
    for other, dependency in project.services[name].depends_on.items():
        restarted = done.get(other, [])
        if dependency.condition == "service_healthy" and restarted:
            wait = WaitFor(
                project=project.name,
                service=other,
                condition="service_healthy",
                containers=tuple((record.name, record.id) for record in observed.replicas(other)),
                needed_by=(name,),
                reason=f"needed by {name}",
            )
            restarted = [builder.add(wait, after=restarted)]
        steps.extend(restarted)
    return steps


def _add(
    builder: PlanBuilder,
    project: Project,
    record: ContainerRecord,
    options: RestartOptions,
    before: list[Step],
) -> Step:
    stopped = add_stop(
        builder, project, record, restarted=True, grace=options.timeout, after=before
    )
    service = record.options.service
    last = builder.add(
        StartContainer(
            project=project.name,
            service=service,
            name=record.name,
            id=record.id,
            restarted=True,
        ),
        after=stopped or before,
    )
    if not project.services[service].post_start:
        return last
    hooks = RunHooks(
        project=project.name,
        service=service,
        name=record.name,
        id=record.id,
        kind="post_start",
    )
    return builder.add(hooks, after=[last])
