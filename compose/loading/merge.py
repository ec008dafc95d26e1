"""Two trees -> one, by each attribute's own rule, else by the general one.

The general rule: a null override keeps the base, mappings merge key by key, lists are appended,
scalars are replaced. Source: 8.1 of the Compose file reference.
"""

from __future__ import annotations

from compose.errors import Path
from compose.loading.report import Report
from compose.model.attribute import Attribute
from compose.tree import Node, Refused, Step


def merge(
    base: Node, override: Node, shape: Attribute | None, report: Report, path: Path = ()
) -> Node:
    """The override laid over the base; the two stay as they are."""
    if shape is not None and shape.merge is not None:
        merged: Node | tuple[Node, Node] | None = None
        with report.collecting(path):
            merged = shape.merge(base, override)
        if merged is None:  # refused
            return base
        if isinstance(merged, Node):
            return replacing(base, merged)
        base, override = merged
    if override.value is None:
        return base
    if isinstance(base.value, dict):
        return _merge_mappings(base, override, shape, report, path)
    if isinstance(base.value, list):
        return _merge_lists(base, override, report, path)
    return replacing(base, override)


def _merge_mappings(
    base: Node, override: Node, shape: Attribute | None, report: Report, path: Path
) -> Node:
    if not isinstance(override.value, dict):
        _refuse(base, override, "a mapping", report, path)
        return base
    children = dict(base.mapping)
    for name, child in override.value.items():
        known = children.get(name)
        if known is None:
            children[name] = child
        else:
            inside = shape.inside(name) if shape else None
            children[name] = merge(known, child, inside, report, (*path, name))
    return base.derived(children)


def _merge_lists(base: Node, override: Node, report: Report, path: Path) -> Node:
    if not isinstance(override.value, list):
        _refuse(base, override, "a list", report, path)
        return base
    return base.derived([*base.items, *override.items])


def _refuse(base: Node, override: Node, kind: str, report: Report, path: Path) -> None:
    report.refuse(
        "E090",
        f"{kind} cannot be overridden by something else",
        override.origin,
        path,
        trail=(("first given at", base.named_at),),
    )


def replacing(base: Node, winner: Node) -> Node:
    """The winner as it stands in place of the base: origin says what it replaced."""
    if winner is base or winner.origin is base.origin:
        return winner
    origin = winner.origin.through(Step("override", "of an earlier value", base.origin))
    return Node(winner.value, origin, winner.key)


def remove(root: Node, path: Path) -> None:
    """Take a path out of a tree (`!reset`, `!override`); a path that leads nowhere changes
    nothing."""
    node: Node | None = root
    for part in path[:-1]:
        node = node.get(part) if node is not None and isinstance(part, str) else None
    if node is not None and isinstance(node.value, dict) and path:
        node.value = {name: child for name, child in node.value.items() if name != path[-1]}


__all__ = ["Refused", "merge", "remove"]
