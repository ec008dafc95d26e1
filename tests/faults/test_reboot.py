"""R14 without a second machine: everything of ours is killed and the run root is empty, as after a reboot.

tests/vm reboots for real.
"""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest

from tests.conftest import Pycompose
from tests.fakes.project import wait_for_death

pytestmark = pytest.mark.kernel

STACK = """
services:
  always: {image: host, command: sleep 1000, restart: always}
  by-hand: {image: host, command: sleep 1000, restart: always}
  stopped: {image: host, command: sleep 1000, restart: unless-stopped}
  never: {image: host, command: sleep 1000}
"""


def states(pycompose: Pycompose) -> dict[str, str]:
    lines = pycompose("ps", "-a", "--format", "{{.Service}} {{.State}}").stdout.splitlines()
    return dict(line.split(" ") for line in lines)


def reboot(pycompose: Pycompose, *, keep_run: bool) -> None:
    records = [json.loads(path.read_bytes()) for path in pycompose.paths.run.rglob("*.json")]
    found = {
        record[key] for record in records for key in ("pid", "supervisor_pid") if key in record
    }
    pids = [pid for pid in found if pid and os.path.exists(f"/proc/{pid}")]
    # all stand still first, so that none sees another die
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)
    for pid in pids:
        wait_for_death(pid)
    if not keep_run:
        shutil.rmtree(pycompose.paths.run)


@pytest.mark.parametrize("keep_run", [False, True])
def test_boot_starts_what_policies_say_and_nothing_else_does(pycompose: Pycompose, keep_run: bool):
    pycompose.compose_file(STACK)
    pycompose("up", "-d")
    pycompose("stop", "-t", "0", "stopped", "by-hand")
    reboot(pycompose, keep_run=keep_run)
    assert set(states(pycompose).values()) == {"exited"}
    assert pycompose("boot").stdout == "project\n"
    assert states(pycompose) == {
        "always": "running",
        "by-hand": "running",
        "stopped": "exited",
        "never": "exited",
    }
    assert pycompose("boot").stdout == "", "all that is due runs"
    pycompose("down", "-t", "0")
