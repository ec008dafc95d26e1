"""A machine that does not play along: a full disk, a database that is none, no root, a folder that imitates our code.

Each gets one clear error, and leaves nothing half-made (R15, R28, R42, L65).
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.census import census
from tests.conftest import Pycompose, wait_for_end

pytestmark = pytest.mark.kernel

STACK = """
services:
  web:
    image: host
    command: sh -c 'echo hello; exec sleep 1000'
    volumes: [data:/data]
volumes: {data: {}}
"""


@pytest.fixture
def small(tmp_path: Path, root: Path) -> Iterator[Pycompose]:
    """Its root lies on a file system of its own, which a test fills."""
    (tmp_path / "project").mkdir()
    (root / "disk").mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(root / "disk")], check=True
    )
    command = Pycompose(tmp_path / "project", root / "disk" / "root")
    command.compose_file(STACK)
    yield command
    empty(command)
    command("down", "-v", "-t", "0", check=False)
    wait_for_end(command.paths)
    assert set(census(command.paths)) <= {"mount"}
    subprocess.run(["umount", str(root / "disk")], check=True)


def fill(command: Pycompose) -> None:
    with open(command.root.parent / "filler", "wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def empty(command: Pycompose) -> None:
    (command.root.parent / "filler").unlink(missing_ok=True)


def test_up_on_a_full_disk_says_so_once_and_goes_on_when_there_is_room(small: Pycompose):
    small("up", "-d")
    small("down", "-v", "-t", "0")
    wait_for_end(small.paths)
    (small.paths.data / "reserve").unlink()
    fill(small)
    failed = small("up", "-d", check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    errors = [line for line in failed.stderr.splitlines() if line.startswith("error E")]
    assert len(errors) == 1, failed.stderr
    assert "ENOSPC" in failed.stderr or "full" in failed.stderr, failed.stderr
    empty(small)
    small("up", "-d")
    assert small("exec", "web", "true").returncode == 0


def test_down_needs_no_room(small: Pycompose):
    small("up", "-d")
    fill(small)
    small("down", "-v", "-t", "0")
    wait_for_end(small.paths)


@pytest.mark.parametrize("content", [b"no database at all\n" * 100, b"", None])
def test_a_database_that_cannot_be_read_is_named_and_left_as_it_is(
    pycompose: Pycompose, content: bytes | None
):
    pycompose.compose_file(STACK)
    path = pycompose.paths.database
    path.parent.mkdir(parents=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    run = pycompose("up", "-d", check=False)
    if content == b"":
        assert run.returncode == 0, "an empty file is a database without tables"
        return
    assert run.returncode == 1
    assert run.stderr.startswith(f"error E301: the state database {path} cannot be used\n"), (
        run.stderr
    )
    assert "hint:" in run.stderr
    if content is None:
        path.rmdir()
    else:
        assert path.read_bytes() == content
        path.unlink()


@pytest.mark.parametrize("broken", [False, True])
def test_a_database_that_is_lost_while_containers_run_costs_no_data_and_leaves_nothing(
    pycompose: Pycompose, broken: bool
):
    pycompose.compose_file(STACK + "x-more: {}\n")
    pycompose("up", "-d")
    pycompose("exec", "web", "sh", "-c", "echo kept > /data/file")
    path = pycompose.paths.database
    if broken:
        for name in ("state.db", "state.db-wal"):
            path.with_name(name).write_bytes(b"no database" * 1000)
        for word in ("ps", "up", "down"):
            run = pycompose(word, check=False)
            assert run.returncode == 1
            assert f"error E301: the state database {path} cannot be used" in run.stderr
            assert "hint: " in run.stderr
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    refused = pycompose("up", "-d", check=False)
    assert refused.returncode == 1
    assert "error E325: containers run here that the state database does not know" in refused.stderr
    ended = pycompose("down", "-t", "0")
    assert "was of no known project: it was ended" in ended.stderr
    wait_for_end(pycompose.paths)
    assert {*census(pycompose.paths)} <= {"file", "row"}, "only the volume"
    pycompose("up", "-d")
    assert pycompose("exec", "web", "cat", "/data/file").stdout == "kept\n"
    pycompose("down", "-t", "0")
    pycompose("volume", "rm", "project_data")


SHARING = """
services:
  web: &web
    image: host
    command: sleep 1000
    cgroup_parent: /pct-above/inner
    ipc: shareable
    volumes: [memory:/memory]
  other:
    <<: *web
    ipc: service:web
volumes: {memory: {driver_opts: {type: tmpfs, device: tmpfs}}}
"""


def test_what_a_lost_database_does_not_name_is_found_in_places_of_the_user_s_choice(
    pycompose: Pycompose,
):
    """R28: below a `cgroup_parent`, and as memory that is shared; nothing of it is touched before `down`."""
    pycompose.compose_file(SHARING)
    pycompose("up", "-d")
    before = census(pycompose.paths)
    assert len(before["mount"]) == 2
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        pycompose.paths.database.with_name(name).unlink(missing_ok=True)
    refused = pycompose("up", "-d", check=False)
    assert "error E325: containers run here that the state database does not know" in refused.stderr
    after = census(pycompose.paths)
    assert {kind: after[kind] for kind in ("cgroup", "mount", "link", "nft table")} == {
        kind: before[kind] for kind in ("cgroup", "mount", "link", "nft table")
    }
    pycompose("down", "-t", "0")


def test_a_torn_state_file_is_no_fact_and_no_obstacle(pycompose: Pycompose):
    pycompose.compose_file(STACK)
    pycompose("up", "-d")
    for path in pycompose.paths.projects.glob("*/states/*.json"):
        path.write_bytes(path.read_bytes()[:20])
    assert pycompose("ps", "-a", "-q").stdout
    pycompose("up", "-d")
    pycompose("down", "-v", "-t", "0")


def test_without_root_the_sudo_line_is_named_and_what_needs_none_works(pycompose: Pycompose):
    pycompose.compose_file(STACK)
    for folder in (pycompose.folder, *pycompose.folder.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 1:
            folder.chmod(folder.stat().st_mode | 0o055)

    def as_nobody(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--",
                *pycompose.command(*words),
            ],
            cwd=pycompose.folder,
            env=pycompose.environment({"HOME": "/nonexistent"}),
            capture_output=True,
            text=True,
        )

    config = as_nobody("config", "--services")
    assert (config.returncode, config.stdout) == (0, "web\n"), config.stderr
    up = as_nobody("up", "-d")
    assert up.returncode == 1
    assert "sudo" in up.stderr
    assert "up -d" in up.stderr
    assert not pycompose.paths.data.exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_caller_may_have_closed_its_streams(pycompose: Pycompose, closed: str):
    """R42: no file of ours takes their place, in our output or as a program's stream."""
    pycompose.compose_file(STACK)
    look = "cat && readlink /proc/self/fd/[012] | cut -d: -f 1 > /data/streams; ls >&2"
    verbs = ("up -d", f"exec -T web sh -c '{look}'", "ps", "logs", "nonsense")
    ended = [
        subprocess.run(
            ["sh", "-c", f"{shlex.join(pycompose.command())} {verb} {closed}"],
            cwd=pycompose.folder,
            env=pycompose.environment(None),
            capture_output=True,
            text=True,
        )
        for verb in verbs
    ]
    assert [each.returncode for each in ended] == [0, 0, 0, 0, 1]
    assert not any("Traceback" in each.stderr for each in ended)
    assert pycompose("exec", "-T", "web", "cat", "/data/streams").stdout == "pipe\npipe\npipe\n"


IMITATED = (
    "runtime/__init__.py",
    "compose/__init__.py",
    "schemas/__init__.py",
    "json.py",
    "yaml.py",
    "os.py",
    "sqlite3.py",
    "anyio.py",
    "runtime/keeper/__main__.py",
    "sitecustomize.py",
)


@pytest.mark.parametrize("verb", ["ps", "config -q", "up -d"])
def test_a_folder_that_was_removed_under_its_shell_is_named(pycompose: Pycompose, verb: str):
    gone = pycompose.folder / "gone"
    gone.mkdir()
    words = shlex.join(pycompose.command(*verb.split()))
    run = subprocess.run(
        ["bash", "-c", f"cd {gone} && rmdir {gone} && exec {words}"],
        env=pycompose.environment(None),
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (
        1,
        "",
        f"error E798: cannot use `{gone}`\nanswered: ENOENT (No such file or directory)\n",
    )


def test_a_folder_that_imitates_our_code_is_not_imported_from(pycompose: Pycompose):
    """L65: as root, and by each of our processes."""
    pycompose.compose_file(STACK)
    proof = pycompose.folder / "imported"
    for name in IMITATED:
        path = pycompose.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(proof)!r}, 'a').write(__file__)\nraise SystemExit(99)\n")
    environment = {"PYTHONPATH": str(pycompose.folder), "PYTHONSTARTUP": "json.py"}
    for words in (("up", "-d"), ("exec", "web", "true"), ("ps",), ("logs",), ("down", "-t", "0")):
        pycompose(*words, environment=environment)
    assert not proof.exists(), proof.read_text()


def test_negative_control_a_plain_interpreter_imports_from_that_folder(tmp_path: Path):
    (tmp_path / "json.py").write_text("print('imitated')")
    run = subprocess.run(
        [os.path.realpath("/usr/bin/python3"), "-c", "import json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.stdout == "imitated\n"
