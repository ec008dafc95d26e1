"""The judge's verdicts are those of the JSON Schema, whatever it leaves out for speed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from compose.errors import InvalidFile
from compose.loading.judge import violations
from compose.loading.parse import parse
from compose.loading.report import Report
from compose.loading.schema import classes_of, resolved
from compose.position import File
from runtime.schemas import read_schema

DOCUMENT = read_schema("compose-spec.json")
RESOLVED = resolved(DOCUMENT)
DRAFT = Draft202012Validator(DOCUMENT)
CORPUS = Path(__file__).resolve().parents[2] / "corpus"


def is_valid(plain: object) -> bool:
    return next(violations(RESOLVED, plain), None) is None


def places(schema: object, path: str = "") -> Iterator[tuple[str, dict]]:
    """Every place of a schema that says something about a value."""
    if isinstance(schema, dict):
        yield path, schema
        for key in ("properties", "patternProperties"):
            for name, inner in schema.get(key, {}).items():
                yield from places(inner, f"{path}.{name}")
        for index, inner in enumerate(schema.get("oneOf", ())):
            yield from places(inner, f"{path}|{index}")
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                yield from places(schema[key], f"{path}[]")


def test_the_schema_itself_is_one_of_its_draft():
    Draft202012Validator.check_schema(DOCUMENT)


def test_the_alternatives_of_every_choice_differ_by_the_kind_of_value():
    for path, schema in places(RESOLVED):
        kinds = [cls for branch in schema.get("oneOf", ()) for cls in classes_of(branch)]
        assert len(kinds) == len(set(kinds)), path
        assert all(classes_of(branch) for branch in schema.get("oneOf", ())), path


def test_the_schema_has_no_keyword_that_the_judge_does_not_know():
    known = {
        "additionalProperties", "enum", "items", "maximum", "minimum", "oneOf", "pattern",
        "patternProperties", "properties", "required", "type", "uniqueItems",
    }  # fmt: skip
    assert {key for _, schema in places(RESOLVED) for key in schema} == known


def files() -> list[dict]:
    """What the golden cases begin with, as far as it can be parsed."""
    found = []
    for path in sorted(CORPUS.glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines()):
            text = json.loads(line)["files"].get("compose.yaml") if number % 9 == 0 else None
            if isinstance(text, str):
                try:
                    documents = parse(File("compose.yaml", text), Report())
                except InvalidFile:
                    continue
                found += [document.root.plain for document in documents if document.root]
    return [plain for plain in found if isinstance(plain, dict)]


FILES = files()


def test_the_draft_s_own_validator_says_the_same_of_the_golden_cases():
    assert len(FILES) > 100
    assert [plain for plain in FILES if is_valid(plain) != DRAFT.is_valid(plain)] == []


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2000), st.floats(-1, 5, width=16),
    st.sampled_from(["", "web", "service_started", "80:80", "always", "x", "all"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["x-a", "image", "target", "source", "name", "external", "a b", "soft"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=4,
)


def replaced(node: object, choices: Iterator[int], value: object) -> object:
    """The tree with one place changed, chosen on the way down."""
    choice = next(choices, 0)
    if choice == 0 or not node or not isinstance(node, dict | list):
        return value
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = keys[choice % len(keys)]
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[key] = replaced(node[key], choices, value)
    return copy


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FILES), st.lists(st.integers(1, 40), min_size=2, max_size=7), VALUES)
def test_the_draft_s_own_validator_says_the_same_of_files_with_one_place_changed(
    plain, choices, value
):
    changed = replaced(plain, iter(choices), value)
    assert is_valid(changed) == DRAFT.is_valid(changed)


@pytest.mark.parametrize(
    ("plain", "paths"),
    [
        ({"services": {"web": {"cpus": float("inf")}}}, [("services", "web", "cpus")]),
        ({"services": {"web": {"scale": 1.0}}}, []),
        ({"services": {"web": {"ports": [{"target": True}]}}},
         [("services", "web", "ports", 0, "target")]),
    ],
)  # fmt: skip
def test_what_json_cannot_hold_is_refused_and_a_whole_float_is_an_integer(plain, paths):
    assert [violation.path for violation in violations(RESOLVED, plain)] == paths


def test_thirty_thousand_mappings_are_compared_without_comparing_each_with_each():
    items = [{"target": number} for number in range(30_000)]
    schema = {"type": "array", "uniqueItems": True}
    assert list(violations(schema, items)) == []
    assert [v.keyword for v in violations(schema, [*items, {"target": 7}])] == ["uniqueItems"]
