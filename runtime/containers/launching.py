"""A container's row -> what the keeper is asked: document, root, cgroups, injected files.

Composes the pure parts (spec/build.py, networks/endpoint.py, hosts_file.py) with the machine's
facts; it decides nothing of its own. `LaunchDesk.prepare` runs before the fork, `undo` after the
end of a run, however far it came. Networks beyond their plan belong to the supervisor, which holds
their sockets and rules.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from runtime import frozen
from runtime.cgroups import apply, groups, hierarchy, killing
from runtime.cgroups.hierarchy import Hierarchy
from runtime.containers import host_facts, lifecycle
from runtime.containers.spec.build import build_spec
from runtime.containers.spec.context import HostFacts, SpecContext, SpecResult
from runtime.containers.spec.mounts import shared_memory_options
from runtime.containers.spec.namespaces import Modes, find_hostname, find_modes
from runtime.containers.spec.process import build_exec
from runtime.errors import NotFound, StartFailed
from runtime.images import uppers
from runtime.images.front import Images
from runtime.linux import files, seccomp
from runtime.messages import CgroupPlan, LaunchRequest, RootFilesystem
from runtime.networks import hosts_file, names
from runtime.networks.endpoint import EndpointPlan, host_gateways
from runtime.paths import Paths
from runtime.schemas import read_schema
from runtime.state import run_states
from runtime.state.database import Database
from runtime.values import (
    ContainerOptions,
    ContainerRecord,
    ExecOptions,
    Mount,
    VolumeRecord,
)
from runtime.volumes import binds, driver_options, memory, named
from runtime.volumes import files as injected_files
from runtime.volumes.driver_options import VolumeSource

_FACTS_SECONDS = 0.5
"""So long what was read of the machine holds for further starts."""
IPV6 = Path("/proc/sys/net/ipv6")


class LaunchDesk:
    """Prepares starts for one project."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self._paths = paths
        self._database = database
        self._hierarchy: Hierarchy = hierarchy.detect()
        self._facts: tuple[float, HostFacts] | None = None
        """When they were read, and what they were."""
        self._has_said_of_uppers = False

    def plan_of(self, record: ContainerRecord) -> CgroupPlan:
        """Where the container's processes are, whether it runs or not."""
        return hierarchy.plan_of(
            self._hierarchy,
            self._paths.root_hash,
            record.project_id,
            record.id,
            parent=record.options.cgroup_parent,
        )

    def prepare(
        self, record: ContainerRecord, endpoints: Sequence[EndpointPlan], *, generation: int
    ) -> tuple[LaunchRequest, tuple[str, ...]]:
        """The request and its warnings; cgroups and files stand. Raises RuntimeFault, with nothing
        left."""
        folder = self._paths.container(record.id)
        others = self._others(record)
        context = self._context(record, endpoints, others, folder)
        result = build_spec(record.options, record.image, context)
        modes = find_modes(record.options, cgroup_version=context.host.cgroup_version)
        self._write_network_files(record, endpoints, folder, modes, context)
        self._ready_volumes(record, context)
        plan = groups.create(
            self._hierarchy,
            self._paths.root_hash,
            record.project_id,
            record.id,
            parent=record.options.cgroup_parent,
        )
        try:
            warnings = apply.apply(plan, result.spec["linux"]["resources"], self._hierarchy)
        except BaseException:
            groups.remove(plan)
            raise
        request = self._request(record, result, plan, generation)
        said = (*result.warnings, *warnings, *self._said_of_uppers(folder))
        return request, said

    def _said_of_uppers(self, folder: Path) -> tuple[str, ...]:
        """Once, of all containers of a project."""
        if self._has_said_of_uppers or not uppers.is_in_memory(folder):
            return ()
        self._has_said_of_uppers = True
        return (uppers.IN_MEMORY.format(folder=self._paths.data),)

    def exec_process(
        self, record: ContainerRecord, options: ExecOptions
    ) -> tuple[Mapping[str, Any], bytes]:
        """The process object of a further process, and its filter. Raises RuntimeFault."""
        context = self._context(record, (), {}, self._paths.container(record.id))
        own = build_spec(_alone(record.options), record.image, context)
        process = build_exec(own.spec["process"], options, context.host)
        return cast("Mapping[str, Any]", process), seccomp_program(own)

    def undo(self, record: ContainerRecord) -> None:
        """Kill what is left in the cgroups and remove them. Repeatable."""
        plan = self.plan_of(record)
        killing.kill_and_wait(plan)
        groups.remove(plan)
        memory.remove(self._paths.project(record.project_id).shared_memory(record.id))
        memory.leave(self._paths.memory, (record.id,))

    def undo_at_once(self, record: ContainerRecord) -> bool:
        """The same where there is nothing to kill and nothing to wait for; False where there is."""
        plan = self.plan_of(record)
        if groups.is_populated(plan) or not groups.try_remove(plan):
            return False
        options = record.options
        return not (options.ipc == "shareable" or options.mounts or options.volumes_from)

    def _ready_volumes(self, record: ContainerRecord, context: SpecContext) -> None:
        """What its init binds is there: folders that `driver_opts` name, memory that is shared."""
        project = self._paths.project(record.project_id)
        if record.options.ipc == "shareable":
            options = shared_memory_options(record.options, context)
            memory.ensure_mounted(project.shared_memory(record.id), options)
        for volume in self._volumes(record, context.inherited):
            named.check_source(volume)
            if (source := driver_options.source_of(volume)).is_memory:
                memory.join(
                    self._paths.memory,
                    volume.name,
                    source,
                    user=record.id,
                    project_id=record.project_id,
                )

    def _request(
        self, record: ContainerRecord, result: SpecResult, plan: CgroupPlan, generation: int
    ) -> LaunchRequest:
        options = record.options
        folder = self._paths.container(record.id)
        return LaunchRequest(
            container_id=record.id,
            generation=generation,
            spec=result.spec,
            root=self._root_filesystem(record),
            cgroup=plan,
            seccomp_program=seccomp_program(result),
            joined_namespaces=result.joined_namespaces,
            resolver=options.has_resolver,
            asks_inside=any(names.is_own_loopback(server) for server in options.dns),
            stdio="tty" if options.tty else "pipes",
            open_stdin=options.stdin_open,
            log_folder=str(folder / "logs"),
        )

    def _root_filesystem(self, record: ContainerRecord) -> RootFilesystem:
        folder = self._paths.container(record.id)
        with Images(self._paths) as images:
            return images.root_filesystem(record.options.image, folder, image_id=record.image_id)

    def _host_facts(self) -> HostFacts:
        now = time.monotonic()
        if self._facts is None or now > self._facts[0] + _FACTS_SECONDS:
            self._facts = now, host_facts.read_host_facts(self._hierarchy)
        return self._facts[1]

    def _context(
        self,
        record: ContainerRecord,
        endpoints: Sequence[EndpointPlan],
        others: Mapping[str, ContainerRecord],
        folder: Path,
    ) -> SpecContext:
        options = record.options
        injected = folder / "files"
        network_of = others.get(options.network_mode.removeprefix("container:"))
        network_files = self._paths.container((network_of or record).id) / "files"
        inherited = tuple(self._inherited(record))
        return SpecContext(
            container_id=record.id,
            root_path=str(folder / "rootfs"),
            host=self._host_facts(),
            defaults=host_facts.read_defaults(),
            hosts_file=str(network_files / "hosts"),
            resolv_file=str(network_files / "resolv.conf"),
            hostname_file=str(network_files / "hostname"),
            files=injected_files.paths_of(options.files, injected),
            volumes=self._volume_sources(record, inherited),
            anonymous=record.anonymous_volumes,
            inherited=inherited,
            image_layers=self._image_layers(options.mounts),
            shm_folder=self._shared_memory(record, others),
            joined_pids={container_id: other.state.pid for container_id, other in others.items()},
            network_hostname=_hostname_of(network_of) if network_of else "",
            propagations=binds.read_propagations(options.mounts),
            devices=host_facts.read_devices(options),
            host_devices=host_facts.read_host_devices() if options.privileged else (),
            block_devices=host_facts.read_block_devices(options.blkio),
        )

    def _image_layers(self, mounts: Iterable[Mount]) -> dict[str, tuple[str, ...]]:
        with Images(self._paths) as images:
            return {
                mount.source: tuple(
                    str(path) for path in images.layer_paths(mount.source, image_id=mount.image_id)
                )
                for mount in mounts
                if mount.type == "image"
            }

    def _shared_memory(self, record: ContainerRecord, others: Mapping[str, ContainerRecord]) -> str:
        """The folder behind a shared /dev/shm: our own, or that of the container whose IPC is
        joined. Empty when it shares nothing."""
        kind, _, container_id = record.options.ipc.partition(":")
        owner = others.get(container_id) if kind == "container" else record
        if owner is None or owner.options.ipc != "shareable":
            return ""
        return str(self._paths.project(owner.project_id).shared_memory(owner.id))

    def _volume_sources(
        self, record: ContainerRecord, inherited: Iterable[Mount]
    ) -> dict[str, VolumeSource]:
        """Where each volume is mounted from; one in memory from where all its users see it."""
        found = {}
        for volume in self._volumes(record, inherited):
            source = driver_options.source_of(volume)
            if source.is_memory:
                path = str(memory.mount_point(self._paths.memory, volume.name))
                source = VolumeSource(path=path, options=source.access)
            found[volume.name] = source
        return found

    def _volumes(
        self, record: ContainerRecord, inherited: Iterable[Mount]
    ) -> Iterator[VolumeRecord]:
        theirs = [mount.source for mount in inherited if mount.type == "volume"]
        for name in (*lifecycle.volume_names(record), *theirs):
            volume = self._database.find_volume(name)
            if volume is None:
                raise NotFound(f"no such volume: {name}", code="E313", tried=f"start {record.name}")
            yield volume

    def _inherited(self, record: ContainerRecord) -> Iterable[Mount]:
        """What `volumes_from` brings in: binds and volumes, as Docker does."""
        for entry in record.options.volumes_from:
            container_id, _, mode = entry.partition(":")
            other = self._database.find_container(container_id)
            if other is None:
                raise NotFound(f"no such container: {container_id}", code="E314")
            for mount in lifecycle.volume_mounts(other):
                if mount.type in ("bind", "volume"):
                    yield _read_only(mount) if mode == "ro" else mount

    def _others(self, record: ContainerRecord) -> dict[str, ContainerRecord]:
        """Containers whose namespaces this one joins, as they are now. Raises StartFailed when one
        does not run."""
        found = {}
        for container_id in record.options.joined_containers:
            other = self._database.find_container(container_id)
            if other is not None:
                project = self._paths.project(other.project_id)
                other = run_states.with_state(other, project)
            if other is None or not other.is_running:
                raise StartFailed(
                    f"{record.name}: cannot join the namespaces of {container_id[:12]}",
                    code="E330",
                    answered="it does not run",
                    hint="start it first",
                    exit_code=125,
                )
            found[container_id] = other
        return found

    def _write_network_files(
        self,
        record: ContainerRecord,
        endpoints: Sequence[EndpointPlan],
        folder: Path,
        modes: Modes,
        context: SpecContext,
    ) -> None:
        """hosts, resolv.conf and hostname: rewritten at every start, since addresses may change.

        A container in another's network sees that one's files.
        """
        options = record.options
        hostname = find_hostname(options, modes, context)
        if modes.network == "host":
            hosts = hosts_file.host_hosts_text(extra_hosts=options.extra_hosts)
        else:
            hosts = hosts_file.hosts_text(
                hostname=hostname,
                domainname=options.domainname,
                addresses=[
                    address.partition("/")[0]
                    for plan in endpoints
                    for address in (plan.ipv4, plan.ipv6)
                    if address
                ],
                extra_hosts=(*options.extra_hosts, *self._linked_hosts(record)),
                gateways=host_gateways(endpoints),
                ipv6=IPV6.exists(),
            )
        resolv = hosts_file.plain_resolv_conf_text
        host = hosts_file.read_host_resolv_conf()
        if options.has_resolver:
            resolv = hosts_file.resolv_conf_text
        elif options.is_on_machine_bridge:
            host = hosts_file.reachable_resolv_conf(host)
        text = resolv(
            host,
            dns=options.dns,
            search=options.dns_search,
            options=options.dns_opt,
        )
        write = files.write_atomically
        write(folder / "files/hosts", hosts.encode(), mode=0o644)
        write(folder / "files/hostname", hosts_file.hostname_text(hostname).encode(), mode=0o644)
        _write_unless_edited(folder / "files/resolv.conf", text.encode())

    def _linked_hosts(self, record: ContainerRecord) -> Iterator[tuple[str, str]]:
        """(name, address) of `links` where no resolver knows them; an address outlives its run."""
        if not record.options.is_on_machine_bridge:
            return
        links = dict(record.options.endpoints[0].links)
        for row, container, project_id in self._database.all_endpoints():
            if row.container_id == record.id:
                continue
            for alias, target in tuple(links.items()):
                is_sibling = project_id == record.project_id and target in row.names
                if row.ipv4 and (is_sibling or target == container):
                    del links[alias]
                    yield from ((name, row.ipv4) for name in dict.fromkeys((alias, target)))


def _write_unless_edited(path: Path, text: bytes) -> None:
    """D42: what somebody inside changed stays so. Beside the file lies what we wrote last."""
    ours = path.with_name(f".{path.name}")
    if path.exists() and ours.exists() and path.read_bytes() != ours.read_bytes():
        return
    files.write_atomically(path, text, mode=0o644)
    files.write_atomically(ours, text, mode=0o644)


def _alone(options: ContainerOptions) -> ContainerOptions:
    """Without namespaces of others: an exec enters those that the init is in anyway."""
    return frozen.replace(options, network_mode="none", pid="", ipc="", uts="")


def _hostname_of(record: ContainerRecord) -> str:
    return record.options.hostname or record.id[:12]


def _read_only(mount: Mount) -> Mount:
    return frozen.replace(mount, read_only=True)


def seccomp_program(result: SpecResult) -> bytes:
    """The assembled filter; empty when the container runs unconfined."""
    if result.seccomp == "unconfined":
        return b""
    facts = result.spec["process"].get("capabilities", {})
    bounding = frozenset(facts.get("bounding", ()))
    if result.seccomp == "default":
        return _default_filter(bounding)
    profile = seccomp.read_profile(result.seccomp)
    return seccomp.assemble(profile, read_schema("syscalls.json"), bounding_caps=bounding)


@functools.lru_cache(maxsize=16)
def _default_filter(bounding: frozenset[str]) -> bytes:
    """Most containers of a project have the same one, and assembling takes 8 ms."""
    profile, numbers = read_schema("seccomp-default.json"), read_schema("syscalls.json")
    return seccomp.assemble(profile, numbers, bounding_caps=bounding)
