"""Which volumes to create, keep or, with consent, make anew.

A changed declaration never costs data by itself: the volume is kept with a warning, unless the
caller's `yes` says that it may go. Source: reference cli.md 6.4.
"""

from __future__ import annotations

from collections.abc import Iterable

from compose.errors import ComposeError
from compose.model.project import Project
from compose.options import CreateOptions
from compose.planning import labels
from compose.planning.actions import CreateVolume, RemoveVolume
from compose.planning.divergence import resource_hash
from compose.planning.observed import Observed
from compose.planning.plan import PlanBuilder, Step
from runtime.values import VolumeOptions, VolumeRecord


def used_volumes(project: Project, names: Iterable[str], wishes: CreateOptions) -> tuple[str, ...]:
    """Keys of the volumes that the services mount, unless all of the project are wished."""
    if wishes.all_resources:
        return tuple(project.volumes)
    used = {
        mount.source
        for name in names
        for mount in project.services[name].volumes
        if mount.type == "volume"
    }
    return tuple(key for key in project.volumes if key in used)


def volume_options(project: Project, key: str) -> VolumeOptions:
    """What the engine is asked for."""
    volume = project.volumes[key]
    config_hash = resource_hash(volume)
    return VolumeOptions(
        name=volume.name,
        project=project.name,
        key=key,
        driver=volume.driver or "local",
        driver_opts=dict(volume.driver_opts),
        labels={**volume.labels, **labels.of_volume(project, key, config_hash)},
        config_hash=config_hash,
    )


def changed_volumes(project: Project, keys: Iterable[str], observed: Observed) -> dict[str, str]:
    """Full name -> what changed, for volumes that are not as declared any more."""
    changed: dict[str, str] = {}
    for key in keys:
        volume = project.volumes[key]
        record = observed.volumes.get(volume.name)
        if record is None or volume.external or not _is_ours(project, key, record):
            continue
        wanted = volume_options(project, key)
        if record.options.config_hash != wanted.config_hash:
            changed[volume.name] = _what_changed(record.options, wanted)
    return changed


def _what_changed(before: VolumeOptions, now: VolumeOptions) -> str:
    names = [
        name for name in ("driver", "driver_opts") if getattr(before, name) != getattr(now, name)
    ]
    return f"{', '.join(names or ['labels'])} changed"


def _is_ours(project: Project, key: str, record: VolumeRecord) -> bool:
    options = record.options
    return options.project == project.name and options.key == key and bool(options.config_hash)


def question(name: str, what: str) -> str:
    """What to ask before the data goes."""
    return f'volume "{name}" is not as declared any more ({what}): recreate it, and lose its data?'


def add_volumes(
    builder: PlanBuilder,
    project: Project,
    keys: Iterable[str],
    observed: Observed,
    changed: dict[str, str],
) -> tuple[dict[str, Step], dict[str, Step]]:
    """(creating, removing) steps by full name. `changed` are those whose data may go."""
    creating: dict[str, Step] = {}
    removing: dict[str, Step] = {}
    for key in keys:
        volume = project.volumes[key]
        record = observed.volumes.get(volume.name)
        if volume.external:
            _check_external(project, key, record)
        elif record is None:
            creating[volume.name] = builder.add(CreateVolume(options=volume_options(project, key)))
        elif volume.name in changed:
            reason = changed[volume.name]
            removing[volume.name] = builder.add(RemoveVolume(name=volume.name, reason=reason))
            creating[volume.name] = builder.add(
                CreateVolume(options=volume_options(project, key), reason=reason),
                after=[removing[volume.name]],
            )
        elif not _is_ours(project, key, record):
            builder.warnings.append(
                f'volume "{volume.name}" already exists but was not created by project'
                f' "{project.name}"; use `external: true` to use an existing volume'
            )
    return creating, removing


def _check_external(project: Project, key: str, record: VolumeRecord | None) -> None:
    name = project.volumes[key].name
    if record is None:
        raise ComposeError(
            f"volume {name} declared as external, but could not be found",
            code="E221",
            where=project.origins.nearest(("volumes", key)),
            hint=f"`pycompose volume create {name}`, or remove `external`",
        )
