"""A box per test, on a root file system of busybox that is made once."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.init.driver import Box

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def busybox_root() -> Iterator[Path]:
    """Read by all, written by none: each test lays its own layer over it."""
    folder = Path(tempfile.mkdtemp(prefix="pct-", dir="/var/tmp"))
    maker = TOP / "samples" / "rootfs" / "make-rootfs.sh"
    subprocess.run(["sh", str(maker), str(folder / "rootfs.tar")], check=True)
    (folder / "lower").mkdir()
    unpack = ["tar", "-C", str(folder / "lower"), "-xf", str(folder / "rootfs.tar")]
    subprocess.run(unpack, check=True)
    yield folder / "lower"
    shutil.rmtree(folder)


@pytest.fixture
def box(root: Path, busybox_root: Path) -> Iterator[Box]:
    """L21: afterwards the mount table of the host is what it was before."""
    before = host_mounts()
    box = Box(root, busybox_root)
    yield box
    box.end()
    assert host_mounts() == before


def host_mounts() -> list[str]:
    """Without named network namespaces: other tests make some at the same time."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if "/run/netns" not in line]
