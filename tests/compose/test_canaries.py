"""Values of environment, labels, secrets and configs appear nowhere unasked: in no output, log,
event or file but where they must be.

Each value is a canary of its own. All verbs run over them, also those that fail; then everything
that was printed and everything that was written is searched.
"""

import os
from pathlib import Path

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.kernel
STACK = """
name: canaries
services:
  web:
    image: host
    init: true
    command: ["sleep", "1000"]
    environment:
      WORD: CANARY-environment-${ROUND:-one}
    env_file: [web.env]
    labels:
      word: CANARY-label-${ROUND:-one}
    secrets: [from_file, from_environment]
    configs: [inline, from_file_too]
    healthcheck:
      test: ["CMD", "true"]
      interval: 1s
  fails:
    image: host
    command: ["sh", "-c", "exit 3"]
    environment:
      WORD: CANARY-environment-of-fails
    labels:
      word: CANARY-label-of-fails
  late:
    image: host
    command: ["true"]
    environment:
      WORD: CANARY-environment-of-late
    depends_on:
      fails:
        condition: service_completed_successfully
  broken:
    image: host
    command: ["/not/there"]
    profiles: [broken]
    environment:
      WORD: CANARY-environment-of-broken
    secrets: [from_file]
secrets:
  from_file:
    file: ./secret.txt
  from_environment:
    environment: SECRET_IN_ENVIRONMENT
configs:
  inline:
    content: CANARY-content-of-config-${ROUND:-one}
  from_file_too:
    file: ./config.txt
"""
SHELL = {"SECRET_IN_ENVIRONMENT": "CANARY-secret-from-environment"}
VERBS = (
    "--progress json create web",
    "--progress json up -d web",
    "--progress plain up -d",
    "up --explain",
    "--dry-run up -d --force-recreate",
    "ps -a",
    "ps -a --no-trunc",
    "logs",
    "top",
    "images",
    "volumes",
    "ls -a",
    "port web 80",
    "exec web true",
    "exec -e MORE=CANARY-of-exec web true",
    "exec web true CANARY-argument-of-exec",
    "exec web /not/there CANARY-argument-of-exec",
    "run --rm -e MORE=CANARY-of-run -l more=CANARY-of-run-label web true",
    "--progress json run --rm broken",
    "--profile broken up -d broken",
    "--debug up -d",
    "restart -t 0 web",
    "pause web",
    "unpause web",
    "network ls",
    "volume ls",
    "config --hash *",
    "config --services",
    "config --quiet",
    "events --since 10m --until 0s",
    "events --json --since 10m --until 0s",
    "--progress json scale web=2 --no-deps",
    "--progress json stop -t 0 web",
    "--progress json start web",
    "stats --no-stream",
    "stats --no-stream --format json",
    "wait fails",
    "logs -t --tail 5 web",
    "image ls",
    "system df -v",
    "network inspect canaries_default",
    "ps --format table",
    "--ansi always --progress tty up -d --force-recreate web",
    "up --abort-on-container-failure",
    "kill -s TERM web",
    "rm -fsv",
    "boot",
)
DATABASE = {"state.db", "state.db-wal", "state.db-shm"}


@pytest.fixture
def stack(pycompose: Pycompose) -> Pycompose:
    pycompose.compose_file(STACK)
    (pycompose.folder / "web.env").write_text("FROM_FILE=CANARY-env-file\n")
    (pycompose.folder / "secret.txt").write_text("CANARY-secret-file")
    (pycompose.folder / "config.txt").write_text("CANARY-config-file")
    return pycompose


def test_no_value_appears_unasked(stack: Pycompose):
    printed = {}
    for verb in VERBS:
        ran = stack(*verb.split(), environment=SHELL, check=False)
        printed[verb] = ran.stdout + ran.stderr
    # a change of every value: what changed is named by its key
    changed = {**SHELL, "ROUND": "two", "SECRET_IN_ENVIRONMENT": "CANARY-another-secret"}
    explained = stack("up", "--explain", "web", environment=changed).stdout
    printed["up --explain, changed"] = explained
    printed["up, changed"] = stack("up", "-d", "web", environment=changed).stderr
    again = {**changed, "ROUND": "three"}
    explained = stack("up", "--explain", "web", environment=again).stdout
    printed["up --explain, changed again"] = explained
    assert "environment.WORD" in explained
    assert {verb: found for verb, text in printed.items() if (found := _canaries(text))} == {}
    assert _files_with_canaries(stack.root) == {}
    stack("down", "-v", "-t", "0", environment=SHELL)


def test_what_is_asked_for_is_shown(stack: Pycompose):
    """The negative control: the canaries are there, and can be seen."""
    stack("up", "-d", "web", environment=SHELL)
    inside = stack(
        "exec", "web", "sh", "-c", "env; cat /run/secrets/* /inline /from_file_too"
    ).stdout
    for canary in ("environment-one", "env-file", "secret-file", "content-of-config-one"):
        assert f"CANARY-{canary}" in inside
    assert "CANARY-secret-from-environment" in inside
    assert "CANARY-label-one" in stack("ps", "--format", "json").stdout
    assert "CANARY-environment-one" in stack("config", environment=SHELL).stdout
    assert any(b"CANARY-environment" in path.read_bytes() for path in stack.root.rglob("state.db*"))
    stack("down", "-t", "0")


def _canaries(text: str) -> list[str]:
    return [line for line in text.splitlines() if "CANARY" in line]


def _files_with_canaries(root: Path) -> dict[str, bytes]:
    """All but the database, which has what a container needs to be started again, and the files
    that are the secrets; and these too if somebody else than root can come to them."""
    found = {}
    for folder, _folders, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_file() or path.is_symlink():
                continue
            data = path.read_bytes()
            must_hold = name in DATABASE or path.parent.name == "files"
            if b"CANARY" in data and not (must_hold and _is_closed(path, root)):
                found[str(path.relative_to(root))] = data[:200]
    return found


def _is_closed(path: Path, root: Path) -> bool:
    """Whether one of the folders down to it, or itself, keeps others out."""
    inside = [path, *(parent for parent in path.parents if parent.is_relative_to(root / "data"))]
    return any(not one.stat().st_mode & (0o004 if one == path else 0o001) for one in inside)
