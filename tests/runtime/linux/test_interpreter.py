"""Nobody can write to the file that our processes execute (V03)."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.linux import interpreter

pytestmark = pytest.mark.kernel

WAYS = [interpreter.open_on_overlay, interpreter.copy_to_memory]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A copy of the interpreter that may be spoilt."""
    copy = tmp_path / "bin" / "python"
    copy.parent.mkdir()
    shutil.copy(os.path.realpath(sys.executable), copy)
    return copy


def exe_of_ended_process(descriptor: int) -> int:
    """What an attacker keeps: O_PATH on /proc/PID/exe, from before the end of the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        executable=f"/proc/self/fd/{descriptor}",
        pass_fds=[descriptor],
        stdin=subprocess.PIPE,
    )
    kept = os.open(f"/proc/{process.pid}/exe", os.O_PATH)
    process.communicate(b"\n")
    return kept


def write_to(kept: int) -> str:
    try:
        with open(f"/proc/self/fd/{kept}", "r+b", buffering=0) as file:
            file.write(b"x")
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "written"


@pytest.mark.parametrize("way", WAYS)
def test_the_executable_cannot_be_written_to_even_when_idle(
    way: Callable[[str], int], python: Path
):
    kept = exe_of_ended_process(way(str(python)))
    assert write_to(kept) in ("EROFS", "EPERM")


def test_negative_control_a_plain_executable_can(python: Path):
    kept = exe_of_ended_process(os.open(python, os.O_PATH))
    assert write_to(kept) == "written"


@pytest.mark.parametrize("way", WAYS)
def test_the_same_python_with_the_same_library_runs(way: Callable[[str], int]):
    descriptor = way(os.path.realpath(sys.executable))
    run = subprocess.run(
        [sys.executable, "-P", "-E", "-c", "import sys, anyio; print(sys.executable, sys.prefix)"],
        executable=f"/proc/self/fd/{descriptor}",
        pass_fds=[descriptor],
        capture_output=True,
        text=True,
    )
    assert run.stdout.split() == [sys.executable, sys.prefix]


def test_it_can_be_spawned_by_path():
    with interpreter.sealed() as path:
        pid = os.posix_spawn(path, [sys.executable, "-c", "raise SystemExit(3)"], {})
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def test_nothing_shows_in_the_mount_table():
    before = Path("/proc/self/mountinfo").read_text()
    descriptor = interpreter.open_on_overlay(os.path.realpath(sys.executable))
    assert Path("/proc/self/mountinfo").read_text() == before
    os.close(descriptor)
