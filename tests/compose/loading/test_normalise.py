"""What every model has though no file says it."""

from __future__ import annotations

import pytest

from compose.loading.canonical import lengthen
from compose.loading.normalise import normalise
from compose.loading.report import Report
from compose.model.project import ROOT
from tests.compose.loading.trees import block, environment, root, shown


def normal(text: str, **variables: str) -> str:
    tree = lengthen(root(text), ROOT, Report())
    normalise(tree, "app", environment(variables))
    return shown(tree)


def test_services_join_the_default_network_unless_they_have_another_way(tmp_path):
    text = """
        services:
          a: {}
          b: {networks: {}}
          c: {networks: [back]}
          d: {network_mode: none}
          e: {provider: {type: x}}
        networks: {back: }
    """
    assert normal(text) == block(
        """
        services:
          a:
            networks:
              default: null
          b:
            networks:
              default: null
          c:
            networks:
              back: null
          d:
            network_mode: none
          e:
            provider:
              type: x
        networks:
          back:
            name: app_back
          default:
            name: app_default
        """
    )


def test_links_and_namespaces_and_mounts_of_others_are_dependencies():
    text = """
        services:
          a:
            networks: [x]
            depends_on: {db: {condition: service_healthy}}
            links: [db, "web:w"]
            pid: service:p
            volumes_from: ["v:ro", "container:c", "web"]
    """
    assert normal(text) == block(
        """
        services:
          a:
            networks:
              x: null
            depends_on:
              db:
                condition: service_healthy
                required: true
              web:
                condition: service_started
                restart: true
                required: true
              p:
                condition: service_started
                restart: true
                required: true
              v:
                condition: service_started
                restart: false
                required: true
            links:
              - db
              - web:w
            pid: service:p
            volumes_from:
              - v:ro
              - container:c
              - web
        """
    )


def test_variables_without_a_value_take_the_environment_s_and_arguments_without_go():
    text = """
        services:
          a:
            network_mode: none
            environment: {A: , B: , C: x}
            build: {args: [A, B, C=x], dockerfile_inline: FROM a}
    """
    assert normal(text, A="1") == block(
        """
        services:
          a:
            network_mode: none
            environment:
              A: "1"
              B: null
              C: x
            build:
              args:
                - A=1
                - C=x
              dockerfile_inline: FROM a
        """
    )


@pytest.mark.parametrize(
    ("target", "clean"),
    [("/a/../b/", "/b"), ("//a", "/a"), ("", "."), ("a/./b", "a/b"), ("/..", "/")],
)
def test_targets_of_mounts_are_cleaned(target: str, clean: str):
    text = (
        f"services: {{a: {{network_mode: none, volumes: [{{type: volume, target: '{target}'}}]}}}}"
    )
    assert f"target: {clean}\n" in normal(text)


def test_resources_are_named_after_the_project_unless_they_exist_outside():
    text = """
        volumes: {a: , b: {name: own}, c: {external: true}, d: {external: {name: old}}, e: {external: false}}
    """
    assert normal(text) == block(
        """
        volumes:
          a:
            name: app_a
          b:
            name: own
          c:
            external: true
            name: c
          d:
            external: true
            name: old
          e:
            external: false
            name: app_e
        """
    )
