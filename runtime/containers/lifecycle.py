"""A container's files and rows: made, renamed, removed. What runs in it is the supervisor's
business.

The row stands as `creating` before anything is made, and as `removing` before anything goes:
`finish_interrupted` completes what a killed command left (R12). Used by the engine in the CLI's
process and by the supervisor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from runtime import frozen
from runtime.errors import NotFound, RuntimeFault
from runtime.images import uppers
from runtime.images.front import Images
from runtime.linux import files
from runtime.paths import Paths
from runtime.state import run_states
from runtime.state.database import Database
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Event,
    Mount,
    ProjectRecord,
    VolumeOptions,
    VolumeRecord,
)
from runtime.volumes import binds, memory, named
from runtime.volumes import files as injected_files

_REMOVING_ALL = "removing-with-volumes"


def create_container(
    database: Database, paths: Paths, project: ProjectRecord, options: ContainerOptions
) -> ContainerRecord:
    """Row, folder, volumes, injected files. Raises AlreadyExists, NotFound (image, volume),
    RuntimeFault."""
    images = Images(paths, database)
    image = images.image_config(options.image)
    options = frozen.replace(options, mounts=_pinned(images, options.mounts))
    record = ContainerRecord(
        id=ContainerId(os.urandom(32).hex()),
        project_id=project.id,
        options=options,
        image_id=image.id,
        image=image,
        created_at=time.time(),
    )
    _check(record)
    anonymous = _anonymous_volumes(database, record)
    record = frozen.replace(
        record, anonymous_volumes={target: options.name for target, options in anonymous.items()}
    )
    new = [
        _volume_record(paths, options, project_id=project.id)
        for options in anonymous.values()
        if database.find_volume(options.name) is None
    ]
    database.add_container(
        record, volume_names(record), new_volumes=new, phase=_in_progress("creating")
    )
    try:
        for volume in new:
            named.create(volume)
        _make_files(database, paths, record)
    except BaseException:
        remove_container(database, paths, record, volumes=True)
        raise
    database.set_phase(record.id, "there")
    add_event(database, record, "create", {"image": options.image})
    return record


def _check(record: ContainerRecord) -> None:
    """What would be in the way of its start, its output, its end or its removal. Raises
    RuntimeFault."""
    # each import is for the few that say something: together they cost an `up` 5 ms
    options = record.options
    if options.cgroup_parent:
        from runtime.cgroups import hierarchy

        hierarchy.expand_parent(options.cgroup_parent)
    if options.logging.options:
        from runtime.containers import log_options

        log_options.check(record)
    if options.stop_signal:
        from runtime.containers.spec.process import check_stop_signal

        check_stop_signal(options.stop_signal)


def _pinned(images: Images, mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Images that are mounted by the id that their names mean now, as the container's own image."""
    return tuple(
        frozen.replace(mount, image_id=images.find_mounted(mount.source).id)
        if mount.type == "image"
        else mount
        for mount in mounts
    )


def volume_names(record: ContainerRecord) -> tuple[str, ...]:
    """Every volume, named or anonymous, that the container mounts."""
    named_ones = [
        mount.source for mount in record.options.mounts if mount.type == "volume" and mount.source
    ]
    return (*named_ones, *record.anonymous_volumes.values())


def volume_mounts(record: ContainerRecord) -> tuple[Mount, ...]:
    """The container's mounts with every anonymous volume by its name, the image's volumes among
    them."""
    asked = [
        frozen.replace(mount, source=record.anonymous_volumes[mount.target])
        if mount.type == "volume" and not mount.source
        else mount
        for mount in record.options.mounts
    ]
    targets = {mount.target for mount in asked}
    implied = [
        Mount(type="volume", source=name, target=target)
        for target, name in record.anonymous_volumes.items()
        if target not in targets
    ]
    return (*asked, *implied)


def remove_container(
    database: Database, paths: Paths, record: ContainerRecord, *, volumes: bool
) -> None:
    """Row, folder, run files; with `volumes` the anonymous ones that nobody else uses.
    Repeatable."""
    removal = Removal(record.project_id, record.id, volumes)
    for error in remove_containers(database, paths, [removal]).values():
        raise error


class Removal(NamedTuple):
    """One of several that are removed together."""

    project_id: str
    container_id: str
    volumes: bool

    @property
    def phase(self) -> str:
        return _in_progress(_REMOVING_ALL if self.volumes else "removing")


def remove_containers(
    database: Database, paths: Paths, removals: Sequence[Removal]
) -> dict[str, Exception]:
    """The same for many, with two commits for all of them; by id what went wrong with some. The
    rows of these stay, for the next that tries."""
    database.set_phases({one.container_id: one.phase for one in removals})
    return _remove_what_is_left(database, paths, removals)


def _remove_what_is_left(
    database: Database, paths: Paths, removals: Sequence[Removal]
) -> dict[str, Exception]:
    errors: dict[str, Exception] = {}
    for one in removals:
        try:
            _remove_files(paths, one.project_id, one.container_id)
        except (OSError, RuntimeFault) as error:
            errors[one.container_id] = error
    gone = [(one.container_id, one.volumes) for one in removals if one.container_id not in errors]
    for name in database.delete_containers(gone):
        named.remove(paths.volumes, name)
    return errors


def _remove_files(paths: Paths, project_id: str, container_id: str) -> None:
    memory.remove(paths.project(project_id).shared_memory(container_id))
    memory.leave(paths.memory, (container_id,))
    uppers.release(paths.container(container_id))
    files.remove_tree(paths.container(container_id))
    run_states.forget(paths.project(project_id), container_id)


def finish_interrupted(database: Database, paths: Paths, project_id: str) -> bool:
    """Undo half-made containers and finish half-removed ones, found by their rows; those that a
    living command is still busy with are left to it. Whether there were some."""
    found = False
    for container_id, phase in database.unfinished_containers(project_id):
        if _is_busy(phase):
            continue
        volumes = phase.startswith(("creating", _REMOVING_ALL))
        removal = Removal(project_id, container_id, volumes)
        for error in _remove_what_is_left(database, paths, [removal]).values():
            raise error
        found = True
    return found


def sweep_volumes(database: Database, paths: Paths) -> None:
    """Finish removals of volumes that were killed: a folder without a row is nobody's, as the row
    is there before the folder and goes before it."""
    # within a transaction, or the row of a new volume of that name could come in between
    with database.transaction("sweep volumes"):
        known = {volume.name for volume in database.volumes()}
        for name in named.list_names(paths.volumes):
            if name not in known:
                named.set_aside(paths.volumes, name)
    named.sweep(paths.volumes)


def _in_progress(phase: str) -> str:
    """The phase, with the process that works on it: a pid and its start time name it for ever."""
    pid = os.getpid()
    return f"{phase} {pid} {run_states.start_time(pid)}"


def _is_busy(phase: str) -> bool:
    _word, pid, started = phase.split()
    return run_states.start_time(int(pid)) == int(started)


def create_volume(
    database: Database, paths: Paths, options: VolumeOptions, *, project_id: str
) -> VolumeRecord:
    """Raises AlreadyExists, RuntimeFault."""
    record = _volume_record(paths, options, project_id=project_id)
    database.add_volume(record)
    try:
        named.create(record)
    except RuntimeFault:  # one that cannot be is not there afterwards either
        database.delete_volume(record.name)
        raise
    return record


def _volume_record(paths: Paths, options: VolumeOptions, *, project_id: str) -> VolumeRecord:
    return VolumeRecord(
        options=options,
        project_id=project_id,
        path=str(named.generation_path(paths.volumes, options.name)),
        created_at=time.time(),
    )


def remove_volume(database: Database, paths: Paths, name: str, *, missing_ok: bool = False) -> bool:
    """False when a container still mounts it."""
    if database.find_volume(name) is None:
        if missing_ok:
            return True
        raise NotFound(f"no such volume: {name}", code="E313")
    if not database.delete_volume(name):
        return False
    named.remove(paths.volumes, name)
    return True


def add_event(
    database: Database, record: ContainerRecord, action: str, attributes: Mapping[str, str]
) -> None:
    """An event about a container; never with a value of its environment or labels."""
    kind = {"oneoff": "True"} if record.options.oneoff else {}
    database.add_event(
        Event(
            time=time.time(),
            type="container",
            action=action,
            id=record.id,
            project_id=record.project_id,
            attributes={
                "name": record.name,
                "service": record.options.service,
                **kind,
                **attributes,
            },
        )
    )


def _anonymous_volumes(database: Database, record: ContainerRecord) -> dict[str, VolumeOptions]:
    """target -> volume, a new one or that of the container that this one replaces."""
    inherited: Mapping[str, str] = {}
    if record.options.inherit_anonymous:
        before = database.find_container(record.options.inherit_anonymous)
        inherited = before.anonymous_volumes if before is not None else {}
    taken = {
        mount.target for mount in record.options.mounts if mount.source or mount.type != "volume"
    }
    asked = [
        mount for mount in record.options.mounts if mount.type == "volume" and not mount.source
    ]
    targets = [mount.target for mount in asked]
    targets += [target for target in record.image.volumes if target not in {*taken, *targets}]
    labels = {mount.target: mount.labels for mount in asked}
    return {
        target: VolumeOptions(
            name=inherited.get(target) or os.urandom(32).hex(),
            project=record.options.project,
            anonymous=True,
            labels=labels.get(target, {}),
        )
        for target in targets
    }


def _make_files(database: Database, paths: Paths, record: ContainerRecord) -> None:
    folder = paths.container(record.id)
    for name in ("files", "logs", "rootfs"):
        files.ensure_directory(folder / name)
    for mount in record.options.mounts:
        if mount.type == "bind":
            binds.ensure_source(mount)
    images = Images(paths, database)
    images.root_filesystem(record.options.image, folder, image_id=record.image_id)
    injected_files.write(record.options.files, folder / "files")
    _fill_volumes(database, paths, record)


def _fill_volumes(database: Database, paths: Paths, record: ContainerRecord) -> None:
    """Copy-up: a volume that is mounted for the first time takes what the image has at its
    target."""
    for mount in volume_mounts(record):
        if mount.type != "volume" or mount.nocopy:
            continue
        volume = database.find_volume(mount.source)
        if volume is None:
            raise NotFound(
                f"no such volume: {mount.source}",
                code="E313",
                tried=f"mount it at {mount.target} in {record.name}",
                hint=f"create it with `pycompose volume create {mount.source}`",
            )
        if named.is_empty(volume):
            images = Images(paths, database)
            layers = images.layer_paths(record.options.image, image_id=record.image_id)
            named.copy_up(volume, layers, mount.target, owner_only=record.options.image == "host")
