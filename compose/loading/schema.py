"""The JSON Schema of Compose files as rules: what a place may hold, and what stands round it.

For explaining; whether a file is valid is decided by judge.py. `$ref` is replaced by what it refers
to once, since looking it up at each value costs as much as judging it. Source: section 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from compose.errors import Path
from compose.tree import Node

Schema = Mapping[str, Any]

_CLASSES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_WORDLESS = ("$defs", "$schema", "title", "description", "default", "deprecated", "examples")
"""Keywords that refuse nothing."""


def resolved(document: Schema) -> dict[str, Any]:
    """The document without `$ref`, and without what only people read."""
    known: dict[str, dict[str, Any]] = {}

    def visit(schema: Any) -> Any:
        if isinstance(schema, list):
            return [visit(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if name not in known:
                known[name] = visit(document["$defs"][name])
            return known[name]
        return {key: _part(key, part) for key, part in schema.items() if key not in _WORDLESS}

    def _part(key: str, part: Any) -> Any:
        if key in ("properties", "patternProperties"):
            return {name: visit(inner) for name, inner in part.items()}
        return visit(part)

    whole: dict[str, Any] = visit(dict(document))
    return whole


def classes_of(schema: Schema) -> frozenset[type]:
    """The kinds of value that a schema takes; empty for any."""
    if "oneOf" in schema:
        return frozenset(cls for branch in schema["oneOf"] for cls in classes_of(branch))
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    return frozenset(cls for kind in kinds for cls in _CLASSES[kind])


def branch_for(schema: Schema, kind: type) -> Schema | None:
    """The alternative that takes values of a kind; the schema itself where it has none."""
    if "oneOf" not in schema:
        return schema
    for branch in schema["oneOf"]:
        classes = classes_of(branch)
        if not classes or kind in classes:
            return branch_for(branch, kind)
    return None


def properties_of(schema: Schema) -> Mapping[str, Any]:
    """The attributes of a mapping by name."""
    branch = branch_for(schema, dict)
    properties: Mapping[str, Any] = branch.get("properties", {}) if branch is not None else {}
    return properties


def unknown_names(names: Iterable[str], schema: Schema) -> list[str]:
    """The names that a closed mapping has no attribute for."""
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", ())]
    properties = schema.get("properties", {})
    return [n for n in names if n not in properties and not any(p.search(n) for p in patterns)]


def around(document: Schema, tree: Node, path: Path) -> list[Schema]:
    """The schemas of the mappings from the top down to the one that holds the path."""
    found: list[Schema] = []
    schema: Schema | None = document
    node: Node | None = tree
    for part in path:
        branch = branch_for(schema, node.value.__class__) if schema is not None and node else None
        if branch is None or node is None:
            break
        if isinstance(part, int):
            schema, node = branch.get("items"), node.items[part]
            continue
        found.append(branch)
        schema, node = _inside(branch, part), node.get(part)
    return found


def _inside(schema: Schema, name: str) -> Schema | None:
    found: Schema | None = schema.get("properties", {}).get(name)
    if found is not None:
        return found
    for pattern, inner in schema.get("patternProperties", {}).items():
        if re.search(pattern, name):
            return inner  # type: ignore[no-any-return]
    return None
