"""The JSON Schema and the declared attributes say the same, at every level, and each attribute is described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compose.loading.schema import branch_for, resolved
from compose.model.attribute import Attribute, table_of
from compose.model.project import ROOT
from runtime.schemas import read_schema

DOCUMENT = read_schema("compose-spec.json")
CONSUMED = {".include": "taken in before the model is bound (loading/include.py)"}


def differences(shape: Attribute, schema: Any, path: str = "") -> Iterator[str]:
    if shape.of is None:
        return
    kind = list if shape.many == "list" else dict
    branch = branch_for(schema, kind)
    if branch is None:
        yield f"{path or 'the top'} takes no {kind.__name__} in the schema"
    elif shape.many == "list":
        yield from inside(shape, 0, branch["items"], f"{path}[]")
    elif shape.many == "map":
        patterns = [inner for inner in branch.get("patternProperties", {}).values() if inner]
        values = patterns or [branch["additionalProperties"]]
        yield from inside(shape, "name", values[0], f"{path}.*")
    else:
        yield from differences_of_attributes(shape.of, branch, path)


def differences_of_attributes(cls: type, schema: Any, path: str) -> Iterator[str]:
    table, properties = table_of(cls), schema.get("properties", {})
    declared = {name for name, attribute in table.items() if attribute.written}
    for name in sorted(declared - properties.keys()):
        yield f"{path}.{name} is declared in compose/model/ but not in the schema"
    for name in sorted(properties.keys() - declared):
        if f"{path}.{name}" not in CONSUMED:
            yield f"{path}.{name} is in the schema but nowhere in compose/model/"
    has_extensions = any("x-" in pattern for pattern in schema.get("patternProperties", ()))
    if has_extensions != ("extensions" in table):
        yield f"{path}: x- keys are known to only one of schema and model"
    for name in sorted(declared & properties.keys()):
        yield from differences(table[name], properties[name], f"{path}.{name}")


def inside(shape: Attribute, key: str | int, schema: Any, path: str) -> Iterator[str]:
    inner = shape.inside(key)
    assert inner is not None
    yield from differences(inner, schema, path)


def undescribed(schema: Any, path: str) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for name, inner in schema.get("properties", {}).items():
        if not inner.get("description"):
            yield f"{path}.{name}"
        yield from undescribed(inner, f"{path}.{name}")
    nested = [*schema.get("patternProperties", {}).values(), *schema.get("oneOf", ())]
    for inner in (*nested, schema.get("items"), schema.get("additionalProperties")):
        yield from undescribed(inner, path)


def test_every_attribute_of_the_schema_is_declared_and_every_declared_one_is_in_the_schema():
    assert list(differences(ROOT, resolved(DOCUMENT))) == []


def test_every_attribute_of_the_schema_has_a_description():
    found = list(undescribed(DOCUMENT, ""))
    for name, schema in DOCUMENT["$defs"].items():
        found += undescribed(schema, name)
    assert found == []
