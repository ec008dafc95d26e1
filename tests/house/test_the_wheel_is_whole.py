"""What `pipx install .` gives: a command that finds its data, and no top-level package but the two."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import TOP


@pytest.mark.slow
def test_a_wheel_holds_the_packages_their_data_and_nothing_else(tmp_path: Path):
    source = tmp_path / "source"  # a build leaves folders beside what it builds from
    for name in ("compose", "runtime", "schemas"):
        shutil.copytree(TOP / name, source / name, symlinks=True)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(TOP / name, source)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            tmp_path,
            source,
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    data = {name for name in names if name.startswith("runtime/data/")}
    assert data == {f"runtime/data/{path.name}" for path in (TOP / "schemas").iterdir()}
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "compose",
        "runtime",
        "pycompose_engine",
    }
    (tmp_path / "compose.yaml").write_text("services: {web: {image: busybox}}")
    run = subprocess.run(
        [sys.executable, "-P", "-m", "compose", "config", "--services"],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(tmp_path / "installed"),
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (0, "web\n"), run.stderr
