"""What of the file cannot be done here, for the services that are about to run; with its line.

An error where going on without it would weaken isolation or change what the program sees, a warning
otherwise; never silence. Judged before the first action of `up`, `create` and `run`; verbs that
load or read accept everything. `NOT_HONOURED` is the table, the functions are what a table cannot
say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from compose.errors import Fault, InvalidFile, Path
from compose.model.attribute import replace
from compose.model.network import Network
from compose.model.project import Project
from compose.model.security import seccomp_file
from compose.model.service import Service
from compose.planning.dependencies import check_circles
from compose.planning.observed import Observed
from runtime.frozen import dataclass
from runtime.values import HOST_BINDING, MACHINE_BRIDGE, PREDEFINED_NETWORKS

ERROR, WARNING = "error", "warning"
MACHINE_BRIDGE_MODES = (MACHINE_BRIDGE, "default")
HIGHEST_PORT = 65535
_PORTS = f"ports go from 1 to {HIGHEST_PORT}"
MOST_REPLICAS = 10_000
RESTART_POLICIES = ("no", "always", "on-failure", "unless-stopped")
LOG_DRIVERS = ("", "native", "json-file", "local", "none")
_BRIDGE = "com.docker.network.bridge."
_MTU = "com.docker.network.driver.mtu"
BRIDGE_OPTIONS = (
    *(f"{_BRIDGE}{name}" for name in ("name", "enable_icc", "enable_ip_masquerade")),
    HOST_BINDING,
    _MTU,
    "com.docker.network.container_iface_prefix",
)
"""The `driver_opts` of a network that runtime/networks acts on."""
GATEWAY_MODES = (f"{_BRIDGE}gateway_mode_ipv4", f"{_BRIDGE}gateway_mode_ipv6")
OUR_RUNTIMES = ("", "runc", "io.containerd.runc.v2")
_SWARM = "is for clusters, and does nothing here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """An attribute that is not acted on, unless its value is one of `harmless`."""

    attribute: str
    level: str
    why: str
    hint: str = ""
    harmless: tuple[object, ...] = ()


NOT_HONOURED = (
    Rule(
        attribute="provider",
        level=ERROR,
        why="services that another program provides are not started here",
        hint="start it before `up`, and leave the service out",
    ),
    Rule(
        attribute="models",
        level=ERROR,
        why="models cannot be provided",
        hint="run a model server as a service, and name its address in `environment`",
    ),
    Rule(
        attribute="gpus",
        level=ERROR,
        why="GPUs cannot be handed to containers",
        hint="name their device files under `devices`, as in /dev/dri",
    ),
    Rule(
        attribute="use_api_socket",
        level=ERROR,
        why="there is no engine socket to hand to the container",
        hint="leave it out",
    ),
    Rule(
        attribute="runtime",
        level=ERROR,
        why="another runtime cannot be chosen",
        hint="leave it out",
        harmless=OUR_RUNTIMES,
    ),
    Rule(
        attribute="userns_mode",
        level=ERROR,
        why="only the host's user namespace can be used",
        hint="leave it out, or write `host`",
        harmless=("", "host"),
    ),
    Rule(attribute="credential_spec", level=WARNING, why="is for Windows"),
    Rule(attribute="isolation", level=WARNING, why="is for Windows", harmless=("", "default")),
    Rule(attribute="cpu_count", level=WARNING, why="is for Windows", hint="use `cpus`"),
    Rule(attribute="cpu_percent", level=WARNING, why="is for Windows", hint="use `cpus`"),
    Rule(
        attribute="storage_opt",
        level=WARNING,
        why="a container's file system cannot be limited",
    ),
    Rule(
        attribute="pull_refresh_after",
        level=WARNING,
        why="is not acted on",
        hint="use `pull_policy: every_24h`",
    ),
    Rule(attribute="deploy.mode", level=WARNING, why=_SWARM, harmless=("", "replicated")),
    Rule(attribute="deploy.labels", level=WARNING, why=_SWARM, hint="use `labels`"),
    Rule(attribute="deploy.update_config", level=WARNING, why=_SWARM),
    Rule(attribute="deploy.rollback_config", level=WARNING, why=_SWARM),
    Rule(attribute="deploy.placement", level=WARNING, why=_SWARM),
    Rule(attribute="deploy.endpoint_mode", level=WARNING, why=_SWARM),
    Rule(attribute="deploy.resources.reservations.cpus", level=WARNING, why=_SWARM),
    Rule(attribute="deploy.resources.reservations.generic_resources", level=WARNING, why=_SWARM),
    Rule(
        attribute="deploy.resources.reservations.devices",
        level=ERROR,
        why="devices cannot be reserved",
        hint="name their device files under `devices`, as in /dev/dri",
    ),
)


def check(
    project: Project,
    names: Iterable[str],
    observed: Observed,
    scale: Mapping[str, int] | None = None,
) -> tuple[Fault, ...]:
    """The warnings; with so many replicas as `scale` says. Raises InvalidFile with every error
    there is."""
    check_circles(project)
    errors: list[Fault] = []
    warnings: list[Fault] = []
    selected = [_scaled(project.services[name], scale or {}) for name in names]
    for service in selected:
        for level, fault in _of_service(project, service, observed):
            (errors if level == ERROR else warnings).append(_as(level, fault))
    for level, fault in _of_project(project, selected):
        (errors if level == ERROR else warnings).append(_as(level, fault))
    if errors:
        raise InvalidFile(*errors)
    return tuple(warnings)


def _scaled(service: Service, scale: Mapping[str, int]) -> Service:
    return replace(service, scale=scale[service.name]) if service.name in scale else service


Finding = tuple[str, Fault]


def _as(level: str, fault: Fault) -> Fault:
    """A warning has a code of its own."""
    if level == WARNING:
        fault.code = "W250"
    return fault


def _of_service(project: Project, service: Service, observed: Observed) -> Iterator[Finding]:
    for rule in NOT_HONOURED:
        value = _value(service, rule.attribute)
        if value and value not in rule.harmless:
            path = ("services", service.name, *rule.attribute.split("."))
            message = f"`{rule.attribute}`: {rule.why}"
            yield rule.level, _fault(project, path, message, rule.hint)
    for check_one in _CHECKS:
        yield from check_one(project, service)
    yield from _missing_sources(project, service, observed.missing_paths)


def _value(service: Service, attribute: str) -> object:
    value: object = service
    for name in attribute.split("."):
        value = getattr(value, name, None)
    return value


def _fault(project: Project, path: Path, message: str, hint: str = "", code: str = "E250") -> Fault:
    known = project.origins.key_of(path) or project.origins.nearest(path)
    return Fault(code, message, where=known, path=path, hint=hint)


# --- services


def _network_mode(project: Project, service: Service) -> Iterator[Finding]:
    mode = service.network_mode
    path = ("services", service.name, "network_mode")
    kind = mode.partition(":")[0]
    is_word = mode in ("", "none", "host", *MACHINE_BRIDGE_MODES)
    if not is_word and kind not in ("service", "container"):
        yield (
            ERROR,
            _fault(
                project,
                path,
                f"`network_mode: {mode}`: there is no such network outside of projects",
                "remove `network_mode`: the project's own network is the default",
            ),
        )
    if service.ports and kind in ("service", "container", "none"):
        yield (
            ERROR,
            _fault(
                project,
                ("services", service.name, "ports"),
                f"ports cannot be published with `network_mode: {mode}`",
                "publish them at the service whose network this one shares",
            ),
        )
    if service.ports and mode == "host":
        yield (
            WARNING,
            _fault(
                project,
                ("services", service.name, "ports"),
                "published ports are discarded when using host network mode",
            ),
        )


def _ports(project: Project, service: Service) -> Iterator[Finding]:
    for index, port in enumerate(service.ports):
        path = ("services", service.name, "ports", index)
        if port.protocol == "sctp":
            yield (
                ERROR,
                _fault(project, path, "ports of SCTP cannot be published", "TCP and UDP can"),
            )
        is_fixed = port.published and "-" not in port.published
        if is_fixed and service.replicas > 1 and service.network_mode != "host":
            yield (
                ERROR,
                _fault(
                    project,
                    path,
                    f"{service.replicas} replicas cannot share host port {port.published}",
                    f"publish a range, or any free port: `- {port.target}`",
                ),
            )


def _port_numbers(project: Project, service: Service) -> Iterator[Finding]:
    """Those of the long syntax, which the reading of files passes on as they are."""
    for index, port in enumerate(service.ports):
        path = ("services", service.name, "ports", index)
        if port.target > HIGHEST_PORT:
            message = f"`target: {port.target}` is no port"
            yield ERROR, _fault(project, (*path, "target"), message, _PORTS)
        if port.published and not _is_range(port.published):
            message = f"`published: {port.published}` is no port"
            yield ERROR, _fault(project, (*path, "published"), message, _PORTS)


def _is_range(text: str) -> bool:
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first]
    if not all(number.isdecimal() and len(number) < 6 for number in numbers):
        return False
    return int(first) <= int(numbers[-1]) <= HIGHEST_PORT


def _replicas(project: Project, service: Service) -> Iterator[Finding]:
    """A number that was meant otherwise must not fill the memory with plans."""
    if service.replicas > MOST_REPLICAS:
        message = f"{service.replicas} replicas are more than {MOST_REPLICAS}"
        yield ERROR, _fault(project, ("services", service.name), message, "write a smaller number")


def _port_words(project: Project, service: Service) -> Iterator[Finding]:
    """What of a port only clusters and proxies read."""
    for index, port in enumerate(service.ports):
        path = ("services", service.name, "ports", index)
        if port.mode == "host":
            yield WARNING, _fault(project, (*path, "mode"), f"`mode: host` of a port {_SWARM}")
        for name in ("name", "app_protocol"):
            if getattr(port, name):
                message = f"`{name}` of a port is read by no proxy here, and does nothing"
                yield WARNING, _fault(project, (*path, name), message)


def _mounts(project: Project, service: Service) -> Iterator[Finding]:
    for index, mount in enumerate(service.volumes):
        if mount.type in ("npipe", "cluster"):
            path = ("services", service.name, "volumes", index)
            yield (
                ERROR,
                _fault(
                    project,
                    path,
                    f"mounts of type {mount.type} cannot be made",
                    "use bind or volume",
                ),
            )


def _file_references(project: Project, service: Service) -> Iterator[tuple[str, int, Any, Any]]:
    """(secret or config, index, reference, what it refers to)."""
    for index, secret in enumerate(service.secrets):
        if secret.source in project.secrets:
            yield "secret", index, secret, project.secrets[secret.source]
    for index, config in enumerate(service.configs):
        if config.source in project.configs:
            yield "config", index, config, project.configs[config.source]


def _files(project: Project, service: Service) -> Iterator[Finding]:
    for kind, index, reference, source in _file_references(project, service):
        if source.external or getattr(source, "driver", "") or source.template_driver:
            message = f"unsupported external {kind} {reference.source}"
            hint = f"a {kind} comes from `file` or `environment`"
            yield ERROR, _fault(project, (f"{kind}s", reference.source), message, hint)
        elif source.environment and source.content is None:
            variable = (f"{kind}s", reference.source, "environment")
            message = (
                f"environment variable `{source.environment}` required by {kind}"
                f" `{reference.source}` is not set"
            )
            hint = f"set it in the shell or in `.env`: {source.environment}=..."
            yield ERROR, _fault(project, variable, message, hint)
        for owner in ("uid", "gid"):
            if not (getattr(reference, owner) or "0").isdigit():
                path = ("services", service.name, f"{kind}s", index)
                yield ERROR, _fault(project, path, f"`{owner}` of a {kind} must be a number")


def _healthcheck(project: Project, service: Service) -> Iterator[Finding]:
    check = service.healthcheck
    if check is not None and check.start_interval and not check.start_period:
        yield (
            ERROR,
            _fault(
                project,
                ("services", service.name, "healthcheck", "start_interval"),
                "healthcheck.start_interval requires healthcheck.start_period to be set",
                "add `start_period`",
            ),
        )


def _empty_test(project: Project, service: Service) -> Iterator[Finding]:
    """It would never be asked, and be waited for."""
    check = service.healthcheck
    if check is not None and not check.disable and check.test in (("CMD",), ("CMD-SHELL",)):
        path = ("services", service.name, "healthcheck", "test")
        message = "the healthcheck names no command"
        yield ERROR, _fault(project, path, message, 'write ["CMD", PROGRAM, ...]')


def _logging(project: Project, service: Service) -> Iterator[Finding]:
    if service.logging is not None and service.logging.driver not in LOG_DRIVERS:
        yield (
            WARNING,
            _fault(
                project,
                ("services", service.name, "logging", "driver"),
                f"there is no log driver `{service.logging.driver}`: output is kept here",
                f"one of {', '.join(LOG_DRIVERS[1:])}",
            ),
        )


def _restart(project: Project, service: Service) -> Iterator[Finding]:
    """One that nobody knows would be none, in silence."""
    name, colon, retries = service.restart.partition(":")
    path = ("services", service.name, "restart")
    if name not in ("", *RESTART_POLICIES):
        message = f"`restart: {service.restart}` is no policy"
        yield ERROR, _fault(project, path, message, f"one of {', '.join(RESTART_POLICIES)}")
    elif colon and (name != "on-failure" or not retries.isdecimal()):
        message = f"`restart: {service.restart}`: only `on-failure` takes a number"
        yield ERROR, _fault(project, path, message, "as in `on-failure:3`")
    policy = service.deploy and service.deploy.restart_policy
    if policy and policy.condition not in ("", "any", "none", *RESTART_POLICIES):
        where = ("services", service.name, "deploy", "restart_policy", "condition")
        message = f"`condition: {policy.condition}` is no policy"
        yield ERROR, _fault(project, where, message, "one of any, none, on-failure")


def _hooks(project: Project, service: Service) -> Iterator[Finding]:
    for index, hook in enumerate(service.pre_start):
        if hook.per_replica:
            path = ("services", service.name, "pre_start", index, "per_replica")
            yield (
                ERROR,
                _fault(project, path, "hooks run once per service: `per_replica` cannot be true"),
            )


def _build(project: Project, service: Service) -> Iterator[Finding]:
    """Its image is here, or it is refused elsewhere: it may be older than what would be built."""
    if service.pull_policy == "build" and service.build is not None:
        path = ("services", service.name, "pull_policy")
        message = (
            "`pull_policy: build`: nothing is built in this version, the image is used as it is"
        )
        yield WARNING, _fault(project, path, message)


_CHECKS: tuple[Callable[[Project, Service], Iterator[Finding]], ...] = (
    _network_mode,
    _ports,
    _port_numbers,
    _port_words,
    _replicas,
    _mounts,
    _files,
    _healthcheck,
    _empty_test,
    _logging,
    _restart,
    _hooks,
    _build,
)


def _missing_sources(
    project: Project, service: Service, missing: Collection[str]
) -> Iterator[Finding]:
    """Files of the host that must be there."""
    for key in dict.fromkeys(m.source for m in service.volumes if m.type == "volume" and m.source):
        volume = project.volumes.get(key)
        if volume is not None and volume.driver_opts.get("device", "") in missing:
            message = f"the folder of volume {key} does not exist: {volume.driver_opts['device']}"
            hint = "make it: what `device` names is not made"
            yield (
                ERROR,
                _fault(project, ("volumes", key, "driver_opts", "device"), message, hint, "E251"),
            )
    for index, mount in enumerate(service.volumes):
        if mount.type == "bind" and mount.source in missing:
            path = ("services", service.name, "volumes", index)
            hint = "make it, or use the short form, which makes a folder"
            message = f"bind source path does not exist: {mount.source}"
            yield ERROR, _fault(project, path, message, hint, "E251")
    for index, entry in enumerate(service.security_opt):
        if (file := seccomp_file(entry, project.working_dir)) in missing:
            path = ("services", service.name, "security_opt", index)
            message = f"seccomp profile does not exist: {file}"
            yield ERROR, _fault(project, path, message, code="E251")
    for kind, _index, reference, source in _file_references(project, service):
        if source.file in missing:
            message = f"{kind} file does not exist: {source.file}"
            place = (f"{kind}s", reference.source, "file")
            yield ERROR, _fault(project, place, message, code="E251")


# --- the rest of the project


def _of_project(project: Project, selected: list[Service]) -> Iterator[Finding]:
    yield from _container_names(project, selected)
    for key in dict.fromkeys(key for service in selected for key in service.networks):
        network = project.networks[key]
        if network.driver not in ("", "bridge") and not network.external:
            yield (
                ERROR,
                _fault(
                    project,
                    ("networks", key, "driver"),
                    f"there is no network driver `{network.driver}`, only `bridge`",
                ),
            )
        if network.name in PREDEFINED_NETWORKS:
            yield (
                ERROR,
                _fault(
                    project,
                    ("networks", key),
                    f"`{network.name}` is a mode here, and no network",
                    f"write `network_mode: {network.name}` in the service",
                ),
            )
        ipam = network.ipam
        if ipam is not None and ipam.driver not in ("", "default"):
            message = f"there is no driver `{ipam.driver}` for addresses"
            yield ERROR, _fault(project, ("networks", key, "ipam", "driver"), message)
        if ipam is not None and ipam.options:
            message = "`options` are for drivers of addresses, and there are none here"
            yield WARNING, _fault(project, ("networks", key, "ipam", "options"), message)
        if network.driver in ("", "bridge") and not network.external:
            yield from _bridge_options(project, key, network)
    yield from _file_words(project, selected)
    yield from _volume_drivers(project, selected)


def _bridge_options(project: Project, key: str, network: Network) -> Iterator[Finding]:
    """Docker's engine takes every word, and acts on those that its driver knows."""
    for name, value in network.driver_opts.items():
        path = ("networks", key, "driver_opts", name)
        if name in GATEWAY_MODES and value in ("routed", "isolated"):
            hint = (
                "`internal: true` keeps a network from the outside" if value == "isolated" else ""
            )
            message = f"the gateway mode `{value}` is not possible here, only `nat`"
            yield ERROR, _fault(project, path, message, hint)
        elif name == _MTU and not value.isdecimal():
            yield ERROR, _fault(project, path, f"`{value}` is no number of bytes")
        elif name not in (*GATEWAY_MODES, *BRIDGE_OPTIONS):
            message = f"`{name}` is no option of a bridge here, and does nothing"
            yield WARNING, _fault(project, path, message)


def _volume_drivers(project: Project, selected: list[Service]) -> Iterator[Finding]:
    """Of volumes that are mounted: the others are not made."""
    mounts = (mount for service in selected for mount in service.volumes)
    for key in dict.fromkeys(mount.source for mount in mounts if mount.type == "volume"):
        volume = project.volumes.get(key)
        if volume and volume.driver not in ("", "local") and not volume.external:
            message = f"there is no volume driver `{volume.driver}`, only `local`"
            yield ERROR, _fault(project, ("volumes", key, "driver"), message)


def _file_words(project: Project, selected: list[Service]) -> Iterator[Finding]:
    """What of secrets and configs only a cluster, which keeps them, acts on."""
    used = {
        (kind, reference.source): source
        for service in selected
        for kind, _index, reference, source in _file_references(project, service)
    }
    for (kind, key), source in used.items():
        section = f"{kind}s"
        said = {name: getattr(source, name, None) for name in ("labels", "driver_opts")}
        if not source.external and source.name not in ("", key, f"{project.name}_{key}"):
            said["name"] = source.name
        for name in (name for name, value in said.items() if value):
            message = f"`{name}` of a {kind} {_SWARM}"
            yield WARNING, _fault(project, (section, key, name), message)


def _container_names(project: Project, selected: list[Service]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for service in selected:
        name = service.container_name
        if name and name in first:
            yield (
                ERROR,
                _fault(
                    project,
                    ("services", service.name, "container_name"),
                    f'container name "{name}" is already in use by service {first[name]}',
                ),
            )
        first.setdefault(name, service.name)
