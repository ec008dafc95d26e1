"""What `pipx install .` gives: a command that finds its data and runs stacks, and no top-level package but the two."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from runtime.paths import find_paths
from tests.census import census
from tests.conftest import TOP, wait_for_end

pytestmark = pytest.mark.slow
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build leaves folders beside what it builds from
    for name in ("compose", "runtime", "schemas"):
        shutil.copytree(TOP / name, source / name, symlinks=True)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(TOP / name, source)
    words = ["wheel", "--no-deps", "--wheel-dir", folder, source]
    subprocess.run([*PIP, *words], check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_a_wheel_holds_the_packages_their_data_and_nothing_else(wheel: Path, tmp_path: Path):
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


STACK = 'services: {web: {image: host, command: "sleep 1000", init: true}}'


@pytest.mark.kernel
def test_the_installed_command_brings_a_stack_up_and_down(wheel: Path, root: Path, tmp_path: Path):
    """All of its processes run the installed code, none that of this checkout."""
    command = install(wheel, tmp_path / "environment")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "compose.yaml").write_text(STACK)
    environment = {"PATH": os.environ["PATH"], "HOME": "/root", "PYCOMPOSE_ROOT": str(root)}
    paths = find_paths(environment)

    def run(*words: str) -> str:
        done = subprocess.run(
            [command, *words],
            cwd=tmp_path / "project",
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = census(paths)
    run("up", "-d")
    processes = [line for line in census(paths)["process"] if str(paths.run) in line]
    assert len(processes) == 2, processes
    assert all(f"{command.parent}/python" in line and str(TOP) not in line for line in processes)
    assert run("exec", "-T", "web", "echo", "inside") == "inside\n"
    run("down", "-t", "0")
    wait_for_end(paths)
    assert census(paths) == before


def install(wheel: Path, environment: Path) -> Path:
    """An environment with the wheel; what the wheel needs is found in ours."""
    venv.create(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    words = ["install", "--no-deps", "--no-index", "--target", packages, wheel]
    subprocess.run([*PIP, *words], check=True, capture_output=True)
    (packages / "ours.pth").write_text("\n".join(site.getsitepackages()))
    command = environment / "bin" / "pycompose"
    text = (packages / "bin" / "pycompose").read_text()
    command.write_text(f"#!{environment}/bin/python\n{text.partition(chr(10))[2]}")
    command.chmod(0o755)
    return command
