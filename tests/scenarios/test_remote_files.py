"""A stack whose files lie in a git repository: up, a new commit, up again, down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.fakes import git_servers
from tests.fakes.git_servers import Repository

pytestmark = [pytest.mark.kernel, pytest.mark.servers]

COMPOSE = """
name: shop
services:
  web: {image: host, command: sleep 1000, environment: {COLOUR: "%s"}, volumes: ["./site:/site"]}
  db: {image: host, command: sleep 1000, environment: {COLOUR: "%s"}}
"""


def test_a_new_commit_is_the_same_project(pycompose: Pycompose, tmp_path: Path):
    """Negative control: two folders of this machine with the same name, see test_stack.py, are refused here."""
    repository = Repository(tmp_path / "served" / "shop.git")
    repository.commit({"deploy/compose.yaml": COMPOSE % ("green", "green"), "deploy/site/a": "one"})
    with git_servers.daemon(repository.folder.parent) as address:
        stack = ("-f", f"{address}/shop.git#main:deploy")
        pycompose(*stack, "up", "-d", "-y")
        assert pycompose(*stack, "exec", "-T", "web", "cat", "/site/a").stdout == "one"

        repository.commit({"deploy/compose.yaml": COMPOSE % ("red", "red"), "deploy/site/a": "two"})
        pycompose(*stack, "up", "-d", "-y", "--remove-orphans")
        assert (
            pycompose(*stack, "exec", "-T", "web", "sh", "-c", "cat /site/a; echo $COLOUR").stdout
            == "twored\n"
        )

        assert pycompose(*stack, "config", "--services").stdout == "db\nweb\n"
        origin = pycompose(*stack, "config", "--origin", "services.web.image").stdout
        assert f"{address}/shop.git#main:deploy/compose.yaml:4:16" in origin
        pycompose(*stack, "down", "-t", "0")
    assert pycompose("-p", "shop", "ps", "-aq").stdout == ""


def test_a_dry_run_needs_no_answer_and_leaves_nothing(pycompose: Pycompose, tmp_path: Path):
    repository = Repository(tmp_path / "served" / "shop.git")
    repository.commit({"compose.yaml": COMPOSE % ("${COLOUR}", "b")})
    with git_servers.backend(repository.folder.parent) as address:
        run = pycompose("-f", f"{address}/shop.git", "--dry-run", "up", "-d")
    assert "Container shop-web-1" in run.stderr
    assert pycompose("-p", "shop", "ps", "-aq").stdout == ""
