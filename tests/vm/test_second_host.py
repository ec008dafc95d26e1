"""The kernel part on a machine with pure cgroup v2, and a real reboot (R14).

Run by `./check vm`: an emulated machine is 10 to 20 times slower than this one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
SECONDS = "1200"

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(3000)]


def boot(what: str, **environment: str) -> str:
    """Runs a part of on_guest.py on a freshly booted machine, which is cut off at its end."""
    run = subprocess.run(
        [HERE / "cgroup2-host", f"{sys.executable} -P {HERE / 'on_guest.py'} {what} 2>&1", SECONDS],
        cwd=TOP,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(Path.home()), **environment},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"exit {run.returncode}\n{run.stdout}{run.stderr[-2000:]}"
    return run.stdout.strip().splitlines()[-1]


def test_limits_and_device_filter_hold_on_pure_cgroup_v2_and_nothing_is_left():
    assert boot("life") == "life: as it should be"


def test_images_of_127_layers_and_roots_on_overlay_work_on_kernel_6_1():
    assert boot("images") == "images: as it should be"


def test_after_a_reboot_policies_hold_volumes_are_there_and_down_leaves_nothing(tmp_path: Path):
    disk = str(tmp_path / "disk")
    assert boot("before-reboot", VM_DISK=disk) == "before-reboot: as it should be"
    assert boot("after-reboot", VM_DISK=disk) == "after-reboot: as it should be"
