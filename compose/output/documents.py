"""What `config` prints: a Project, or the tree before it, as JSON or YAML in Docker's forms.

Docker prints what its own data types hold; the order of their fields and their habits are the
tables here and nowhere else. Source: section 17 of the Compose file reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from compose.errors import NotFound
from compose.model.attribute import replace, table_of
from compose.model.project import Project
from compose.model.service import Service
from compose.model.units import print_duration, print_scalar
from compose.output.json_text import to_json
from compose.output.yaml_text import natural, to_yaml
from compose.tree import Node

# ---- the tables
# ----------------------------------------------------------------------------------

ORDER: dict[str, str] = {
    "Project": "name services networks volumes secrets configs models",
    "Service": (
        "profiles annotations attach build develop blkio_config cap_add cap_drop cgroup_parent"
        " cgroup cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpus"
        " cpuset cpu_shares command configs container_name credential_spec depends_on deploy"
        " device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint provider"
        " environment env_file expose extends external_links extra_hosts group_add gpus hostname"
        " healthcheck image init ipc isolation labels label_file links logging mem_limit"
        " mem_reservation memswap_limit mem_swappiness mac_address models network_mode networks"
        " oom_kill_disable oom_score_adj pid pids_limit platform ports privileged pull_policy"
        " read_only restart runtime scale secrets security_opt shm_size stdin_open"
        " stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user"
        " userns_mode uts volumes volumes_from working_dir pre_start post_start pre_stop"
    ),
    "Build": (
        "context dockerfile dockerfile_inline entitlements args provenance sbom ssh labels"
        " cache_from cache_to no_cache no_cache_filter additional_contexts pull extra_hosts"
        " isolation network target secrets shm_size tags ulimits platforms privileged"
    ),
    "Deploy": (
        "mode replicas labels update_config rollback_config resources restart_policy placement"
        " endpoint_mode"
    ),
    "RestartPolicy": "condition delay max_attempts window",
    "Healthcheck": "test timeout interval retries start_period start_interval disable",
    "Hook": "command user privileged working_dir environment",
    "StartHook": "command image user privileged working_dir environment per_replica",
    "Port": "name mode host_ip target published protocol app_protocol",
    "Dependency": "condition restart required",
    "BindOptions": "selinux propagation create_host_path recursive",
    "VolumeOptions": "labels nocopy subpath",
    "ServiceNetwork": (
        "aliases driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips"
        " mac_address priority"
    ),
    "Network": (
        "name driver driver_opts ipam external internal attachable labels enable_ipv4 enable_ipv6"
    ),
    "Secret": "name file environment external labels driver driver_opts template_driver",
    "Config": "name file environment content external labels template_driver",
    "Watch": "path action target exec include ignore initial_sync",
}
"""Class -> its attributes as Docker orders them; other classes are printed as they are declared."""

KEPT_WHEN_ZERO: dict[str, str] = {
    "Service": "scale init attach stop_grace_period",
    "Deploy": "replicas",
    "UpdateConfig": "parallelism",
    "RestartPolicy": "delay max_attempts window",
    "Healthcheck": "interval timeout retries start_period start_interval",
    "Network": "enable_ipv4 enable_ipv6",
    "Dependency": "required",
    "DiscreteResource": "kind value",
    "FileReference": "mode",
    "SecretReference": "mode",
    "EnvFile": "required",
}
"""Attributes that Docker prints when they are given, though they be 0 or false."""

NULL_IN_JSON: dict[str, str] = {
    "Service": "command entrypoint",
    "Hook": "command",
    "StartHook": "command",
}
"""Attributes that Docker's JSON prints as null when they are not given."""

EMPTY_IN_JSON: dict[str, str] = {
    "Network": "ipam",
    "Deploy": "resources placement",
    "Watch": "exec",
}
"""Parts that Docker's JSON prints always, and its YAML only with something in them."""

EMPTY_KEPT = ("command", "entrypoint", "test")
"""Lists that are printed though empty: [] means something else than nothing."""

TOP_LEVEL_ALWAYS = ("name", "services")


# ---- Project -> plain values
# -----------------------------------------------------------------------------


class _Form:
    """What differs between the two outputs."""

    def __init__(self, *, json: bool) -> None:
        self.json = json

    def sort(self, names: Any) -> list[str]:
        return sorted(names) if self.json else natural(names)


def project_json(project: Project, *, escape: bool = True) -> str:
    """`config --format json`."""
    form = _Form(json=True)
    plain = _project(project, form)
    text = to_json({name: plain[name] for name in sorted(plain)})
    return escape_dollars(text) if escape else text


def project_yaml(project: Project, *, escape: bool = True) -> str:
    """`config`."""
    text = to_yaml(plain(project))
    return escape_dollars(text) if escape else text


def plain(project: Project) -> dict[str, Any]:
    """The model as dicts, lists and scalars, in the order of the YAML form."""
    return _project(project, _Form(json=False))


def without_env_files(project: Project) -> Project:
    """What env files and label files held stands in `environment` and `labels`."""
    return _with_services(project, lambda service: {"env_file": (), "label_file": ()})


def images_of(project: Project) -> list[str]:
    """The images that services name, each once."""
    return list(dict.fromkeys(s.image for s in project.services.values() if s.image))


def pinned(project: Project, names: Mapping[str, str]) -> Project:
    """Each image under the name that `names` has for it."""
    return _with_services(
        project, lambda service: {"image": names.get(service.image, service.image)}
    )


def images_alone(project: Project) -> Project:
    """An override file that says which images services use, and nothing else."""
    services = {
        name: Service(name=name, image=service.image)
        for name, service in project.services.items()
        if service.image
    }
    return Project(name="", services=services)


def _with_services(project: Project, changed: Callable[[Service], dict[str, Any]]) -> Project:
    services = {
        name: replace(service, **changed(service)) for name, service in project.services.items()
    }
    return replace(project, services=services)


def escape_dollars(text: str) -> str:
    """So that the output can be loaded again."""
    return text.replace("$", "$$")


def _project(project: Project, form: _Form) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name in ORDER["Project"].split():
        value = _mapped(getattr(project, name), form) if name != "name" else project.name
        if value or (name in TOP_LEVEL_ALWAYS and (form.json or name != "name")):
            plain[name] = value
    for name in form.sort(project.extensions):
        held = project.extensions[name]
        plain[name] = None if form.json and held == [] else _free(held, form)
    return plain


def _mapped(values: Mapping[str, Any], form: _Form) -> dict[str, Any]:
    return {name: _value(values[name], "", form) for name in form.sort(values)}


def _object(value: Any, form: _Form) -> Any:
    cls = value.__class__
    special = _SPECIAL.get(cls.__name__)
    if special is not None:
        return special(value, form)
    plain: dict[str, Any] = {}
    for name, annotation in _fields(cls):
        child = getattr(value, name)
        only_in_json = name in EMPTY_IN_JSON.get(cls.__name__, "").split()
        if _is_shown(cls.__name__, name, child, form):
            shown = _value(child, annotation, form)
            if shown or form.json or not only_in_json:
                plain[name] = shown
        elif form.json and only_in_json:
            plain[name] = {"command": None} if name == "exec" else {}
    if not form.json:
        for name in form.sort(getattr(value, "extensions", ())):
            plain[name] = _free(value.extensions[name], form)
    return plain


_FIELDS: dict[str, list[tuple[str, str]]] = {}


def _fields(cls: type) -> list[tuple[str, str]]:
    """(name, annotation) of the attributes of a class in Docker's order."""
    found = _FIELDS.get(cls.__name__)
    if found is None:
        table = table_of(cls)
        names = ORDER.get(cls.__name__, "").split() or [n for n, a in table.items() if a.written]
        found = _FIELDS[cls.__name__] = [(name, table[name].annotation) for name in names]
    return found


def _is_shown(owner: str, name: str, value: Any, form: _Form) -> bool:
    if value is None:
        return form.json and name in NULL_IN_JSON.get(owner, "").split()
    if value or name in KEPT_WHEN_ZERO.get(owner, "").split():
        return not (owner == "EnvFile" and name == "required" and not value)
    return value == () and name in EMPTY_KEPT


_LEAVES = frozenset({str, int, float, bool, type(None)})


def _value(value: Any, annotation: str, form: _Form) -> Any:
    printer = _PRINTERS.get(annotation)
    if printer is not None and value is not None:
        return printer(value)
    if value.__class__ in _LEAVES:
        return value
    if isinstance(value, Mapping):
        return _mapped(value, form)
    if isinstance(value, tuple | list):
        return [_value(item, "", form) for item in value]
    if hasattr(value.__class__, "__attributes__"):
        return _object(value, form)
    return value


def _free(value: Any, form: _Form) -> Any:
    """What an `x-` key holds."""
    if isinstance(value, Mapping):
        return {name: _free(value[name], form) for name in form.sort(value)}
    if isinstance(value, list):
        return [_free(item, form) for item in value]
    return value


# ---- habits of single types
# ------------------------------------------------------------------------------


def _hosts(hosts: Mapping[str, tuple[str, ...]]) -> list[str]:
    return sorted(f"{name}={address}" for name, found in hosts.items() for address in found)


def _ssh_keys(keys: Mapping[str, str]) -> list[str]:
    return [f"{name}={path}" if path else name for name, path in sorted(keys.items())]


def _cpus(text: str) -> Any:
    number = float(text)
    return int(number) if number.is_integer() else number


def _mode(mode: int) -> str:
    return f"{mode:04o}" if mode >= 0 else f"-{-mode:03o}"


_PRINTERS: dict[str, Callable[[Any], Any]] = {
    "Bytes | None": str,
    "Seconds | None": print_duration,
    "FileMode | None": _mode,
    "CpuText": _cpus,
    "Hosts": _hosts,
    "SshKeys": _ssh_keys,
}
"""Annotation -> how its values are printed."""


def _ulimit(limit: Any, form: _Form) -> Any:
    return limit.soft if limit.single else {"soft": limit.soft, "hard": limit.hard}


_SPECIAL: dict[str, Callable[[Any, _Form], Any]] = {"Ulimit": _ulimit}


# ---- the tree before binding
# -----------------------------------------------------------------------------


def narrowed(tree: Node, names: Iterable[str]) -> Node:
    """The tree with these services alone; all when none is named. Raises NotFound."""
    services = tree.get("services")
    wanted = set(names)
    known = services.mapping if services is not None else {}
    for name in wanted - known.keys():
        raise NotFound(f"no such service: {name}", code="E050")
    if not wanted or services is None:
        return tree
    kept = services.derived({name: node for name, node in known.items() if name in wanted})
    return tree.derived({**tree.mapping, "services": kept})


def _images(tree: Node) -> Iterator[Node]:
    """The `image` of each service that names no variable."""
    services = tree.get("services")
    for service in services.mapping.values() if services is not None else ():
        image = service.get("image")
        if image is not None and image.text and "$" not in image.text:
            yield image


def images_in(tree: Node) -> list[str]:
    """The images that services of a tree name, each once."""
    return list(dict.fromkeys(image.text for image in _images(tree)))


def pinned_tree(tree: Node, names: Mapping[str, str]) -> Node:
    """Each image under the name that `names` has for it; one with a variable stays."""
    tree = tree.copy()
    for image in _images(tree):
        image.value = names.get(image.text, image.value)
    return tree


def image_nodes_alone(tree: Node) -> Node:
    """As `images_alone`, for what is not interpolated."""
    services = tree.get("services")
    found = {
        name: service.derived({"image": image})
        for name, service in (services.mapping if services is not None else {}).items()
        if (image := service.get("image")) is not None
    }
    return tree.derived({"services": Node(dict(found), tree.origin)})


def tree_json(tree: Node) -> str:
    """`config --no-interpolate --format json`."""
    return to_json(_free(tree.plain, _Form(json=True)))


def tree_yaml(tree: Node) -> str:
    """`config --no-interpolate`: as written, in long forms, keys sorted."""
    return to_yaml(_free(tree.plain, _Form(json=False)))


__all__ = ["print_scalar", "project_json", "project_yaml", "tree_json", "tree_yaml"]
