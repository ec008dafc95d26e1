"""What our processes take over from the caller, and what they change on the machine around them (DESIGN.md 4, 7)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Pycompose, wait_for_end
from tests.scenarios.stage import stage

pytestmark = pytest.mark.kernel
STACK = """
services:
  web: {image: host, command: "sleep 1000", init: true, ports: ["127.0.0.1::80"]}
"""
CANARY = "canary-of-the-caller"


@pytest.fixture
def up() -> Iterator[Pycompose]:
    with stage({"CANARY": CANARY, "PYTHONPATH": "/nowhere", "SSH_AUTH_SOCK": "/x"}) as pycompose:
        pycompose.compose_file(STACK)
        pycompose("up", "-d")
        yield pycompose


def engine_pids(pycompose: Pycompose) -> dict[str, int]:
    (record,) = pycompose.paths.projects.glob("*/keeper.json")
    found = json.loads(record.read_text())
    return {"keeper": found["pid"], "supervisor": found["supervisor_pid"]}


def test_neither_process_dies_with_the_session_that_started_it(up: Pycompose):
    pids = engine_pids(up)
    (session,) = {os.getsid(pid) for pid in pids.values()}
    assert session != os.getsid(0)
    for pid in pids.values():
        terminal = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4]
        assert terminal == "0"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        opened = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
        assert not [path for path in opened if path.startswith(("/dev/pts", "/dev/tty"))]


def test_nothing_of_the_caller_s_environment_comes_along(up: Pycompose):
    for pid in engine_pids(up).values():
        environment = Path(f"/proc/{pid}/environ").read_text()
        assert not [word for word in (CANARY, "PYTHONPATH", "SSH_AUTH_SOCK") if word in environment]
    assert CANARY not in up("exec", "-T", "web", "env").stdout


def test_both_are_in_a_leaf_of_their_own_at_the_top_of_each_hierarchy(up: Pycompose):
    (project,) = up.paths.projects.iterdir()
    leaf = f"/pycompose-{up.paths.root_hash}/{project.name}/engine"
    for pid in engine_pids(up).values():
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        groups = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in lines}
        # where a named hierarchy is not mounted, nobody can be moved
        assert leaf in groups.values()
        assert {path for path in groups.values() if path != leaf} <= {"/"}


def test_no_setting_of_the_network_changes_but_forwarding(up: Pycompose):
    while_it_runs = network_settings()
    up("down", "-t", "0")
    wait_for_end(up.paths)
    before_the_next = network_settings()
    up("up", "-d")
    for settings in (while_it_runs, network_settings()):
        changed = {
            name
            for name in settings.keys() & before_the_next.keys()
            if settings[name] != before_the_next[name]
        }
        assert changed == set()
    forwarding = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    assert forwarding == "1\n"


def network_settings() -> dict[str, str]:
    """All that can be read, without those of links that come and go and without what only counts."""
    found = {}
    for path in Path("/proc/sys/net").rglob("*"):
        name = str(path)
        if any(word in name for word in ("/pc", "/veth", "_count", "/conf/all/forwarding")):
            continue
        try:
            found[name] = path.read_text()
        except OSError:
            continue
    return found


def test_a_root_may_have_a_longer_path_than_a_socket_s_address(tmp_path: Path):
    root = tmp_path / ("deep-" * 12) / ("deeper-" * 12)
    assert len(str(root)) > 108
    (tmp_path / "project").mkdir()
    pycompose = Pycompose(tmp_path / "project", root)
    pycompose.compose_file(STACK)
    pycompose("up", "-d")
    assert pycompose("exec", "-T", "web", "echo", "inside").stdout == "inside\n"
    pycompose("down", "-t", "0")
    wait_for_end(pycompose.paths)
