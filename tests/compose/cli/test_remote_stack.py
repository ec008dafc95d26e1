"""What `up` and `run` show and ask before they act on files of somewhere else."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from compose.cli import app
from compose.loading.parse import parse
from compose.loading.report import Report
from compose.position import File
from compose.tree import Node
from tests.fakes.stack import FakeDoors, FakeStack

URL = "https://git.example.org/shop.git"
TEXT = """
services:
  web:
    image: a:${TAG:-1}
    user: ${WHO?}
    environment: ["A=${NOWHERE}", "B=${HOME}"]
"""
STORED = f'Your compose stack "{URL}" is stored in "/copies/shop"\n'
ROWS = (
    "VARIABLE   VALUE      SOURCE         REQUIRED   DEFAULT",
    "HOME       /home/me   environment    no         ",
    "NOWHERE    <unset>    none           no         ",
    "TAG        1          compose file   no         1",
    "WHO        me         environment    yes        ",
)
TABLE = "\n".join(
    (
        "",
        "Found the following variables in configuration:",
        *ROWS,
        "",
        "Do you want to proceed with these variables? [Y/n] ",
    )
)
CANCELLED = "error E217: operation cancelled by user\nhint: `-y` answers yes; `config` shows what would be done\n"


class RemoteStack(FakeStack):
    project = SimpleNamespace(
        working_dir="/copies/shop", environment={"HOME": "/home/me", "WHO": "me"}
    )
    fetched: tuple[str, ...] = (URL,)
    text = TEXT

    def written(self) -> Node:
        (document,) = parse(File("compose.yaml", self.text), Report())
        assert document.root is not None
        return document.root


class Ran(NamedTuple):
    code: int
    err: str
    calls: list[str]


Run = Callable[..., Ran]


@pytest.fixture
def stack() -> RemoteStack:
    return RemoteStack()


@pytest.fixture
def run(
    stack: RemoteStack, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    def run_line(line: str, stdin: str = "", file: str = URL) -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        monkeypatch.delenv("COMPOSE_PROGRESS", raising=False)
        code = app.run(["-f", file, *line.split()], doors=FakeDoors(stack=stack))
        return Ran(code, capsys.readouterr().err, [call.split()[0] for call in stack.calls])

    return run_line


@pytest.mark.parametrize("verb", ["up -d", "run web"])
@pytest.mark.parametrize("answer", ["y\n", "\n", "yes\n"])
def test_the_variables_are_shown_and_asked_about(verb: str, answer: str, run: Run):
    ran = run(verb, answer)

    assert ran.err == STORED + TABLE
    assert (ran.code, ran.calls) == (0, [verb.split()[0]])


@pytest.mark.parametrize("verb", ["up -d", "run web"])
@pytest.mark.parametrize("answer", ["n\n", ""])
def test_no_means_that_nothing_is_done(verb: str, answer: str, run: Run):
    ran = run(verb, answer)

    assert ran.err.replace("[Y/n] \n", "[Y/n] ") == STORED + TABLE + CANCELLED
    assert (ran.code, ran.calls) == (1, [])


def test_yes_is_an_answer(run: Run):
    assert run("up -d -y") == Ran(0, STORED, ["up"])


def test_a_dry_run_asks_nothing(run: Run):
    assert run("--dry-run up -d") == Ran(0, STORED, ["up"])


def test_files_without_variables_are_not_asked_about(run: Run, stack: RemoteStack):
    stack.text = "services: {web: {image: a}}\n"
    assert run("up -d") == Ran(0, STORED, ["up"])


def test_what_they_include_from_elsewhere_is_asked_about_first(run: Run, stack: RemoteStack):
    stack.fetched = (
        URL,
        "https://me:secret@other.example.org/x.git",
        "oci://registry.example.org/y:1",
    )

    ran = run("up -d", "n\n")

    assert (
        ran.err
        == STORED
        + (
            "\nWarning: This Compose project includes files from remote sources:\n"
            "  - https://me@other.example.org/x.git\n"
            "  - oci://registry.example.org/y:1\n"
            "\nThey may be malicious. Make sure that you trust their source.\n"
            "Do you want to continue? [y/N] "
        )
        + CANCELLED
    )
    assert ran.calls == []
    assert run("up -d", "y\ny\n").calls == ["up"]


def test_a_quiet_command_does_not_say_where_they_lie(run: Run):
    assert run("--progress quiet up -d -y") == Ran(0, "", ["up"])


def test_files_of_this_machine_are_not_asked_about(run: Run):
    assert run("up -d", file="compose.yaml") == Ran(0, "", ["up"])
