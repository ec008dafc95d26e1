"""Values become what their attribute is; what does not fit is refused with its place."""

from __future__ import annotations

import pytest

from compose.loading.bind import bind
from compose.loading.canonical import lengthen
from compose.loading.report import Report
from compose.model.project import ROOT
from compose.model.service import Service
from tests.compose.loading.trees import refusal, root


def bound(attributes: str) -> Service:
    tree = lengthen(root(f"services: {{web: {{{attributes}}}}}"), ROOT, Report())
    service = bind(tree, Report())["services"]["web"]
    assert isinstance(service, Service)
    return service


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("command: echo 'a b'", {"command": ("echo", "a b")}),
        ("command: ''", {"command": ()}),
        ("command: ~", {"command": None}),
        ("environment: {A: 1, B: true, C: 1.50, D: ~, E: 1e6}",
         {"environment": {"A": "1", "B": "true", "C": "1.5", "D": None, "E": "1e+06"}}),
        ("environment: [A=1=2, B, =x]", {"environment": {"A": "1=2", "B": None, "": "x"}}),
        ("labels: [a, b=c]", {"labels": {"a": "", "b": "c"}}),
        ("mem_limit: 1.5g, shm_size: 64", {"mem_limit": 3 * 2**29, "shm_size": 64}),
        ("mem_limit: 1.5", {"mem_limit": None}),
        ("stop_grace_period: 1m30s", {"stop_grace_period": 90.0}),
        ("extra_hosts: ['a=1.1.1.1,::1', 'b:[::2]', 'a=1.1.1.1']",
         {"extra_hosts": {"a": ("1.1.1.1", "::1"), "b": ("::2",)}}),
        ("cpu_shares: 1.9", {"cpu_shares": 1}),
        ("tmpfs: /run", {"tmpfs": ("/run",)}),
    ],
)  # fmt: skip
def test_an_attribute(attributes: str, expected: dict[str, object]):
    service = bound(attributes)
    assert {name: getattr(service, name) for name in expected} == expected


def test_a_mode_in_text_is_octal_and_a_number_is_as_yaml_reads_it():
    secrets = bound(
        "secrets: [{source: a, mode: '0440'}, {source: b, mode: 0440}, {source: c, mode: 440}]"
    ).secrets
    assert [secret.mode for secret in secrets] == [0o440, 0o440, 440]


def test_a_health_test_in_text_runs_in_a_shell():
    health = bound("healthcheck: {test: a b}").healthcheck
    assert health is not None
    assert health.test == ("CMD-SHELL", "a b")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("ulimits: {Foo_1: []}", "35 E085 a number is needed here"),
        ("ulimits: {Foo_1: ~}", "35 E085 a number is needed here"),
        ("storage_opt: {size: {a: 1}}", "38 E085 text is needed here, not a mapping"),
        ("blkio_config: {weight: '300'}", '41 E085 a number is needed here, not the text "300"'),
        ("healthcheck: {retries: -1}", "41 E085 `-1` is negative"),
        ("scale: 99999999999999999999", "25 E085 the number is too large"),
        ("ports: [{}]", "26 E034 `target` is missing in services.web.ports[0]"),
        ("secrets: [{source: a, mode: 1.5}]", "46 E085 `1.5` is no mode"),
        (
            'command: "a \'b"',
            "27 E088 `a 'b` is no command line: a quote or backslash is left open",
        ),
        ("extra_hosts: [a]", "32 E087 `a` is no HOST=IP: the address is missing"),
        ("environment: ['A =1']", "32 E086 the variable `A ` is declared with a trailing blank"),
        ("mem_limit: 5 parsecs", "29 E089 `5 parsecs` is no size"),
        ("stop_grace_period: 5 min", "37 E089 `5 min` is no duration: it has a blank in it"),
    ],
)
def test_what_does_not_fit_is_refused(attributes: str, said: str):
    assert refusal(lambda: bound(attributes)) == f"compose.yaml:1:{said}"
