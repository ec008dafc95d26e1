"""The attributes' own checks, which no schema can make. Source: 12.2 of the Compose file
reference."""

from __future__ import annotations

from compose.errors import Path
from compose.loading.report import Report
from compose.model.attribute import Attribute, Somewhere
from compose.tree import Node


def check(node: Node, shape: Attribute, report: Report, path: Path = ()) -> None:
    """Ask every attribute about its value; all refusals are collected."""
    if shape.check is not None and shape.many == "one":
        with report.collecting(path):
            shape.check(node, path)
    if shape.of is None:
        return
    for name, child in node.mapping.items():
        inside = shape.inside(name)
        if inside is not None and _has_checks(inside):
            check(child, inside, report, (*path, name))
    for index, item in enumerate(node.items):
        inside = shape.inside(index)
        if inside is not None and _has_checks(inside):
            check(item, inside, report, (*path, index))


_has_checks = Somewhere(lambda shape: shape.check is not None)
