"""Short forms -> long forms, as each attribute says. Source: 10 of the Compose file reference."""

from __future__ import annotations

from collections.abc import Callable

from compose.errors import Path
from compose.loading.report import Report
from compose.model.attribute import NOTHING, Attribute, Somewhere, table_of
from compose.tree import Node, Refused

_LONGEST_LIST = 32
"""Of which every wrong item is named: an item may stand for sixty thousand ports."""


def lengthen(node: Node, shape: Attribute, report: Report, path: Path = ()) -> Node:
    """The node in long form, and all below it; what is long already stays."""
    if shape.canonical is not None:
        try:
            node = shape.canonical(node, path)
        except Refused as refused:
            _refuse_each(node, shape.canonical, refused, report, path)
    if shape.of is None:
        return node
    if isinstance(node.value, list) and shape.many == "list":
        node.value = [
            _inside(item, shape, index, report, path) for index, item in enumerate(node.items)
        ]
    elif isinstance(node.value, dict):
        for name, child in node.value.items():
            node.value[name] = _inside(child, shape, name, report, path)
    return node


def _refuse_each(
    node: Node,
    canonical: Callable[[Node, Path], Node],
    refused: Refused,
    report: Report,
    path: Path,
) -> None:
    """The first wrong item of a list has ended it: the others are looked at one by one."""
    found = []
    for item in node.items if len(node.items) <= _LONGEST_LIST else ():
        try:
            canonical(Node([item], node.origin, node.key), path)
        except Refused as another:
            found.append(another)
    for one in found or [refused]:
        report.take(one, path)


def _inside(node: Node, shape: Attribute, key: str | int, report: Report, path: Path) -> Node:
    inside = shape.inside(key)
    if inside is None or (inside.canonical is None and inside.of is None):
        return node
    return lengthen(node, inside, report, (*path, key))


def imply(node: Node, shape: Attribute) -> None:
    """Write what the attributes imply where nothing is said, in place, after the last file."""
    if shape.of is None:
        return
    if isinstance(node.value, list):
        for index, item in enumerate(node.items):
            inside = shape.inside(index)
            if inside is not None:
                imply(item, inside)
        return
    if not isinstance(node.value, dict):
        return
    if shape.many == "one":
        _add_implied(node, shape.of)
    for name, child in node.value.items():
        inside = shape.inside(name)
        if inside is not None and inside.of is not None and _implies(inside):
            imply(child, inside)


_implies = Somewhere(lambda shape: shape.implied is not NOTHING)


def _add_implied(node: Node, of: type) -> None:
    for name, declared in table_of(of).items():
        if declared.implied is NOTHING or node.get(name) is not None:
            continue
        implied = declared.implied(node) if callable(declared.implied) else declared.implied
        if implied is not None:
            node.mapping[name] = Node(implied, node.origin)
