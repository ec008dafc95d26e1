"""Lists whose items have an identity: the last definition wins, at the place of the first.

Source: 8.2 of the Compose file reference. Runs before and after the canonical form.
"""

from __future__ import annotations

from collections.abc import Hashable

from compose.errors import Path
from compose.loading.merge import replacing
from compose.loading.report import Report
from compose.model.attribute import Attribute, Somewhere
from compose.tree import Node, Refused


def keep_last(node: Node, shape: Attribute, report: Report, path: Path = ()) -> None:
    """Drop what a later item replaces, in place, at every depth."""
    if shape.identity is not None and isinstance(node.value, list):
        with report.collecting(path):
            node.value = _unique(node, shape, report, path)
    if shape.of is None:
        return
    if shape.many == "list":
        children = [(index, shape.inside(index), item) for index, item in enumerate(node.items)]
        for index, inside, item in children:
            if inside is not None:
                keep_last(item, inside, report, (*path, index))
        return
    for name, child in node.mapping.items():
        inside = shape.inside(name)
        if inside is not None and _has_lists(inside):
            keep_last(child, inside, report, (*path, name))


def _unique(node: Node, shape: Attribute, report: Report, path: Path) -> list[Node]:
    places: dict[Hashable, int] = {}
    kept: list[Node] = []
    for index, item in enumerate(node.items):
        try:
            key = shape.identity(item, path) if shape.identity else index
        except Refused as refused:
            report.take(refused, (*path, index))
            continue
        if key.__class__ is dict or key.__class__ is list:
            key = id(item)  # refused by the schema, which comes next
        if key in places:
            kept[places[key]] = replacing(kept[places[key]], item)
        else:
            places[key] = len(kept)
            kept.append(item)
    return kept


_has_lists = Somewhere(lambda shape: shape.identity is not None)
