"""Runs on the second host, as root: a whole stack on pure cgroup v2, and what a reboot leaves of one.

    on_guest.py life              up, limits and device filter as the containers see them, down, census
    on_guest.py before-reboot     a stack on the kept disk, and the machine goes down under it
    on_guest.py after-reboot      what is shown, what `boot` starts, and that `down` leaves nothing

It is no test module: test_second_host.py boots the machine and reads the exit code.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.census import census
from tests.conftest import Pycompose, wait_for_end

LIMITS = """
services:
  web:
    image: host
    command: sleep 1000
    mem_limit: 64m
    memswap_limit: 64m
    pids_limit: 50
    cpus: 0.5
    cpu_shares: 512
    init: true
  open:
    image: host
    command: sleep 1000
    privileged: true
"""
FILES = {
    "memory.max": str(64 << 20),
    "memory.swap.max": "0",
    "pids.max": "50",
    "cpu.max": "50000 100000",
}
NODE = "mknod /tmp/disk b 1 0 && head -c 1 /tmp/disk 2>&1 >/dev/null; true"

REBOOT = """
services:
  always: {image: host, command: sleep 1000, restart: always, volumes: [data:/data]}
  stopped: {image: host, command: sleep 1000, restart: unless-stopped}
  never: {image: host, command: sleep 1000}
volumes: {data: {}}
"""


def machine(root: str, folder: str, text: str) -> Pycompose:
    Path(folder).mkdir(parents=True, exist_ok=True)
    command = Pycompose(Path(folder), Path(root))
    command.compose_file(text)
    return command


def life() -> None:
    pycompose = machine("/var/lib/vm/root", "/var/lib/vm/project", LIMITS)
    assert Path("/sys/fs/cgroup/cgroup.controllers").exists()
    pycompose("up", "-d", timeout=300)
    for name, value in FILES.items():
        assert inside(pycompose, "web", f"cat /sys/fs/cgroup/{name}") == value, name
    assert inside(pycompose, "web", "cat /proc/self/cgroup") == "0::/"
    # C20-C25: the node can be made and not opened; the negative control is privileged
    assert "Operation not permitted" in inside(pycompose, "web", NODE)
    assert "Operation not permitted" not in inside(pycompose, "open", NODE)
    pycompose("down", "-t", "0", timeout=300)
    wait_for_end(pycompose.paths)
    assert census(pycompose.paths) == {}, census(pycompose.paths)


def before_reboot() -> None:
    pycompose = machine("/disk/root", "/disk/project", REBOOT)
    pycompose("up", "-d", timeout=300)
    inside(pycompose, "always", "echo kept > /data/file")
    pycompose("stop", "-t", "0", "stopped", timeout=300)
    assert states(pycompose) == {
        "always": "running",
        "stopped": "exited",
        "never": "running",
    }
    os.sync()


def after_reboot() -> None:
    pycompose = machine("/disk/root", "/disk/project", REBOOT)
    down = {"always": "exited", "stopped": "exited", "never": "exited"}
    assert states(pycompose) == down, states(pycompose)
    assert pycompose("boot", timeout=300).stdout == "project\n"
    assert states(pycompose) == {**down, "always": "running"}, states(pycompose)
    assert inside(pycompose, "always", "cat /data/file") == "kept"
    pycompose("up", "-d", timeout=300)
    assert set(states(pycompose).values()) == {"running"}
    pycompose("down", "-v", "-t", "0", timeout=300)
    wait_for_end(pycompose.paths)
    assert census(pycompose.paths) == {}, census(pycompose.paths)


def inside(pycompose: Pycompose, service: str, script: str) -> str:
    return pycompose("exec", "-T", service, "sh", "-c", script, timeout=120).stdout.strip()


def states(pycompose: Pycompose) -> dict[str, str]:
    lines = pycompose("ps", "-a", "--format", "{{.Service}} {{.State}}", timeout=120).stdout
    return dict(line.split(" ") for line in lines.splitlines())


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    {"life": life, "before-reboot": before_reboot, "after-reboot": after_reboot}[sys.argv[1]]()
    print(f"{sys.argv[1]}: as it should be")
