"""What becomes of a service's containers: keep, replace, remove, create; and the steps for it.

`decide` compares and says why; `add_steps` turns the answer into steps up to, not including, the
start (starts.py). A replacement is made beside the one it replaces, which runs on until then:
create under a temporary name, stop the old, remove it, rename. Source: reference cli.md 6.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compose.errors import ComposeError
from compose.model.project import Project
from compose.model.service import Service
from compose.options import CreateOptions
from compose.planning import divergence, labels
from compose.planning.actions import (
    CreateContainer,
    RemoveContainer,
    RenameContainer,
    RunHooks,
    StopContainer,
)
from compose.planning.dependencies import NAMESPACES, shared_with, words_of
from compose.planning.images import image_of, needed_by
from compose.planning.observed import Observed, is_up
from compose.planning.plan import PlanBuilder, Step
from runtime.frozen import dataclass, field
from runtime.values import ContainerRecord

FORCE, DIVERGED, NEVER = "force", "diverged", "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one service's containers. The texts are reasons."""

    service: Service
    kept: tuple[ContainerRecord, ...] = ()
    replaced: tuple[tuple[ContainerRecord, str], ...] = ()
    removed: tuple[tuple[ContainerRecord, str], ...] = ()
    created: tuple[tuple[int, str], ...] = ()
    """(number, name)"""

    @property
    def is_new_somewhere(self) -> bool:
        """Whether what others share with it will be another container's."""
        return bool(self.replaced)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decisions are made from. `changed_networks` and `lost_volumes` map full names to what
    changed about them; `fates` are those of the services decided before."""

    project: Project
    observed: Observed
    wishes: CreateOptions
    changed_networks: Mapping[str, str] = field(default_factory=dict)
    lost_volumes: Mapping[str, str] = field(default_factory=dict)
    fates: Mapping[str, Fate] = field(default_factory=dict)


def container_name(project: Project, service: Service, number: int, separator: str = "-") -> str:
    return service.container_name or separator.join((project.name, service.name, str(number)))


# --- deciding


def decide(service: Service, situation: Situation) -> Fate:
    """By policy, hash, image, parents, networks, volumes; then by the number of replicas."""
    wanted = _replicas(service, situation)
    records = situation.observed.replicas(service.name)
    stale: dict[str, str] = {
        record.id: _why_stale(record, service, situation) for record in records
    }
    going = _excess(records, stale, wanted, service, situation)
    staying = [record for record in records if record not in going]
    policy = _policy(service, situation.wishes)
    reasons = {record.id: _reason(policy, stale[record.id]) for record in staying}
    return Fate(
        service=service,
        kept=tuple(record for record in staying if not reasons[record.id]),
        replaced=tuple((r, reasons[r.id]) for r in staying if reasons[r.id]),
        removed=tuple((record, f"{wanted} wanted") for record in going),
        created=_new(service, records, wanted - len(staying), situation),
    )


def _replicas(service: Service, situation: Situation) -> int:
    wanted = situation.wishes.scale.get(service.name, service.replicas)
    if wanted > 1 and service.container_name:
        raise ComposeError(
            f"service {service.name} cannot have {wanted} replicas: it has the container name"
            f" {service.container_name}",
            code="E230",
            where=situation.project.origins.nearest(("services", service.name, "container_name")),
            hint="remove `container_name`: each replica needs a name of its own",
        )
    return wanted


def _excess(
    records: tuple[ContainerRecord, ...],
    stale: Mapping[str, str],
    wanted: int,
    service: Service,
    situation: Situation,
) -> list[ContainerRecord]:
    """Stale ones first, then leftovers of a killed command, then the highest numbers."""

    def order(record: ContainerRecord) -> tuple[bool, bool, int]:
        return (
            not stale[record.id],
            is_well_named(record, service, situation),
            -record.options.number,
        )

    return sorted(records, key=order)[: max(0, len(records) - wanted)]


def is_well_named(record: ContainerRecord, service: Service, situation: Situation) -> bool:
    """Not the temporary name of a replacement whose command was killed."""
    return record.name == _name(service, record.options.number, situation)


def _name(service: Service, number: int, situation: Situation) -> str:
    return container_name(situation.project, service, number, situation.wishes.separator)


def _new(
    service: Service, records: tuple[ContainerRecord, ...], count: int, situation: Situation
) -> tuple[tuple[int, str], ...]:
    highest = max((record.options.number for record in records), default=0)
    numbers = range(highest + 1, highest + 1 + max(0, count))
    return tuple((number, _name(service, number, situation)) for number in numbers)


def _policy(service: Service, wishes: CreateOptions) -> str:
    if wishes.services and service.name not in wishes.services:
        return FORCE if wishes.always_recreate_deps else DIVERGED
    if wishes.force_recreate:
        return FORCE
    return NEVER if wishes.no_recreate else DIVERGED


def _reason(policy: str, stale: str) -> str:
    if policy == NEVER:
        return ""
    return stale or ("forced" if policy == FORCE else "")


def _why_stale(record: ContainerRecord, service: Service, situation: Situation) -> str:
    """The first of the reasons for which a container is not what the file asks for any more."""
    return (
        _parent(record, service, situation)
        or _image(record, service, situation)
        or _configuration(record, service, situation)
        or _networks(record, service, situation)
        or _volumes(record, service, situation)
    )


def _parent(record: ContainerRecord, service: Service, situation: Situation) -> str:
    """Its namespaces or volumes are those of a container that is, or will be, another."""
    for attribute, name in shared_with(service):
        fate = situation.fates.get(name)
        if fate is not None and fate.is_new_somewhere:
            return f"{name}, whose {words_of(attribute)} it shares, is recreated"
        if attribute in NAMESPACES and _is_orphaned(record, attribute, name, situation):
            return f"{name}, whose {words_of(attribute)} it shares, was recreated"
    return ""


def _is_orphaned(record: ContainerRecord, attribute: str, name: str, situation: Situation) -> bool:
    joined = str(getattr(record.options, attribute)).removeprefix("container:")
    return joined not in {parent.id for parent in situation.observed.replicas(name)}


def _image(record: ContainerRecord, service: Service, situation: Situation) -> str:
    reference = image_of(situation.project, service)
    if record.options.image != reference:
        return f"image of {service.name} changed: {record.options.image} -> {reference}"
    image = situation.observed.images.get(reference)
    if image is not None and record.image_id and image.id != record.image_id:
        return f"image {reference} has other content now"
    return _mounted_image(record, situation)


def _mounted_image(record: ContainerRecord, situation: Situation) -> str:
    """What the label says that it was made with, against what the names mean now."""
    text = record.options.labels.get(labels.IMAGE_VOLUMES, "")
    for pair in text.split(",") if text else ():
        reference, _, image_id = pair.rpartition("=")
        image = situation.observed.images.get(reference)
        if image is not None and image.id != image_id:
            return f"image {reference}, which it mounts, has other content now"
    return ""


def _configuration(record: ContainerRecord, service: Service, situation: Situation) -> str:
    observed = situation.observed
    now = divergence.fingerprint(service, situation.project, observed.file_digests)
    if divergence.hash_of(now) == record.options.config_hash:
        return ""
    return divergence.describe(record.options.fingerprint, now)


def _networks(record: ContainerRecord, service: Service, situation: Situation) -> str:
    attached = {endpoint.network for endpoint in record.options.endpoints}
    for key in service.networks:
        name = situation.project.networks[key].name
        if name in situation.changed_networks:
            return f"network {name}: {situation.changed_networks[name]}"
        if name not in attached and is_up(record):
            return f"not attached to network {name}"
    return ""


def _volumes(record: ContainerRecord, service: Service, situation: Situation) -> str:
    mounted = {mount.source for mount in record.options.mounts if mount.type == "volume"}
    for mount in service.volumes:
        if mount.type != "volume" or mount.source not in situation.project.volumes:
            continue
        name = situation.project.volumes[mount.source].name
        if name in situation.lost_volumes:
            return f"volume {name}: {situation.lost_volumes[name]}"
        if name not in mounted:
            return f"volume {name} is not mounted"
    return ""


# --- steps


class Ready:
    """How far things are before the starts: by full name, the step after which a thing is there.

    `made` has the containers that the plan makes or renames; `removed` those it removes (by id).
    """

    def __init__(self) -> None:
        self.images: Mapping[str, Step] = {}
        self.networks: dict[str, Step] = {}
        self.volumes: dict[str, Step] = {}
        self.made: dict[str, Step] = {}
        self.of_service: dict[str, list[Step]] = {}
        """The creating steps of each service."""
        self.stops: dict[str, Step] = {}
        """The first step towards the end of a container, by id."""
        self.last_stops: dict[str, Step] = {}
        """The step after which it does not run, by id."""
        self.removed: dict[str, Step] = {}
        self.removed_networks: dict[str, Step] = {}
        self.removed_volumes: dict[str, Step] = {}


def add_steps(builder: PlanBuilder, fate: Fate, situation: Situation, ready: Ready) -> None:
    """The steps of one service; those of what it needs have been added before."""
    needed = list(_needed(fate.service, situation, ready))
    for record, reason in fate.removed:
        add_removal(builder, situation.project, record, ready, reason=reason)
    for record, reason in fate.replaced:
        if _loses_volume(record, situation):
            _add_exchange(builder, fate, record, reason, situation, ready, needed)
        else:
            _add_replacement(builder, fate, record, reason, situation, ready, needed)
    for number, name in fate.created:
        _add_creation(builder, fate, number, name, situation, ready, needed)
    for record in fate.kept:
        if not is_well_named(record, fate.service, situation):
            _add_renaming(builder, fate, record, situation, ready)


def _needed(service: Service, situation: Situation, ready: Ready) -> Iterable[Step]:
    """What must be there before a container of the service can be made."""
    for reference in needed_by(situation.project, service):
        if reference in ready.images:
            yield ready.images[reference]
    for key in service.networks:
        name = situation.project.networks[key].name
        # a network that is made anew is there only when the old containers are gone
        if name in ready.networks and name not in situation.changed_networks:
            yield ready.networks[name]
    for mount in service.volumes:
        volume = situation.project.volumes.get(mount.source) if mount.type == "volume" else None
        name = volume.name if volume is not None else ""
        if name in ready.volumes and name not in situation.lost_volumes:
            yield ready.volumes[name]
    for _attribute, name in shared_with(service):
        yield from ready.of_service.get(name, ())


def _loses_volume(record: ContainerRecord, situation: Situation) -> bool:
    return any(mount.source in situation.lost_volumes for mount in record.options.mounts)


def _add_replacement(
    builder: PlanBuilder,
    fate: Fate,
    record: ContainerRecord,
    reason: str,
    situation: Situation,
    ready: Ready,
    needed: list[Step],
) -> None:
    project, service = situation.project, fate.service
    name = _name(service, record.options.number, situation)
    create = builder.add(
        CreateContainer(
            project=project.name,
            service=service.name,
            number=record.options.number,
            name=name,
            replaces=record.id,
            inherit=not situation.wishes.renew_anon_volumes,
            reason=reason,
        ),
        after=needed,
    )
    ready.of_service.setdefault(service.name, []).append(create)
    removal = add_removal(
        builder,
        project,
        record,
        ready,
        reason="replaced",
        replaced=True,
        after=[create],
        grace=situation.wishes.timeout,
    )
    ready.made[name] = builder.add(
        RenameContainer(project=project.name, name=name, reason="replaced"), after=[removal]
    )


def _add_exchange(
    builder: PlanBuilder,
    fate: Fate,
    record: ContainerRecord,
    reason: str,
    situation: Situation,
    ready: Ready,
    needed: list[Step],
) -> None:
    """The old one must be gone before the new one is made: its volume is made anew between."""
    add_removal(
        builder, situation.project, record, ready, reason=reason, grace=situation.wishes.timeout
    )
    name = _name(fate.service, record.options.number, situation)
    volumes = [step for volume, step in ready.volumes.items() if volume in situation.lost_volumes]
    _add_creation(
        builder, fate, record.options.number, name, situation, ready, [*needed, *volumes], reason
    )


def _add_creation(
    builder: PlanBuilder,
    fate: Fate,
    number: int,
    name: str,
    situation: Situation,
    ready: Ready,
    needed: list[Step],
    reason: str = "",
) -> None:
    create = builder.add(
        CreateContainer(
            project=situation.project.name,
            service=fate.service.name,
            number=number,
            name=name,
            reason=reason,
        ),
        after=needed,
    )
    ready.of_service.setdefault(fate.service.name, []).append(create)
    ready.made[name] = create


def _add_renaming(
    builder: PlanBuilder, fate: Fate, record: ContainerRecord, situation: Situation, ready: Ready
) -> None:
    name = _name(fate.service, record.options.number, situation)
    gone = [ready.removed[other.id] for other, _ in fate.removed if other.name == name]
    ready.made[name] = builder.add(
        RenameContainer(
            project=situation.project.name,
            name=name,
            id=record.id,
            reason="left with a temporary name",
        ),
        after=gone,
    )


def add_removal(
    builder: PlanBuilder,
    project: Project,
    record: ContainerRecord,
    ready: Ready,
    *,
    reason: str,
    replaced: bool = False,
    grace: float | None = None,
    volumes: bool = False,
    force: bool = True,
    after: Iterable[Step] = (),
) -> Step:
    """Hooks, stop, remove: whatever of it the container's state asks for. `force`: it goes even
    when another command has started it meanwhile.
    """
    stopped = add_stop(
        builder, project, record, reason=reason, replaced=replaced, grace=grace, after=after
    )
    removed = builder.add(
        RemoveContainer(
            project=project.name,
            name=record.name,
            id=record.id,
            volumes=volumes,
            replaced=replaced,
            force=force,
            reason=reason,
        ),
        after=[stopped[-1]] if stopped else after,
    )
    ready.stops[record.id] = stopped[0] if stopped else removed
    ready.last_stops[record.id] = stopped[-1] if stopped else removed
    ready.removed[record.id] = removed
    return removed


def add_stop(
    builder: PlanBuilder,
    project: Project,
    record: ContainerRecord,
    *,
    reason: str = "",
    replaced: bool = False,
    restarted: bool = False,
    grace: float | None = None,
    after: Iterable[Step] = (),
) -> list[Step]:
    """The steps that stop a container, with its hooks; none when it does not run."""
    if not is_up(record):
        return []
    steps: list[Step] = []
    service = project.all_services.get(record.options.service)
    if service is not None and service.pre_stop and record.state.status == "running":
        hooks = RunHooks(
            project=project.name,
            service=service.name,
            name=record.name,
            id=record.id,
            kind="pre_stop",
        )
        steps.append(builder.add(hooks, after=after))
    stop = StopContainer(
        project=project.name,
        service=record.options.service,
        name=record.name,
        id=record.id,
        grace=grace,
        replaced=replaced,
        restarted=restarted,
        reason=reason,
    )
    steps.append(builder.add(stop, after=steps or after))
    return steps
