"""Heavy packages are imported by the command that needs them, when it needs them (DESIGN.md 4 and 9)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HEAVY = (
    "networkx",
    "jsonschema",
    "pyroute2",
    "anyio",
    "asyncio",
    "h11",
    "rich",
    "ssl",
    "zstandard",
)

# what a command may load on its way to an answer, when the project does not exist
READING = {
    "ps": set(),
    "logs": set(),
    "ls": set(),
    "version": set(),
}


def test_the_command_line_itself_loads_nothing_heavy():
    assert loaded_by("import compose.cli.app") == set()


def test_an_image_that_is_here_is_found_without_the_registry_client():
    script = (
        "import tempfile\n"
        "from pathlib import Path\n"
        "from runtime import tasks\n"
        "from runtime.images import front\n"
        "from runtime.paths import Paths\n"
        "import runtime.engine\n"
        "root = Path(tempfile.mkdtemp())\n"
        "tasks.run(lambda: front.ensure(Paths(root, root), 'host', policy='always'))\n"
    )
    assert loaded_by(script) == set()


@pytest.mark.parametrize("command", READING)
def test_a_reading_command_loads_nothing_heavy(command: str, tmp_path: Path):
    (tmp_path / "compose.yaml").write_text("services: {web: {image: host}}\n")
    script = (
        "import sys\n"
        "from compose.__main__ import main\n"
        f"sys.argv = ['pycompose', '-p', 'nobody', {command!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
    )
    assert loaded_by(script, cwd=tmp_path, root=tmp_path / "root") == READING[command]


def loaded_by(script: str, *, cwd: Path = TOP, root: Path | None = None) -> set[str]:
    """The heavy packages in sys.modules after the script."""
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    if root is not None:
        environment["PYCOMPOSE_ROOT"] = str(root)
    ending = "\nimport sys; print('LOADED', *sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script + ending],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = run.stdout.rpartition("LOADED")[2].split()
    return {module for module in modules if module in HEAVY}


def test_config_of_a_file_that_was_judged_before_loads_no_judge(tmp_path: Path):
    (tmp_path / "compose.yaml").write_text("services: {web: {image: host}}\n")
    script = (
        "import sys\n"
        "from compose.__main__ import main\n"
        "sys.argv = ['pycompose', 'config']\n"
        "main()\n"
    )
    assert loaded_by(script, cwd=tmp_path, root=tmp_path / "root") == {"jsonschema"}
    assert loaded_by(script, cwd=tmp_path, root=tmp_path / "root") == set()
