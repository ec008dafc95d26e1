"""When a service starts, counts as healthy, and stops: depends_on, healthcheck, hooks.

Source: 8.1, 10, 12 and 15.2 of the Compose file reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.shapes import Command, replaced
from compose.model.units import Natural, Seconds
from compose.tree import Node, Refused

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"

HealthTest = tuple[str, ...] | None
"""CMD, CMD-SHELL or NONE and words; text alone means CMD-SHELL."""


@attributes
class Dependency:
    """What must have happened to another service first.

    `restart`: restart me after the other was recreated or restarted by a command. `required` False:
    a dependency that is not active is no error.
    """

    condition: str = attribute(default=STARTED)
    restart: bool = False
    required: bool = True
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Healthcheck:
    """A probe inside the container; what is None is the engine's default (30s, 30s, 3, 0s, 5s)."""

    test: HealthTest = attribute(default=None, merge=replaced)
    interval: Seconds | None = None
    timeout: Seconds | None = None
    retries: Natural | None = None
    start_period: Seconds | None = None
    start_interval: Seconds | None = None
    disable: bool = False
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Hook:
    """A command inside the running container, after its start or before its stop."""

    command: Command = None
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str | None] = EMPTY
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class StartHook:
    """A container of its own that must succeed before the service starts; `image` is the service's
    by default."""

    command: Command = None
    image: str = ""
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str | None] = EMPTY
    per_replica: bool = False
    extensions: Extensions = attribute(default=EMPTY, written=False)


def dependency_map(node: Node, _path: Path) -> Node:
    """A list of names -> {NAME: {condition, required}}; mappings get the same defaults."""
    if isinstance(node.value, dict):
        return node.derived({name: _completed(child) for name, child in node.mapping.items()})
    if isinstance(node.value, list):
        return node.derived(dict(_started(item) for item in node.items))
    return node


def merged_dependencies(base: Node, override: Node) -> tuple[Node, Node]:
    """Lists become mappings, whose entries then merge key by key."""
    return _listed(base), _listed(override)


def _listed(node: Node) -> Node:
    return dependency_map(node, ()) if isinstance(node.value, list) else node


def _started(item: Node) -> tuple[str, Node]:
    if not isinstance(item.value, str):
        raise Refused("the name of a service must be text", item)
    return item.value, Node(_defaults(item), item.origin, item.origin)


def _defaults(node: Node) -> dict[str, Node]:
    return {"condition": Node(STARTED, node.origin), "required": Node(True, node.origin)}


def _completed(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    return node.derived({**_defaults(node), **node.mapping})
