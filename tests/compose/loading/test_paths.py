"""Which values are paths of the host, and what they are relative to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compose.loading.canonical import lengthen
from compose.loading.paths import absolute, followed, resolve
from compose.loading.report import Report
from compose.model.project import ROOT
from tests.compose.loading.trees import block, root, shown


def resolved(text: str) -> str:
    tree = lengthen(root(text), ROOT, Report())
    resolve(tree, ROOT, absolute("/p", "/home/me"), Report())
    return shown(tree)


def test_paths_of_a_service():
    text = """
        services:
          a:
            build: {context: src, additional_contexts: {l: ../lib, s: 'service:b', i: 'docker-image://x'}, ssh: [default, k=~/id]}
            env_file: [a.env, /abs/b.env]
            label_file: l
            develop: {watch: [{path: ./src, action: rebuild}]}
            volumes: ['./d:/d', 'name:/n', {type: bind, source: '', target: /e}, '~:/h']
            devices: ['./x:/y']
            tmpfs: ./run
    """
    assert resolved(text) == block(
        """
        services:
          a:
            build:
              context: /p/src
              additional_contexts:
                l: /lib
                s: service:b
                i: docker-image://x
              ssh:
                default: null
                k: /home/me/id
            env_file:
              - path: /p/a.env
                required: true
              - path: /abs/b.env
                required: true
            label_file:
              - /p/l
            develop:
              watch:
                - path: /p/src
                  action: rebuild
            volumes:
              - type: bind
                source: /p/d
                target: /d
                bind:
                  create_host_path: true
              - type: volume
                source: name
                target: /n
                volume: {}
              - type: bind
                source: /p
                target: /e
              - type: bind
                source: /home/me
                target: /h
                bind:
                  create_host_path: true
            devices:
              - source: ./x
                target: /y
                permissions: rwm
            tmpfs: ./run
        """
    )


def test_paths_of_resources_and_a_volume_that_is_a_bind_mount():
    text = """
        volumes:
          a: {driver: local, driver_opts: {type: none, o: bind, device: ./d}}
          b: {driver_opts: {type: none, o: bind, device: ./d}}
        secrets: {s: {file: ''}}
        configs: {c: {file: 'C:\\x'}}
    """
    assert resolved(text) == block(
        """
        volumes:
          a:
            driver: local
            driver_opts:
              type: none
              o: bind
              device: /p/d
          b:
            driver_opts:
              type: none
              o: bind
              device: ./d
        secrets:
          s:
            file: /p
        configs:
          c:
            file: C:\\x
        """
    )


@pytest.mark.parametrize(
    "context",
    [
        "https://h/r.git",
        "git@h:r.git",
        "github.com/a/b",
        "ssh://h/r",
        "oci-layout://x",
        "service:a",
    ],
)
def test_a_context_that_is_no_folder_stays(context: str):
    assert f"context: {context}\n" in resolved(f"services: {{a: {{build: '{context}'}}}}")


def test_the_first_link_of_a_watched_path_is_followed(tmp_path: Path):
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")
    assert followed(f"{tmp_path}/link/src") == f"{tmp_path}/real/src"
    assert followed(f"{tmp_path}/none/src") == f"{tmp_path}/none/src"
