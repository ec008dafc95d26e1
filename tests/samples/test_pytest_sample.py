"""samples/pytest as a reader runs it; and killed in the middle, after which its lease cleans up."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.paths import Paths
from tests.census import census, processes
from tests.conftest import TOP

SAMPLE = TOP / "samples" / "pytest"
pytestmark = pytest.mark.kernel


def suite(root: Path, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", folder],
        cwd=folder,
        env={**os.environ, "PYCOMPOSE_ROOT": str(root), "PYTHONPATH": str(TOP)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until_all_are_gone(paths: Paths) -> None:
    for line in list(processes(paths)):
        try:
            pidfd = os.pidfd_open(int(line.split()[0]))
        except ProcessLookupError:
            continue
        with open(pidfd):
            assert select.select([pidfd], [], [], 60)[0], line


def test_the_suite_passes_and_leaves_nothing(root: Path, paths: Paths):
    before = census(paths)
    run = suite(root, SAMPLE)
    out, _ = run.communicate(timeout=180)
    assert run.returncode == 0, out
    assert "5 passed" in out
    wait_until_all_are_gone(paths)
    assert census(paths) == before


def test_a_suite_that_is_killed_leaves_nothing_either(root: Path, paths: Paths, tmp_path: Path):
    before = census(paths)
    fifo = tmp_path / "up"
    os.mkfifo(fifo)
    conftest = (SAMPLE / "conftest.py").read_text()
    (tmp_path / "conftest.py").write_text(conftest.replace("Path(__file__).parent", f"Path({str(SAMPLE)!r})"))
    (tmp_path / "test_that_is_killed.py").write_text(
        "def test_it_waits(shop):\n"
        f"    open({str(fifo)!r}, 'w').write('up')\n"
        f"    open({str(fifo)!r}).read()\n"
    )
    run = suite(root, tmp_path)
    assert fifo.read_text() == "up"
    assert [line for line in processes(paths) if "postgres" in line]
    run.send_signal(signal.SIGKILL)
    run.wait(30)
    wait_until_all_are_gone(paths)
    assert census(paths) == before
