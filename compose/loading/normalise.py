"""What every model has though no file says it: names, the default network, implicit dependencies.

Also values that come from the environment. Works on the tree, after the last file. Source: 12.4 and
13.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compose.loading.environment import Environment
from compose.model.lifecycle import STARTED
from compose.model.mounts import clean
from compose.tree import Node, Origin, Scalar, Step

NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
"""Attributes that may share a namespace of another service."""
_NAMED = ("networks", "volumes", "configs", "secrets")


Contents = dict[tuple[str, str], Node]
"""(section, name) -> what a secret or config from a variable holds."""


def resolve_values(root: Node, environment: Environment) -> Contents:
    """`KEY` in a list of `environment` -> `KEY=value`, in place; and the contents of secrets and
    configs from variables, apart: an included model still has to pass the schema."""
    for service in _services(root):
        _resolve_list(service.get("environment"), environment)
    return dict(_contents(root, environment))


def _contents(root: Node, environment: Environment) -> Iterator[tuple[tuple[str, str], Node]]:
    for section in ("configs", "secrets"):
        found = root.get(section)
        for name, resource in (found.mapping if found is not None else {}).items():
            source = resource.get("environment")
            if source is not None and source.text in environment:
                origin = _from(source.origin, source.text, environment)
                yield (section, name), Node(environment[source.text], origin)


def put_contents(root: Node, contents: Contents) -> None:
    """Write them into the whole model."""
    for (section, name), content in contents.items():
        found = root.get(section)
        resource = found.get(name) if found is not None else None
        if resource is not None and resource.get("environment") is not None:
            resource.mapping["content" if section == "configs" else CONTENT] = content


def _resolve_list(node: Node | None, environment: Environment) -> None:
    if node is None or not isinstance(node.value, list):
        return
    node.value = [_resolved(item, environment) for item in node.items]


def _resolved(item: Node, environment: Environment) -> Node:
    name = item.value
    if not isinstance(name, str) or "=" in name or name not in environment:
        return item
    return Node(f"{name}={environment[name]}", _from(item.origin, name, environment))


CONTENT = "\0content"
"""Where the tree keeps what a secret holds; no file can write this key."""


def _from(origin: Origin, name: str, environment: Environment) -> Origin:
    return origin.through(Step("environment", name, environment.place_of(name)))


# ---- normal form
# -----------------------------------------------------------------------------------------


def normalise(root: Node, project_name: str, environment: Environment) -> None:
    """Bring the model into its normal form, in place."""
    _default_network(root)
    for service in _services(root):
        _normalise_service(service, environment)
    _name_resources(root, project_name)


def _services(root: Node) -> Iterator[Node]:
    return _entries(root, "services")


def _entries(root: Node, section: str) -> Iterator[Node]:
    found = root.get(section)
    if found is not None:
        yield from (node for node in found.mapping.values() if isinstance(node.value, dict))


def _default_network(root: Node) -> None:
    users = [s for s in _services(root) if _uses_default(s)]
    if not users:
        return
    networks = root.get("networks")
    if networks is None or networks.value is None:
        networks = root.mapping["networks"] = Node({}, _implied(users[0]))
    networks.mapping.setdefault("default", Node(None, _implied(users[0])))


def _uses_default(service: Node) -> bool:
    if service.get("provider") is not None or service.get("network_mode") is not None:
        return False
    networks = service.get("networks")
    if networks is None or not networks.mapping:
        origin = _implied(service)
        service.mapping["networks"] = Node({"default": Node(None, origin)}, origin)
        return True
    return "default" in networks.mapping


def _implied(node: Node) -> Origin:
    return node.named_at.through(Step("default", ""))


def _normalise_service(service: Node, environment: Environment) -> None:
    policy = service.get("pull_policy")
    if policy is not None and policy.value == "if_not_present":
        policy.value = "missing"
    _normalise_build(service.get("build"), environment)
    _resolve_mapping(service.get("environment"), environment, keep=True)
    _depend(service)
    volumes = service.get("volumes")
    for mount in volumes.items if volumes is not None else []:
        target = mount.get("target")
        if target is not None and isinstance(target.value, str):
            target.value = clean(target.value)
    _hook_images(service)


def _normalise_build(build: Node | None, environment: Environment) -> None:
    if build is None or not isinstance(build.value, dict):
        return
    if build.get("dockerfile") is None and build.get("dockerfile_inline") is None:
        build.value["dockerfile"] = Node("Dockerfile", _implied(build))
    _resolve_mapping(build.get("args"), environment, keep=False)


def _resolve_mapping(node: Node | None, environment: Environment, *, keep: bool) -> None:
    """Names without a value take the variable's; without one they stay null, or go."""
    if node is None:
        return
    if isinstance(node.value, list):
        items = [_resolved(item, environment) for item in node.items]
        node.value = [i for i in items if keep or "=" in i.text]
        return
    for name, child in list(node.mapping.items()):
        if child.value is not None:
            continue
        if name in environment:
            origin = _from(child.named_at, name, environment)
            node.mapping[name] = Node(environment[name], origin, child.key)
        elif not keep:
            del node.mapping[name]


def _depend(service: Node) -> None:
    found = service.get("depends_on")
    declared = found.mapping if found is not None else {}
    implied: dict[str, Node] = {}
    for name, dependency in _dependencies(service):
        if name not in declared:
            implied.setdefault(name, dependency)
    if not implied:
        return
    if found is None or not isinstance(found.value, dict):
        service.mapping["depends_on"] = Node(implied, _implied(service))
    else:
        found.value = {**declared, **implied}


def _dependencies(service: Node) -> Iterator[tuple[str, Node]]:
    """Services that links, shared namespaces and volumes_from need."""
    for link in _items(service, "links"):
        yield link.text.partition(":")[0], _dependency(link, restart=True)
    for name in NAMESPACES:
        shared = service.get(name)
        if shared is not None and shared.text.startswith("service:"):
            yield shared.text.removeprefix("service:"), _dependency(shared, restart=True)
    for source in _items(service, "volumes_from"):
        if not source.text.startswith("container:"):
            yield source.text.partition(":")[0], _dependency(source, restart=False)


def _items(service: Node, name: str) -> list[Node]:
    found = service.get(name)
    return [item for item in found.items if item.text] if found is not None else []


def _dependency(source: Node, *, restart: bool) -> Node:
    origin = source.origin.through(Step("default", ""))
    values: Mapping[str, Scalar] = {"condition": STARTED, "restart": restart, "required": True}
    return Node(
        {name: Node(value, origin) for name, value in values.items()}, origin, source.origin
    )


def _hook_images(service: Node) -> None:
    image = service.get("image")
    for hook in _mappings(service, "pre_start"):
        if image is not None and hook.get("image") is None:
            hook.mapping["image"] = Node(image.value, image.origin)


def _mappings(service: Node, name: str) -> list[Node]:
    found = service.get(name)
    return [i for i in found.items if isinstance(i.value, dict)] if found is not None else []


def _name_resources(root: Node, project_name: str) -> None:
    for section in _NAMED:
        found = root.get(section)
        for key, resource in (found.mapping if found is not None else {}).items():
            if resource.value is None:
                resource.value = {}
            external = resource.get("external")
            outside = external is not None and external.value is True
            if isinstance(resource.value, dict) and resource.get("name") is None:
                name = key if outside else f"{project_name}_{key}"
                resource.value["name"] = Node(name, _implied(resource))
