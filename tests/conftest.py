"""What all tests share: a root of their own, a census around each kernel test, skips that are allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from compose.loading import pipeline, verdicts
from runtime.paths import Paths, find_paths
from tests.census import census

TOP = Path(__file__).resolve().parents[1]
ALLOWED_SKIPS = TOP / "tests" / "allowed_skips.txt"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def nothing_of_the_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a command that runs in a test's own process keeps is not kept in the machine's root,
    also where the test gives it an environment of its own."""
    machine = {"PYCOMPOSE_ROOT": str(tmp_path_factory.mktemp("machine"))}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in machine.items():
            patch.setenv(name, os.environ.get(name, value))
        patch.setattr(pipeline, "folder_of", lambda given: verdicts.folder_of(machine | {**given}))
        yield


@pytest.fixture
def root() -> Iterator[Path]:
    """A PYCOMPOSE_ROOT of the test's own, short enough to read in messages."""
    folder = Path(tempfile.mkdtemp(prefix="pct-", dir="/var/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def paths(root: Path) -> Paths:
    return find_paths({"PYCOMPOSE_ROOT": str(root)})


class Pycompose:
    """Runs the command as a user does, in a folder, against the test's own root."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.root = root
        self.always: Mapping[str, str] = {}
        """Variables of every command."""
        self.paths = find_paths({"PYCOMPOSE_ROOT": str(root)})

    def __call__(
        self,
        *words: str,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """One command to its end. With `check` a failure shows what it printed."""
        run = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(environment),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and run.returncode:
            raise AssertionError(
                f"pycompose {' '.join(words)}: exit {run.returncode}\n{run.stdout}{run.stderr}"
            )
        return run

    def start(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """A command that goes on: attached up, logs -f."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-E", str(TOP / "tests" / "run_pycompose.py"), *words]

    def environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "TERM") if key in os.environ}
        return {**kept, "PYCOMPOSE_ROOT": str(self.root), **self.always, **(more or {})}

    def compose_file(self, text: str, name: str = "compose.yaml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def pycompose(root: Path, tmp_path: Path) -> Iterator[Pycompose]:
    """`pycompose` in an empty folder named `project`; afterwards nothing of it may be left on the machine."""
    folder = tmp_path / "project"
    folder.mkdir()
    command = Pycompose(folder, root)
    before = census(command.paths)
    yield command
    leftovers = {project.name for project in _projects(command.paths)}
    for name in leftovers:
        command("-p", name, "down", "-v", "-t", "0", "--remove-orphans", check=False)
    wait_for_end(command.paths)
    assert census(command.paths) == before


def _projects(paths: Paths) -> tuple[object, ...]:
    from runtime.engine import Engine

    engine = Engine(paths)
    try:
        return engine.projects()
    finally:
        engine.close()


def wait_for_end(paths: Paths, seconds: float = 60.0) -> None:
    """Until keeper and supervisor of the root have ended by themselves: by pidfd, not by polling."""
    import select

    from tests.census import processes

    deadline = time.monotonic() + seconds
    while (running := list(processes(paths))) and time.monotonic() < deadline:
        for line in running:
            try:
                pidfd = os.pidfd_open(int(line.split()[0]))
            except ProcessLookupError:
                continue
            with open(pidfd):
                if not select.select([pidfd], [], [], seconds)[0]:
                    return


def allowed_skips() -> list[tuple[str, str]]:
    """(beginning of a test's id, reason) for each line of tests/allowed_skips.txt."""
    lines = ALLOWED_SKIPS.read_text().splitlines()
    return [
        (prefix, reason) for prefix, _, reason in (line.partition("\t") for line in lines if line)
    ]


PROGRAM_FOLDERS = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")


class ProgramsUsed:
    """Programs of this machine that were read or started while tests were collected."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.is_collecting = True
        sys.addaudithook(self.hear)

    def hear(self, event: str, words: tuple[object, ...]) -> None:
        if not self.is_collecting or event not in ("open", "subprocess.Popen", "os.posix_spawn"):
            return
        path = str(words[0])
        is_program = event != "open" or path.startswith(PROGRAM_FOLDERS)
        # Python's own `platform` asks `uname`, and does without
        if is_program and path != "uname" and not path.startswith(sys.prefix):
            self.found.append(path)


USED_TO_COLLECT = pytest.StashKey[ProgramsUsed]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[USED_TO_COLLECT] = ProgramsUsed()


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[USED_TO_COLLECT].is_collecting = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for prefix, reason in allowed_skips():
            if item.nodeid.startswith(prefix):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skip that tests/allowed_skips.txt does not list is a failure."""
    allowed = [prefix for prefix, _reason in allowed_skips()]
    for report in terminalreporter.stats.get("skipped", []):
        if not any(report.nodeid.startswith(prefix) for prefix in allowed):
            terminalreporter.write_line(
                f"NOT ALLOWED TO SKIP: {report.nodeid}: {report.longrepr}", red=True
            )
            terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED  # type: ignore[attr-defined]
