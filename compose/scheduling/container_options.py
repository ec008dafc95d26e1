"""A service of the file -> what the engine is asked for. Pure.

Most attributes are passed on under their own name (`BY_NAME`); `TRANSLATED` says which function
makes what of the others. What appears in neither table is Compose's own affair, or refused by
planning/support.py. Source: reference cli.md 4 and 5, compose-file.md 15.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from compose.model.attribute import given
from compose.model.mounts import Mount as ModelMount
from compose.model.project import Project
from compose.model.security import seccomp_file
from compose.model.service import Service
from compose.planning import divergence, labels
from compose.planning.from_labels import print_dependencies
from compose.planning.images import absolute, image_of
from compose.planning.support import LOG_DRIVERS, MACHINE_BRIDGE_MODES
from compose.scheduling import tmpfs
from runtime.frozen import dataclass, field
from runtime.values import (
    HOST_BINDING,
    MACHINE_BRIDGE,
    BlkioOptions,
    ContainerOptions,
    Device,
    Endpoint,
    FileMount,
    HealthOptions,
    LogOptions,
    Mount,
    PortBinding,
    RestartPolicy,
    ThrottleDevice,
    Ulimit,
    WeightDevice,
)

BY_NAME = (
    "annotations",
    "cap_add",
    "cap_drop",
    "cgroup_parent",
    "command",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpuset",
    "device_cgroup_rules",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "environment",
    "group_add",
    "hostname",
    "init",
    "mac_address",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "platform",
    "privileged",
    "read_only",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tty",
    "user",
    "userns_mode",
    "working_dir",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What is known when a container is made, beside its service.

    `ids` has the container whose namespaces or volumes are shared: service -> id, and, for
    `container:NAME`, name -> id. `number` 0: a one-off, with a `slug` of its own.
    """

    name: str
    final_name: str = ""
    """The name that it will have: its alias on networks; empty: `name`."""
    number: int = 1
    image_id: str = ""
    mounted_images: Mapping[str, str] = field(default_factory=dict)
    """Image -> id, of those that it mounts."""
    replaces: str = ""
    """Name of the container that this one replaces."""
    inherit_from: str = ""
    """Id of the one whose anonymous volumes are taken over."""
    slug: str = ""
    use_aliases: bool = True
    volatile: bool = False
    auto_remove: bool = False
    ids: Mapping[str, str] = field(default_factory=dict)
    file_digests: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()


def container_options(project: Project, service: Service, making: Making) -> ContainerOptions:
    """Everything about one container of a service."""
    context = _Context(project, service, making)
    leaves = divergence.fingerprint(service, project, making.file_digests)
    config_hash = divergence.hash_of(leaves)
    said = given(service)
    values: dict[str, Any] = {name: said[name] for name in BY_NAME if name in said}
    for name, translate in TRANSLATED.items():
        values[name] = translate(context)
    return ContainerOptions(
        project=project.name,
        name=making.name,
        service=service.name,
        number=making.number,
        oneoff=bool(making.slug),
        image=image_of(project, service),
        labels=_labels(context, config_hash),
        config_hash=config_hash,
        fingerprint=leaves,
        inherit_anonymous=making.inherit_from,
        volatile=making.volatile,
        auto_remove=making.auto_remove,
        **values,
    )


class _Context:
    """What the translating functions look at."""

    __slots__ = ("making", "project", "service")

    def __init__(self, project: Project, service: Service, making: Making) -> None:
        self.project = project
        self.service = service
        self.making = making


# --- labels


def _labels(context: _Context, config_hash: str) -> dict[str, str]:
    project, service, making = context.project, context.service, context.making
    own = {
        labels.PROJECT: project.name,
        labels.SERVICE: service.name,
        labels.ONEOFF: str(bool(making.slug)),
        labels.CONFIG_HASH: config_hash,
        labels.IMAGE: making.image_id,
        labels.DEPENDS_ON: print_dependencies(service),
        labels.WORKING_DIR: project.working_dir,
        labels.CONFIG_FILES: ",".join(project.files),
        labels.VERSION: labels.TOOL_VERSION,
    }
    if making.mounted_images:
        pairs = (f"{reference}={image_id}" for reference, image_id in making.mounted_images.items())
        own[labels.IMAGE_VOLUMES] = ",".join(pairs)
    if making.number:
        own[labels.NUMBER] = str(making.number)
    if making.slug:
        own[labels.SLUG] = making.slug
    if making.replaces:
        own[labels.REPLACE] = making.replaces
    if making.env_files:
        own[labels.ENVIRONMENT_FILE] = ",".join(making.env_files)
    return {**service.labels, **own}


# --- files and mounts


def _mounts(context: _Context) -> tuple[Mount, ...]:
    volumes = [_mount(mount, context.project) for mount in context.service.volumes]
    return (*volumes, *(tmpfs.parse(text) for text in context.service.tmpfs))


def _mount(mount: ModelMount, project: Project) -> Mount:
    common: dict[str, Any] = {"target": mount.target, "read_only": mount.read_only}
    match mount.type:
        case "volume":
            return _volume(mount, project, common)
        case "tmpfs":
            size, mode = (mount.tmpfs.size, mount.tmpfs.mode) if mount.tmpfs else (None, None)
            return Mount(type="tmpfs", size=size, mode=mode, **common)
        case "image":
            subpath = mount.image.subpath if mount.image else ""
            source = absolute(mount.source, project.working_dir)
            return Mount(type="image", source=source, subpath=subpath, **common)
        case _:
            return _bind(mount, project, common)


def _bind(mount: ModelMount, project: Project, common: Mapping[str, Any]) -> Mount:
    bind = mount.bind
    if bind is None:
        return Mount(type="bind", source=mount.source, **common)
    return Mount(
        type="bind",
        source=mount.source,
        propagation=bind.propagation,
        recursive=bind.recursive,
        create_host_path=bind.create_host_path,
        host_owner=_caller(project.environment),
        **common,
    )


def _caller(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """Who is behind sudo: the folders that are made in his project are his."""
    uid, gid = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    return (int(uid), int(gid)) if uid.isdecimal() and gid.isdecimal() else None


def _volume(mount: ModelMount, project: Project, common: Mapping[str, Any]) -> Mount:
    source = project.volumes[mount.source].name if mount.source else ""
    volume = mount.volume
    if volume is None:
        return Mount(type="volume", source=source, **common)
    return Mount(
        type="volume",
        source=source,
        nocopy=volume.nocopy,
        subpath=volume.subpath,
        labels=dict(volume.labels),
        **common,
    )


def _files(context: _Context) -> tuple[FileMount, ...]:
    return (*_secrets(context), *_configs(context))


def _secrets(context: _Context) -> Iterator[FileMount]:
    for reference in context.service.secrets:
        target = reference.target or reference.source
        if not target.startswith("/"):
            target = f"/run/secrets/{target}"
        source = context.project.secrets[reference.source]
        yield _file("secret", target, source, reference)


def _configs(context: _Context) -> Iterator[FileMount]:
    for reference in context.service.configs:
        target = reference.target or reference.source
        if not target.startswith("/"):
            target = f"/{target}"
        source = context.project.configs[reference.source]
        yield _file("config", target, source, reference)


def _file(kind: str, target: str, source: Any, reference: Any) -> FileMount:
    return FileMount(
        kind=kind,
        target=target,
        source=source.file,
        content=None if source.file else source.content or "",
        uid=int(reference.uid) if reference.uid else None,
        gid=int(reference.gid) if reference.gid else None,
        mode=reference.mode,
    )


def _volumes_from(context: _Context) -> tuple[str, ...]:
    found = []
    for source in context.service.volumes_from:
        name, _, mode = source.removeprefix("container:").partition(":")
        container = context.making.ids.get(name, name)
        found.append(f"{container}:{mode}" if mode else container)
    return tuple(found)


# --- network


def _network_mode(context: _Context) -> str:
    return "" if _is_on_machine_bridge(context) else _joined(context, "network_mode")


def _is_on_machine_bridge(context: _Context) -> bool:
    return context.service.network_mode in MACHINE_BRIDGE_MODES


def _joined(context: _Context, attribute: str) -> str:
    """`service:web` and `container:NAME` -> `container:ID`; every other word stays."""
    word = str(getattr(context.service, attribute))
    kind, _, name = word.partition(":")
    if kind in ("service", "container") and name:
        return f"container:{context.making.ids.get(name, name)}"
    return word


def _endpoints(context: _Context) -> tuple[Endpoint, ...]:
    """In the order of connecting: higher priority first."""
    if _is_on_machine_bridge(context):
        return (Endpoint(network=MACHINE_BRIDGE, links=_links(context.service)),)
    if context.service.network_mode:
        return ()
    attachments = context.service.attachments
    keys = sorted(attachments, key=lambda key: -attachments[key].priority)
    return tuple(_endpoint(context, key, attachments[key]) for key in keys)


def _endpoint(context: _Context, key: str, attachment: Any) -> Endpoint:
    aliases: tuple[str, ...] = (context.making.final_name or context.making.name,)
    if context.making.use_aliases:
        aliases = (*aliases, context.service.name, *attachment.aliases)
    return Endpoint(
        network=context.project.networks[key].name,
        aliases=tuple(dict.fromkeys(aliases)),
        ipv4_address=attachment.ipv4_address,
        ipv6_address=attachment.ipv6_address,
        link_local_ips=attachment.link_local_ips,
        mac_address=attachment.mac_address,
        interface_name=attachment.interface_name,
        priority=attachment.priority,
        gw_priority=attachment.gw_priority,
        driver_opts=dict(attachment.driver_opts),
        links=_links(context.service),
    )


def _links(service: Service) -> dict[str, str]:
    """alias -> service or container."""
    found: dict[str, str] = {}
    for link in (*service.links, *service.external_links):
        name, _, alias = link.partition(":")
        found[alias or name] = name
    return found


def _ports(context: _Context) -> tuple[PortBinding, ...]:
    return published_ports(context.project, context.service)


def published_ports(project: Project, service: Service) -> tuple[PortBinding, ...]:
    """The ports that the service publishes; none where it has the host's own network."""
    if service.network_mode == "host":
        return ()
    usual = _host_binding(project, service)
    return tuple(
        PortBinding(
            container_port=port.target,
            protocol=port.protocol or "tcp",
            host_ip=port.host_ip or usual,
            host_port=_range(port.published)[0],
            host_port_end=_range(port.published)[1],
            origin=_origin(project, service, index),
        )
        for index, port in enumerate(service.ports)
    )


def _host_binding(project: Project, service: Service) -> str:
    """The address that ports without one are published on, as the network says by which the
    container reaches outside; the engine asks the external ones itself."""
    ranks = {
        (-attachment.gw_priority, project.networks[key].name): project.networks[key]
        for key, attachment in service.attachments.items()
        if not project.networks[key].internal
    }
    return ranks[min(ranks)].driver_opts.get(HOST_BINDING, "") if ranks else ""


def _origin(project: Project, service: Service, index: int) -> str:
    found = project.origins.nearest(("services", service.name, "ports", index))
    return str(found) if found is not None else ""


def _range(published: str) -> tuple[int, int]:
    """`8080` -> (8080, 0), `8000-8010` -> (8000, 8010), nothing -> (0, 0)."""
    first, _, last = published.partition("-")
    return int(first or 0), int(last or 0)


def _expose(context: _Context) -> tuple[str, ...]:
    return tuple(port if "/" in port else f"{port}/tcp" for port in context.service.expose)


def _extra_hosts(context: _Context) -> tuple[tuple[str, str], ...]:
    hosts = context.service.extra_hosts.items()
    return tuple((name, address) for name, addresses in hosts for address in addresses)


# --- isolation, resources


def _security_opt(context: _Context) -> tuple[str, ...]:
    folder = context.project.working_dir
    return tuple(
        f"seccomp={file}" if (file := seccomp_file(entry, folder)) else entry
        for entry in context.service.security_opt
    )


def _ulimits(context: _Context) -> tuple[Ulimit, ...]:
    limits = context.service.ulimits.items()
    return tuple(Ulimit(name=name, soft=limit.soft, hard=limit.hard) for name, limit in limits)


def _devices(context: _Context) -> tuple[Device, ...]:
    return tuple(
        Device(
            source=device.source,
            target=device.target or device.source,
            permissions=device.permissions or "rwm",
        )
        for device in context.service.devices
    )


def _blkio(context: _Context) -> BlkioOptions | None:
    limits = context.service.blkio_config
    if limits is None:
        return None
    return BlkioOptions(
        weight=limits.weight,
        weight_device=tuple(
            WeightDevice(path=device.path, weight=device.weight or 0)
            for device in limits.weight_device
        ),
        device_read_bps=_throttles(limits.device_read_bps),
        device_read_iops=_throttles(limits.device_read_iops),
        device_write_bps=_throttles(limits.device_write_bps),
        device_write_iops=_throttles(limits.device_write_iops),
    )


def _throttles(devices: Any) -> tuple[ThrottleDevice, ...]:
    return tuple(ThrottleDevice(path=device.path, rate=device.rate or 0) for device in devices)


def _limits(context: _Context) -> Any:
    deploy = context.service.deploy
    return deploy.resources.limits if deploy and deploy.resources else None


def _cpus(context: _Context) -> float | None:
    limits = _limits(context)
    return float(limits.cpus) if limits and limits.cpus else context.service.cpus


def _memory(context: _Context) -> int | None:
    limits = _limits(context)
    return limits.memory if limits and limits.memory is not None else context.service.mem_limit


def _pids(context: _Context) -> int | None:
    limits = _limits(context)
    return limits.pids if limits and limits.pids is not None else context.service.pids_limit


def _reserved_memory(context: _Context) -> int | None:
    deploy = context.service.deploy
    wanted = deploy.resources.reservations if deploy and deploy.resources else None
    if wanted is not None and wanted.memory is not None:
        return wanted.memory
    return context.service.mem_reservation


# --- staying up


def _restart(context: _Context) -> RestartPolicy:
    """deploy's policy wins over `restart`; a one-off is never restarted."""
    service = context.service
    if context.making.slug:
        return RestartPolicy()
    if service.deploy is not None and service.deploy.restart_policy is not None:
        policy = service.deploy.restart_policy
        return RestartPolicy(
            name=_CONDITIONS.get(policy.condition, policy.condition),
            max_retries=policy.max_attempts or 0,
            delay=policy.delay,
            window=policy.window,
        )
    name, _, retries = service.restart.partition(":")
    return RestartPolicy(name=name or "no", max_retries=int(retries or 0))


_CONDITIONS = {"": "always", "any": "always", "none": "no"}


def _healthcheck(context: _Context) -> HealthOptions | None:
    check = context.service.healthcheck
    if check is None:
        return None
    if check.disable:
        return HealthOptions(test=("NONE",))
    return HealthOptions(
        test=check.test,
        interval=check.interval,
        timeout=check.timeout,
        retries=check.retries,
        start_period=check.start_period,
        start_interval=check.start_interval,
    )


def _logging(context: _Context) -> LogOptions:
    logging = context.service.logging
    if logging is None:
        return LogOptions()
    # another driver is named by support.py before anything starts
    if logging.driver not in LOG_DRIVERS:
        return LogOptions()
    return LogOptions(driver=logging.driver or "native", options=dict(logging.options))


TRANSLATED: Mapping[str, Callable[[_Context], Any]] = {
    "blkio": _blkio,
    "cgroup": lambda context: _joined(context, "cgroup"),
    "cpus": _cpus,
    "devices": _devices,
    "endpoints": _endpoints,
    "expose": _expose,
    "extra_hosts": _extra_hosts,
    "files": _files,
    "healthcheck": _healthcheck,
    "ipc": lambda context: _joined(context, "ipc"),
    "logging": _logging,
    "mem_limit": _memory,
    "mem_reservation": _reserved_memory,
    "mounts": _mounts,
    "network_mode": _network_mode,
    "pid": lambda context: _joined(context, "pid"),
    "pids_limit": _pids,
    "ports": _ports,
    "restart": _restart,
    "security_opt": _security_opt,
    "ulimits": _ulimits,
    "uts": lambda context: _joined(context, "uts"),
    "volumes_from": _volumes_from,
}
"""Field of ContainerOptions -> what makes it from a service."""
