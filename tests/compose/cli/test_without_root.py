"""What somebody who is not root can do: read files and help; for all else he is told the line to
type.

Runs as nobody, with one capability left: to read the interpreter, which may lie in a folder of
root's.
"""

import subprocess
from pathlib import Path

import pytest

from compose.cli import verbs
from compose.cli.flags import read_signature
from tests.conftest import Pycompose

pytestmark = pytest.mark.kernel
NOBODY = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]
FREE = {"config", "version", "help", "completion", "login", "logout", "push"}
"""`login` and `logout` write into the caller's own home, `push` is refused later."""
WORDS = {"port": ["web", "80"], "scale": ["web=2"], "cp": ["a", "web:b"]}
"""What a verb wants before it looks at who calls; elsewhere as many names as it needs."""
STACK = "services: {web: {image: host, command: [sleep, '1000']}}"


def as_nobody(pycompose: Pycompose, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NOBODY, *pycompose.command(*words)],
        cwd="/",
        env={**pycompose.environment({"COMPOSE_FILE": str(pycompose.folder / "compose.yaml")})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def stack(pycompose: Pycompose) -> Pycompose:
    pycompose.compose_file(STACK)
    return pycompose


def test_files_can_be_checked_and_help_be_read(stack):
    assert as_nobody(stack, "config", "--services").stdout == "web\n"
    assert as_nobody(stack, "version", "--short").returncode == 0
    assert as_nobody(stack, "help", "up").stdout.startswith("Usage: pycompose up ")
    assert as_nobody(stack, "up", "--help").stdout.startswith("Usage: pycompose up ")
    assert "web" in as_nobody(stack, "__complete", "up", "w").stdout


def test_the_line_to_type_keeps_the_words_and_names_the_variables_alone(stack):
    ran = as_nobody(stack, "-p", "a b", "up", "-d", "--scale", "web=2")
    program = stack.command()[-1]
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        1,
        "",
        "error E701: `up` needs root, whose the containers are\n"
        "hint: sudo --preserve-env=COMPOSE_FILE,PYCOMPOSE_ROOT"
        f" {program} -p 'a b' up -d --scale web=2\n",
    )


def verbs_of_root() -> list[str]:
    found = []
    for verb in verbs.names():
        if verbs.is_group(verb):
            found += [f"{verb} {name}" for name in verbs.names(verb)]
        elif verb not in FREE:
            found.append(verb)
    return found


def words_of(path: str) -> list[str]:
    group, _, verb = path.rpartition(" ")
    module = verbs.load(verb, group)
    assert module is not None
    return WORDS.get(path, ["web"] * read_signature(module.command).minimum)


def test_every_other_verb_says_so_and_leaves_nothing(stack):
    """One process for all of them: they end before they import anything."""
    calls = [[*verb.split(), *words_of(verb)] for verb in verbs_of_root()]
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from compose.cli import app\n"
        f"for words in {calls!r}:\n"
        "    print(words, app.run(words), flush=True)\n"
    )
    top = Path(__file__).resolve().parents[3]
    ran = subprocess.run(
        [*NOBODY, stack.command()[0], "-P", "-c", program, str(top)],
        cwd="/",
        env=stack.environment(None),
        capture_output=True,
        text=True,
        timeout=60,
    )
    for words, line in zip(calls, ran.stdout.splitlines(), strict=True):
        assert line == f"{words} 1", ran.stderr
    assert ran.stderr.count("needs root, whose the containers are\nhint: sudo ") == len(calls)
    assert Path(stack.root).stat().st_uid == 0
    assert list(Path(stack.root).iterdir()) == []
