"""Is a tree valid by the JSON Schema? The only module that imports jsonschema, and late: 90 ms.

Its engine with the few keywords that schemas/compose-spec.json uses. Three are ours: a choice goes
into the alternative that takes the value's kind, so that an error is about what was meant; equal
items are found without comparing each with each; a number is finite. The draft's own validator
gives the same verdicts (tests/compose/loading/test_judge.py), in twice the time. Source: section 9.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import create

from compose.loading.schema import Schema, branch_for, classes_of

_KEYWORDS = (
    "additionalProperties",
    "enum",
    "items",
    "maximum",
    "minimum",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "type",
)


class Violation(NamedTuple):
    """A keyword of a schema that the value at a path does not keep."""

    path: tuple[str | int, ...]
    keyword: str
    schema: Schema
    """The one that holds the keyword; where no alternative fits, the one with all of them."""


def violations(document: Schema, plain: object) -> Iterator[Violation]:
    """What is wrong, in the order of the tree; nothing when the file is valid. `document` has no
    `$ref`."""
    for error in _Validator(document).iter_errors(plain):
        yield Violation(tuple(error.absolute_path), str(error.validator), error.schema)


def _one_of(validator: Any, _branches: Any, instance: Any, schema: Any) -> Iterator[Any]:
    branch = branch_for(schema, instance.__class__)
    if branch is None and instance.__class__ is float and instance.is_integer():
        branch = branch_for(schema, int)  # 1.0 is an integer
    if branch is not None:
        yield from validator.descend(instance, branch)
    elif classes_of(schema):
        yield ValidationError("no alternative takes this kind of value")


def _unique_items(_validator: Any, unique: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if unique and isinstance(instance, list):
        seen = {_key(item) for item in instance}
        if len(seen) < len(instance):
            yield ValidationError("items are equal")


def _key(item: Any) -> object:
    """Equal for items that JSON takes for equal: 1 and 1.0, but not 1 and true."""
    if isinstance(item, dict):
        return ("{", frozenset((name, _key(child)) for name, child in item.items()))
    if isinstance(item, list):
        return ("[", *map(_key, item))
    return (isinstance(item, bool), item)


def _is_finite(_checker: Any, instance: object) -> bool:
    return type(instance) is int or (type(instance) is float and math.isfinite(instance))


def _is_integer(_checker: Any, instance: object) -> bool:
    return type(instance) is int or (type(instance) is float and instance.is_integer())


_Validator = create(
    meta_schema={},
    validators={
        **{name: Draft202012Validator.VALIDATORS[name] for name in _KEYWORDS},
        "oneOf": _one_of,
        "uniqueItems": _unique_items,
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"number": _is_finite, "integer": _is_integer}
    ),
)
