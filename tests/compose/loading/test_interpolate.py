"""Variables in a tree, and text that becomes the number or boolean that its attribute asks for."""

from __future__ import annotations

import pytest

from compose.loading.interpolate import interpolate
from compose.loading.report import Report
from compose.model.project import ROOT
from compose.tree import Node
from tests.compose.loading.trees import environment, refusal, root

SET = {"TAG": "1.2", "YES": "yes", "PORT": "8080", "KEY": "k", "DB_PASSWORD": "x"}


def replaced(text: str, report: Report | None = None) -> Node:
    tree = root(text)
    report = report or Report()
    report.environment = environment(SET)
    interpolate(tree, ROOT, environment(SET), report)
    return tree


def test_values_are_replaced_at_every_depth_and_keys_never():
    assert replaced("x-${KEY}: ['${TAG}', {'$KEY': $TAG}, 5]").plain == {
        "x-${KEY}": ["1.2", {"$KEY": "1.2"}, 5]
    }


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("tty: '${YES}'", True), ("init: 'OFF'", False), ("privileged: '${NONE:-true}'", True),
        ("scale: '3'", 3), ("cpus: '${TAG}'", 1.2), ("pids_limit: '-1'", -1), ("oom_score_adj: '${NONE:-5}'", 5),
        ("image: '5'", "5"), ("command: 'true'", "true"), ("mem_limit: '5'", "5"), ("hostname: '${PORT}'", "8080"),
    ],
)  # fmt: skip
def test_text_becomes_what_the_attribute_asks_for(attribute: str, value: object):
    tree = replaced(f"services: {{web: {{{attribute}}}}}")
    (node,) = tree.mapping["services"].mapping["web"].mapping.values()
    assert (type(node.value), node.value) == (type(value), value)


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("tty: '2'", "boolean"), ("tty: ''", "boolean"), ("scale: '1.5'", "integer"), ("scale: ' 3'", "integer"),
        ("scale: '9223372036854775808'", "integer"), ("cpus: 'many'", "number"), ("cpus: '1_0'", "number"),
        ("ports: [{target: http}]", "integer"), ("ulimits: {nofile: {soft: a, hard: 1}}", "integer"),
    ],
)  # fmt: skip
def test_text_that_is_none_is_refused(attribute: str, words: str):
    assert "E021 " in refusal(lambda: replaced(f"services: {{web: {{{attribute}}}}}"))
    assert f" is no {words}" in refusal(lambda: replaced(f"services: {{web: {{{attribute}}}}}"))


def test_all_faults_of_a_file_are_told_in_one_run():
    text = "services:\n  a: {image: '${', tty: maybe}\n  b: {image: '${X:?give it}'}\n"
    assert refusal(lambda: replaced(text)) == (
        "compose.yaml:2:15 E020 `${` is no variable\n"
        "compose.yaml:2:25 E021 `maybe` is no boolean\n"
        "compose.yaml:3:15 E022 the variable `X` is required: give it"
    )


def test_what_is_unset_is_warned_of_once_with_its_first_place_and_the_nearest_name():
    report = Report()
    replaced("services: {a: {image: '$DB_PASSWRD'}, b: {image: '$DB_PASSWRD'}}", report)
    (warning,) = report.warnings.values()
    assert (warning.code, repr(warning.where)) == ("W001", "compose.yaml:1:24")
    assert warning.message == 'The "DB_PASSWRD" variable is not set. Defaulting to a blank string.'
    assert "DB_PASSWORD" in warning.hint


def test_old_words_for_booleans_pass_with_a_warning():
    report = Report()
    replaced("services: {a: {tty: 'on'}}", report)
    assert [warning.code for warning in report.warnings.values()] == ["W002"]


def test_a_value_tells_the_variables_that_it_came_through():
    tree = replaced("services: {a: {image: 'x:${TAG}${NONE:-}'}}")
    origin = tree.mapping["services"].mapping["a"].mapping["image"].origin
    assert [step.text for step in origin.how] == ["TAG", "NONE, which is unset"]
