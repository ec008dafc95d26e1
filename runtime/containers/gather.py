"""A container's record and what stands around it -> the SpecContext of its next start.

The joint between what is kept (rows, folders), what is found on the machine (host_facts.py) and the
pure spec/build.py. Reads the machine, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from runtime.containers import host_facts
from runtime.containers.spec.context import HostFacts, SpecContext
from runtime.errors import NotFound
from runtime.frozen import dataclass, field
from runtime.values import ContainerRecord, Mount, VolumeRecord
from runtime.volumes import binds, driver_options
from runtime.volumes import files as injected_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the caller has looked up for one container."""

    folder: Path
    """paths.container(id)."""
    host: HostFacts
    cgroups_path: str = ""
    hosts_file: str = ""
    """Empty: none is bound. The same holds for the next two."""
    resolv_file: str = ""
    hostname_file: str = ""
    volumes: Mapping[str, VolumeRecord] = field(default_factory=dict)
    """By full name: those of the container, and of the ones named in `volumes_from`."""
    others: Mapping[str, ContainerRecord] = field(default_factory=dict)
    """By id: the containers named in `volumes_from` and joined by `pid`, `ipc`, `uts`,
    `network_mode`.
    """
    image_layers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shm_folders: Mapping[str, str] = field(default_factory=dict)
    """Id -> shared /dev/shm, of this container and of one whose `ipc` is joined."""


def gather(record: ContainerRecord, around: Surroundings) -> SpecContext:
    """Raises NotFound when a container of `volumes_from` is gone."""
    options = record.options
    return SpecContext(
        container_id=record.id,
        root_path=str(around.folder / "rootfs"),
        cgroups_path=around.cgroups_path,
        host=around.host,
        defaults=host_facts.read_defaults(),
        hosts_file=around.hosts_file,
        resolv_file=around.resolv_file,
        hostname_file=around.hostname_file,
        files=injected_files.paths_of(options.files, around.folder / "files"),
        volumes={name: driver_options.source_of(volume) for name, volume in around.volumes.items()},
        anonymous=record.anonymous_volumes,
        inherited=inherited_mounts(options.volumes_from, around.others),
        image_layers=around.image_layers,
        shm_folder=_shm_folder(record, around),
        joined_pids={
            id: other.state.pid for id, other in around.others.items() if other.is_running
        },
        network_hostname=_network_hostname(options.network_mode, around),
        devices=host_facts.read_devices(options),
        host_devices=host_facts.read_host_devices() if options.privileged else (),
        block_devices=host_facts.read_block_devices(options.blkio),
        propagations=binds.read_propagations(options.mounts),
    )


def inherited_mounts(
    references: tuple[str, ...], others: Mapping[str, ContainerRecord]
) -> tuple[Mount, ...]:
    """The binds and volumes of the containers named `ID` or `ID:ro`; anonymous volumes by
    their names.
    """
    found: list[Mount] = []
    for reference in references:
        container_id, _, mode = reference.partition(":")
        if container_id not in others:
            raise NotFound(
                f"`volumes_from` names a container that is gone: {container_id[:12]}",
                code="E311",
                hint="`up --force-recreate` makes both anew",
            )
        found += _mounts_of(others[container_id], read_only=mode == "ro")
    return tuple(found)


def _mounts_of(record: ContainerRecord, *, read_only: bool) -> list[Mount]:
    from dataclasses import replace

    named = dict(record.anonymous_volumes)
    mounts = []
    for mount in record.options.mounts:
        source = mount.source or named.pop(mount.target, "")
        if mount.type in ("bind", "volume"):
            mounts.append(replace(mount, source=source, read_only=mount.read_only or read_only))
    mounts += [
        Mount(type="volume", source=name, target=target, read_only=read_only)
        for target, name in named.items()
    ]
    return mounts


def _shm_folder(record: ContainerRecord, around: Surroundings) -> str:
    mode, _, container_id = record.options.ipc.partition(":")
    if mode == "shareable":
        return around.shm_folders.get(record.id, "")
    if mode == "container":
        other = around.others.get(container_id)
        if other is not None and other.options.ipc == "shareable":
            return around.shm_folders.get(container_id, "")
    return ""


def _network_hostname(network_mode: str, around: Surroundings) -> str:
    mode, _, container_id = network_mode.partition(":")
    other = around.others.get(container_id) if mode == "container" else None
    if other is None:
        return ""
    return other.options.hostname or str(other.id)[:12]
