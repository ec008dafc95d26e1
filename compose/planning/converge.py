"""What to do so that what exists becomes what the file says: (Project, Observed, wishes) -> Plan.

In this order, which is the order of the steps in the plan: images, networks, volumes; containers
service by service, dependencies first; orphans; starts. The planners of each kind decide, this
module puts their answers together. Source: reference cli.md 6.
"""

from __future__ import annotations

from collections.abc import Iterable

from compose.errors import ComposeError, NotFound
from compose.model.project import Project
from compose.model.service import Service
from compose.options import CreateOptions, UpOptions
from compose.planning import images, networks, orphans, volumes
from compose.planning.containers import Fate, Ready, Situation, add_steps, decide
from compose.planning.dependencies import closure, in_order, shared_with, words_of
from compose.planning.observed import Observed
from compose.planning.plan import Plan, PlanBuilder
from compose.planning.selection import check_services
from compose.planning.starts import Starts


def converge(project: Project, observed: Observed, wishes: CreateOptions) -> Plan:
    """The plan of `create`; of `up`, when the wishes are UpOptions. Raises ComposeError."""
    names = selected(project, wishes)
    builder = PlanBuilder()
    situation = _compare(builder, project, observed, wishes, names)
    ready = Ready()
    ready.images = images.add_missing(
        builder, project, _made_from(situation), wishes, observed, _image_changes(situation)
    )
    _add_resources(builder, situation, ready, names)
    for fate in situation.fates.values():
        add_steps(builder, fate, situation, ready)
    orphans.add_orphans(builder, project, observed, wishes, ready)
    _order_removals(situation, ready)
    if isinstance(wishes, UpOptions) and not wishes.no_start:
        Starts(builder, project, observed, wishes, situation.fates, ready).add()
    else:
        builder.untouched.extend(record.name for f in situation.fates.values() for record in f.kept)
    # a name that is no image must not cost a container that runs, nor leave half of a project
    builder.put_first(ready.images.values())
    return builder.build()


def resources(project: Project, observed: Observed, wishes: CreateOptions) -> Plan:
    """The networks and volumes alone that are missing, for a one-off container, and the orphans."""
    builder = PlanBuilder()
    orphans.add_orphans(builder, project, observed, wishes, Ready())
    keys = networks.used_networks(project, wishes.services, wishes)
    networks.add_networks(builder, project, keys, observed, {})
    keys = volumes.used_volumes(project, wishes.services, wishes)
    volumes.add_volumes(builder, project, keys, observed, {})
    return builder.build()


def selected(project: Project, wishes: CreateOptions) -> tuple[str, ...]:
    """The services that the wishes are about, dependencies first. Raises NotFound."""
    check_services(project, (*wishes.services, *wishes.scale))
    for name in (*wishes.services, *wishes.scale):
        if name not in project.services:
            raise NotFound(f'service "{name}" is disabled', code="E202", hint="turn its profile on")
    names: Iterable[str] = wishes.services or project.services
    if wishes.no_deps:
        names = tuple(name for name in project.services if name in set(names))
    else:
        names = closure(project.services, names)
    return in_order({name: project.services[name] for name in names})


def _compare(
    builder: PlanBuilder,
    project: Project,
    observed: Observed,
    wishes: CreateOptions,
    names: tuple[str, ...],
) -> Situation:
    keys = networks.used_networks(project, names, wishes)
    changed = networks.changed_networks(project, keys, observed)
    for name in [name for name in changed if _is_held(name, names, observed, wishes, project)]:
        builder.warnings.append(
            f"network {name} is not as declared any more ({changed.pop(name)}), but containers"
            " that this command leaves alone are on it; run `up` for the whole project"
        )
    lost = volumes.changed_volumes(project, volumes.used_volumes(project, names, wishes), observed)
    if not wishes.yes:
        for name, what in lost.items():
            builder.warnings.append(
                f'volume "{name}" is not as declared any more ({what}) and stays as it is; with'
                " `-y` it is recreated, and its data is lost"
            )
        lost = {}
    fates: dict[str, Fate] = {}
    situation = Situation(
        project=project,
        observed=observed,
        wishes=wishes,
        changed_networks=changed,
        lost_volumes=lost,
        fates=fates,
    )
    for name in names:
        service = project.services[name]
        if service.provider is None:
            _check_providers(service, names, observed)
            fates[name] = decide(service, situation)
    return situation


def _is_held(
    network: str,
    names: tuple[str, ...],
    observed: Observed,
    wishes: CreateOptions,
    project: Project,
) -> bool:
    """Whether a container that the plan does not touch is on the network."""
    for record in observed.containers:
        options = record.options
        if network not in {endpoint.network for endpoint in options.endpoints}:
            continue
        is_orphan = options.service not in project.all_services
        if options.oneoff or (options.service not in names and not is_orphan):
            return True
        if is_orphan and not wishes.remove_orphans:
            return True
    return False


def _check_providers(service: Service, names: tuple[str, ...], observed: Observed) -> None:
    """With `--no-deps`, what is shared must be there already."""
    for attribute, name in shared_with(service):
        if name not in names and not observed.replicas(name):
            raise ComposeError(
                f"cannot share {words_of(attribute)} with service {name}: container missing",
                code="E203",
                hint=f"start {name} first, or leave out `--no-deps`",
            )


def _made_from(situation: Situation) -> tuple[str, ...]:
    """The services of which a container is made."""
    fates = situation.fates.items()
    return tuple(name for name, fate in fates if fate.created or fate.replaced)


def _image_changes(situation: Situation) -> dict[str, str]:
    """Service -> that its image is another one now, where that is why it is replaced."""
    return {
        name: reason
        for name, fate in situation.fates.items()
        for record, reason in fate.replaced
        if record.options.image != images.image_of(situation.project, fate.service)
    }


def _add_resources(
    builder: PlanBuilder, situation: Situation, ready: Ready, names: tuple[str, ...]
) -> None:
    project, observed, wishes = situation.project, situation.observed, situation.wishes
    keys = networks.used_networks(project, names, wishes)
    changed_networks = dict(situation.changed_networks)
    ready.networks, ready.removed_networks = networks.add_networks(
        builder, project, keys, observed, changed_networks
    )
    keys = volumes.used_volumes(project, names, wishes)
    ready.volumes, ready.removed_volumes = volumes.add_volumes(
        builder, project, keys, observed, dict(situation.lost_volumes)
    )


def _order_removals(situation: Situation, ready: Ready) -> None:
    """Containers go before the networks and volumes that they hold, and before what they share."""
    for record in situation.observed.containers:
        removed = ready.removed.get(record.id)
        if removed is None:
            continue
        for endpoint in record.options.endpoints:
            if (step := ready.removed_networks.get(endpoint.network)) is not None:
                step.add_before([removed])
        for mount in record.options.mounts:
            if (step := ready.removed_volumes.get(mount.source)) is not None:
                step.add_before([removed])
        for parent in _parents(record.options.network_mode, record.options.pid, record.options.ipc):
            # the parent's namespace must outlive those who live in it
            if (stop := ready.stops.get(parent)) is not None:
                stop.add_before([removed])


def _parents(*modes: str) -> Iterable[str]:
    return (mode.removeprefix("container:") for mode in modes if mode.startswith("container:"))
