"""What belongs to the command and its terminal alone, and not to the containers that outlive it."""

from __future__ import annotations

import subprocess

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("wrapper", [("nice", "-n", "7"), ("chrt", "--rr", "5")])
def test_the_priority_of_the_command_is_not_that_of_its_containers(
    pycompose: Pycompose, wrapper: tuple[str, ...]
):
    """Negative control: with a real-time policy the container's cgroup refused it (EINVAL)."""
    pycompose.compose_file("services: {web: {image: host, command: sleep 1000}}")
    subprocess.run(
        [*wrapper, *pycompose.command("up", "-d")],
        cwd=pycompose.folder,
        env=pycompose.environment(None),
        capture_output=True,
        check=True,
    )
    fields = pycompose("exec", "-T", "web", "cat", "/proc/1/stat").stdout.rpartition(")")[2].split()
    nice, policy = int(fields[16]), int(fields[38])
    assert (nice, policy) == (0, 0)
