"""What runs: command, entrypoint, environment, env_file, logging, provider.

Leaves splitting and resolving to loading/ (bind.py, env_files.py). Source: 11, 14, 15.2 and 15.3.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.shapes import HostPath
from compose.tree import Node


def env_file_forms(node: Node, _path: Path) -> Node:
    """Text or a list of texts -> a list of {path, required}."""
    items = node.items if isinstance(node.value, list) else [Node(node.value, node.origin)]
    return node.derived([_env_file_form(item) for item in items])


def _env_file_form(item: Node) -> Node:
    if isinstance(item.value, str):
        return item.derived({"path": Node(item.value, item.origin)} | _required(item))
    if isinstance(item.value, dict) and "required" not in item.value:
        return item.derived(dict(item.value) | _required(item))
    return item


def _required(item: Node) -> dict[str, Node]:
    return {"required": Node(True, item.origin)}


def env_file_key(item: Node, _path: Path) -> object:
    """The path."""
    path = item.get("path")
    return path.value if path is not None and not path.items else id(item)


def merged_logging(base: Node, override: Node) -> Node | tuple[Node, Node]:
    """The same driver, or none named on one side: key by key; another driver replaces the whole."""
    drivers = [side.get("driver") for side in (base, override)]
    if all(drivers) and drivers[0].value != drivers[1].value:  # type: ignore[union-attr]
        return override
    return base, override


@attributes
class EnvFile:
    """A file of `KEY=value` lines that feeds the environment.

    `format` is empty (the dotenv grammar) or `raw` (no quotes, no expansion).
    """

    path: HostPath = attribute()
    required: bool = attribute(default=True)
    format: str = ""


@attributes
class Logging:
    """Where the output of a container goes."""

    driver: str = ""
    options: Mapping[str, str] = EMPTY
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Provider:
    """An external program that runs the service's lifecycle in place of containers."""

    type: str = attribute()
    options: Mapping[str, tuple[str, ...]] = EMPTY
    extensions: Extensions = attribute(default=EMPTY, written=False)
