"""A data root on an overlay, as in a container of a CI, or on a disk without trusted attributes: changes are kept in memory, and that is said."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TOP, Pycompose
from tests.fakes import layouts, poor_disks
from tests.runtime.images.made import busybox_tar
from tests.runtime.images.tars import Tar

pytestmark = pytest.mark.kernel

FILES = {"a/x": "1", "a/y": "2", "b/z": "3"}
HIDING = Tar().file("a/.wh.x").file("b/.wh..wh..opq").file("b/n", b"4").bytes
SAID = "cannot hold the changes of containers"


@pytest.fixture(params=poor_disks.KINDS)
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """In place of the one that all tests share."""
    with poor_disks.mounted(tmp_path / "poor", request.param) as place:
        yield place / "root"


@pytest.fixture
def image(pycompose: Pycompose) -> str:
    layouts.layout(
        pycompose.folder / "layout",
        layouts.image(busybox_tar(FILES), HIDING, Cmd=["sleep", "1000"]),
    )
    return "oci:./layout"


def test_containers_run_and_keep_what_they_change_until_they_are_removed(
    pycompose: Pycompose, image: str
):
    pycompose.compose_file(
        "x-all: &x {stop_grace_period: 0s, init: true}\n"
        f"services: {{web: {{<<: *x, image: '{image}', scale: 2}},"
        " own: {<<: *x, image: host, command: [sleep, '1000']}}\n"
    )
    first = pycompose("up", "-d")
    assert first.stderr.count(SAID) == 1
    assert str(pycompose.paths.data) in first.stderr
    inside = "ls /a /b; echo changed > /a/y; rm /b/n"
    assert pycompose("exec", "-T", "web", "sh", "-c", inside).stdout.split() == [
        *("/a:", "y", "/b:", "n")
    ]
    pycompose("exec", "-T", "own", "sh", "-c", "rm /usr/bin/env && mkdir /root/x && test -d /etc")

    pycompose("restart", "-t", "0")

    after = pycompose("exec", "-T", "web", "sh", "-c", "cat /a/y; ls /b").stdout
    assert after == "changed\n"
    pycompose("exec", "-T", "own", "sh", "-c", "test ! -e /usr/bin/env && test -d /root/x")
    assert SAID not in pycompose("up", "-d").stderr
    pycompose("down", "-t", "0")
    assert str(pycompose.paths.data) not in Path("/proc/self/mountinfo").read_text()


def test_a_machine_that_is_an_overlay_itself(tmp_path: Path):
    """As the container of a CI job is: `/` and the data root are the same overlay."""
    layouts.layout(
        tmp_path / "layout", layouts.image(busybox_tar(FILES), HIDING, Cmd=["ls", "/a", "/b"])
    )
    (tmp_path / "compose.yaml").write_text(
        "services:\n"
        f"  image: {{image: 'oci:{tmp_path}/layout'}}\n"
        "  own: {image: host, command: [sh, -c, 'touch /usr/made; ls /usr/made /root /home']}\n"
    )
    script = f"""
        set -e
        mkdir {tmp_path}/ci; mount -t tmpfs ci {tmp_path}/ci; cd {tmp_path}/ci; mkdir u w m
        mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w m
        for name in proc sys dev; do mount --rbind /$name m/$name; done
        exec chroot m sh -c 'cd {tmp_path}; export PYCOMPOSE_ROOT=/opt/ours
            {TOP}/.venv/bin/python -P -E {TOP}/tests/run_pycompose.py -p ci up
            {TOP}/.venv/bin/python -P -E {TOP}/tests/run_pycompose.py -p ci down
            grep -c /opt/ours /proc/self/mountinfo'
    """
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120
    )
    assert "image-1  | n\n" in done.stdout, done.stderr
    assert "own-1    | /usr/made\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr.count(SAID) == 1
