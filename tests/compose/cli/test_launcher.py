"""`./pycompose`: from anywhere, by any name, on first use and when it cannot be used.

A small script stands in for Python, so that no test downloads anything; the last test uses the real
one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]

PYTHON = r"""#!/bin/bash
case "$*" in
  *compose.__main__*) shift 6; echo "ran $*" ;;
  *"import ensurepip"*) exit ${NO_VENV:-0} ;;
  *version_info*) exit ${TOO_OLD:-0} ;;
  *"-m venv"*) mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python" ;;
  *"-m pip"*) echo "noise of pip"; exit ${NO_PIP:-0} ;;
  *tomllib*) echo "${REQUIREMENTS:-pyyaml}" ;;
  *) echo "unexpected: $*"; exit 1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(TOP / "pycompose", folder)
    (folder / "pyproject.toml").write_text("")
    python = folder / "bin" / "python3"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return folder


def call(program: Path | str, *words: str, checkout: Path, cwd: Path | None = None, **more: str):
    environment = {"PATH": f"{checkout}/bin:/usr/bin:/bin", **more}
    run = subprocess.run(
        [program, *words],
        cwd=cwd or checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout, run.stderr


def test_the_first_use_says_one_line_and_runs(checkout: Path):
    program = checkout / "pycompose"
    assert call(program, "up", "-d", checkout=checkout) == (
        0,
        f"ran {checkout} {program} up -d\n",
        f"pycompose: first use, installing its Python packages into {checkout}/.venv\n",
    )
    assert call(program, "ps", checkout=checkout) == (0, f"ran {checkout} {program} ps\n", "")
    assert [path.name for path in checkout.glob(".venv*")] == [".venv"]


def test_it_runs_from_any_folder_and_through_links(checkout: Path, tmp_path: Path):
    call(checkout / "pycompose", checkout=checkout)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").symlink_to("../checkout/pycompose")
    (tmp_path / "two").symlink_to(tmp_path / "a" / "one")
    assert call(tmp_path / "two", "ps", checkout=checkout, cwd=Path("/")) == (
        0,
        f"ran {checkout} {tmp_path}/two ps\n",
        "",
    )
    assert call("./two", checkout=checkout, cwd=tmp_path)[0] == 0


def test_a_first_use_that_was_killed_does_no_harm(checkout: Path):
    (checkout / ".venv.new.999999999").mkdir()
    (checkout / ".venv").mkdir()
    assert call(checkout / "pycompose", checkout=checkout)[0] == 0
    assert [path.name for path in checkout.glob(".venv*")] == [".venv"]


def test_changed_requirements_are_installed(checkout: Path):
    program = checkout / "pycompose"
    call(program, checkout=checkout)
    os.utime(checkout / "pyproject.toml", (2e9, 2e9))
    assert "first use" in call(program, checkout=checkout, REQUIREMENTS="pyyaml\nh11")[2]


def test_a_touched_project_file_alone_installs_nothing(checkout: Path):
    program = checkout / "pycompose"
    call(program, checkout=checkout)
    os.utime(checkout / "pyproject.toml", (2e9, 2e9))
    assert call(program, checkout=checkout)[2] == ""


def test_without_a_new_python_it_says_what_to_install(checkout: Path):
    code, out, err = call(
        checkout / "pycompose",
        checkout=checkout,
        TOO_OLD="1",
        PATH=f"{checkout}/bin:/nowhere:{tools(checkout)}",
    )
    assert (code, out) == (1, "")
    assert err == (
        "pycompose: Python 3.11 or newer is needed, and none is there\nhint: apt install python3 python3-venv\n"
    )


def tools(checkout: Path) -> Path:
    """What the script needs beside Python, and nothing else."""
    folder = checkout / "tools"
    folder.mkdir()
    for name in ("bash", "env", "dirname", "readlink", "rm", "mv", "cat", "touch", "mkdir", "cp"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def test_without_venv_it_says_what_to_install(checkout: Path):
    assert call(checkout / "pycompose", checkout=checkout, NO_VENV="1") == (
        1,
        "",
        f"pycompose: {checkout}/bin/python3 has no module venv\nhint: apt install python3-venv\n",
    )


def test_when_packages_cannot_be_installed_pip_is_heard(checkout: Path):
    code, _, err = call(checkout / "pycompose", checkout=checkout, NO_PIP="1")
    assert code == 1
    assert err.splitlines()[1:] == [
        "noise of pip",
        "pycompose: the Python packages could not be installed",
        "hint: see what pip says above; a proxy or an index of your own is set in pip.conf",
    ]
    assert list(checkout.glob(".venv*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_checkout_that_cannot_be_written_says_so(checkout: Path):
    checkout.chmod(0o755)
    for folder in (checkout, *checkout.parents):
        if folder.stat().st_uid == 0 and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    code, _, err = call(
        "setpriv", "--reuid=65534", "--clear-groups", str(checkout / "pycompose"), checkout=checkout
    )
    assert (code, err) == (
        1,
        f"pycompose: the first call makes {checkout}/.venv, and {checkout} cannot be written\n"
        f"hint: call {checkout}/pycompose once as its owner, or copy the folder\n",
    )


def test_nothing_is_imported_from_the_folder_it_is_called_in(tmp_path: Path):
    """The real Python: a project folder full of names that we import."""
    for name in ("compose", "runtime", "schemas"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('imported')\n")
    for name in ("json.py", "yaml.py", "typing.py", "signal.py"):
        (tmp_path / name).write_text("raise SystemExit('imported')\n")
    main = (TOP / "pycompose").read_text().partition("main='")[2].partition("'")[0]
    run = subprocess.run(
        [sys.executable, "-PEsS", "-c", main, str(TOP), "pycompose", "version", "--short"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
