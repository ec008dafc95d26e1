"""Two files -> one, attribute by attribute: base, override, what comes of it."""

from __future__ import annotations

import pytest

from compose.loading.canonical import lengthen
from compose.loading.merge import merge, remove
from compose.loading.report import Report
from compose.loading.unicity import keep_last
from compose.model.project import ROOT
from compose.tree import Node
from tests.compose.loading.trees import block, documents, refusal, root, shown


def merged(base: str, override: str) -> Node:
    """As the stages f to m do it: resets, merge, uniqueness, long form, uniqueness."""
    report = Report()
    tree = root(base)
    keep_last(tree, ROOT, report)
    tree = lengthen(tree, ROOT, report)
    (document,) = documents(override, "override.yaml")
    for path in document.replaced:
        remove(tree, path)
    if document.root is not None:
        tree = merge(tree, document.root, ROOT, report)
    report.finish()
    keep_last(tree, ROOT, report)
    tree = lengthen(tree, ROOT, report)
    keep_last(tree, ROOT, report)
    report.finish()
    return tree


def service(base: str, override: str) -> str:
    """The service `web` of both."""
    indented = [f"services: {{web: {{{text}}}}}" for text in (base, override)]
    tree = merged(*indented)
    web = tree.mapping["services"].mapping["web"]
    return shown(web)


def test_scalars_are_replaced_mappings_merged_lists_appended():
    assert service(
        "image: a, tty: true, cap_add: [A], x-a: {b: 1}", "image: b, cap_add: [B], x-a: {c: 2}"
    ) == block(
        """
        image: b
        tty: true
        cap_add:
          - A
          - B
        x-a:
          b: 1
          c: 2
        """
    )


def test_null_in_an_override_keeps_what_was_there():
    assert service("image: a, environment: {A: 1}", "image: ~, environment: ~") == block(
        """
        image: a
        environment:
          - A=1
        """
    )


def test_command_entrypoint_and_health_test_are_replaced_even_by_null():
    base = "command: [a], entrypoint: [b], healthcheck: {test: [CMD, c], retries: 2}"
    assert service(base, "command: ~, entrypoint: [x], healthcheck: {test: y}") == block(
        """
        command: null
        entrypoint:
          - x
        healthcheck:
          test: "y"
          retries: 2
        """
    )


def test_the_last_value_of_a_variable_wins_at_the_place_of_the_first():
    assert service("environment: {A: 1, B: 2}", "environment: [B=3, C, A=]") == block(
        """
        environment:
          - A=
          - B=3
          - C
        """
    )


def test_a_host_may_have_several_addresses_but_an_equal_line_is_not_repeated():
    assert service(
        "extra_hosts: ['a=1.1.1.1']", "extra_hosts: ['a=1.1.1.1', 'a=2.2.2.2']"
    ) == block(
        """
        extra_hosts:
          - a=1.1.1.1
          - a=2.2.2.2
        """
    )


def test_a_dependency_in_list_form_resets_the_condition_and_keeps_the_rest():
    base = "depends_on: {db: {condition: service_healthy, restart: true}}"
    assert service(base, "depends_on: [db]") == block(
        """
        depends_on:
          db:
            condition: service_started
            required: true
            restart: true
        """
    )


def test_networks_in_list_form_keep_the_settings_of_the_base():
    assert service("networks: {front: {aliases: [a]}}", "networks: [front, back]") == block(
        """
        networks:
          front:
            aliases:
              - a
          back: null
        """
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "logging: {driver: local, options: {b: 2}}",
            "driver: local\n  options:\n    a: 1\n    b: 2",
        ),
        ("logging: {options: {b: 2}}", "driver: local\n  options:\n    a: 1\n    b: 2"),
        ("logging: {driver: syslog, options: {b: 2}}", "driver: syslog\n  options:\n    b: 2"),
    ],
)
def test_logging_merges_when_the_driver_is_the_same_or_not_named(override: str, expected: str):
    base = "logging: {driver: local, options: {a: 1}}"
    assert service(base, override) == f"\nlogging:\n  {expected}\n"


def test_a_build_in_text_form_becomes_a_context():
    assert service("build: ./a", "build: {args: {A: 1}, tags: ['t:1']}") == block(
        """
        build:
          context: ./a
          args:
            A: 1
          tags:
            - t:1
        """
    )


def test_mounts_of_one_target_are_one_and_ports_are_by_address_and_number():
    base = "volumes: ['a:/data', './b:/src'], ports: ['80:80', '90:90']"
    assert service(
        base, "volumes: ['c:/data:ro'], ports: ['80:80/tcp', '127.0.0.1:80:80']"
    ) == block(
        """
        volumes:
          - type: volume
            source: c
            target: /data
            read_only: true
            volume: {}
          - type: bind
            source: ./b
            target: /src
            bind:
              create_host_path: true
        ports:
          - mode: ingress
            protocol: tcp
            target: 80
            published: "80"
          - mode: ingress
            protocol: tcp
            target: 90
            published: "90"
          - mode: ingress
            protocol: tcp
            host_ip: 127.0.0.1
            target: 80
            published: "80"
        """
    )


def test_a_limit_replaces_the_limit_of_that_name():
    assert service(
        "ulimits: {nofile: {soft: 1, hard: 2}, core: 0}", "ulimits: {nofile: 5}"
    ) == block(
        """
        ulimits:
          nofile: 5
          core: 0
        """
    )


def test_pools_of_the_same_subnet_are_merged_others_added():
    base = "networks: {net: {ipam: {config: [{subnet: 10.0.0.0/8, gateway: 10.0.0.1}]}}}"
    override = "networks: {net: {ipam: {config: [{subnet: 10.0.0.0/8, ip_range: 10.1.0.0/16}, {subnet: fd00::/64}]}}}"
    assert shown(merged(base, override)) == block(
        """
        networks:
          net:
            ipam:
              config:
                - subnet: 10.0.0.0/8
                  gateway: 10.0.0.1
                  ip_range: 10.1.0.0/16
                - subnet: fd00::/64
        """
    )


def test_reset_takes_away_and_override_replaces_whole():
    base = (
        "services: {web: {image: a, ports: ['80:80'], labels: {a: 1}, tty: true}, db: {image: b}}"
    )
    override = """
        services:
          web: {ports: !override ["90:90"], labels: {a: !reset null}, tty: !reset true}
          db: !reset
    """
    assert shown(merged(base, override)) == block(
        """
        services:
          web:
            image: a
            labels: []
            ports:
              - mode: ingress
                protocol: tcp
                target: 90
                published: "90"
        """
    )


def test_a_list_cannot_be_overridden_by_a_mapping_and_both_places_are_told():
    assert refusal(
        lambda: merged("services: {web: {cap_add: [A]}}", "services: {web: {cap_add: {B: 1}}}")
    ) == (
        "override.yaml:1:27 E090 a list cannot be overridden by something else\n"
        "  first given at compose.yaml:1:18"
    )


def test_what_is_replaced_tells_what_it_replaced():
    tree = merged("services: {web: {image: a}}", "services: {web: {image: b}}")
    origin = tree.mapping["services"].mapping["web"].mapping["image"].origin
    assert repr(origin) == "override.yaml:1:25"
    assert [str(step) for step in origin.how] == [
        "override of an earlier value (compose.yaml:1:25)"
    ]
