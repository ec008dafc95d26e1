"""login, logout, image pull, image push: what is asked of the machine, and what is printed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import pytest

from compose.cli import app
from runtime.errors import RuntimeFault
from runtime.values import Login
from tests.fakes.stack import FakeDoors, FakeMachine

DIGEST = "sha256:" + "cd" * 32


class Ran(NamedTuple):
    code: int
    out: str
    err: str
    calls: list[str]


Run = Callable[..., Ran]


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def run(
    machine: FakeMachine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    def run_line(line: str, stdin: str = "", *, terminal: bool = False, root: bool = True) -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        monkeypatch.setattr("os.isatty", lambda descriptor: terminal)
        monkeypatch.setattr("getpass.getpass", lambda prompt: "typed")
        monkeypatch.delenv("COMPOSE_PROGRESS", raising=False)
        doors = FakeDoors(machine=machine, root=root)
        code = app.run(line.split(), program="pycompose", doors=doors)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err, doors.calls)

    return run_line


def test_a_password_from_stdin(run: Run):
    ran = run("login -u anna --password-stdin registry.test", "secret\n")

    assert (ran.code, ran.out, ran.err) == (0, "Login Succeeded\n", "")
    assert ran.calls == ["login 'registry.test' 'anna' 'secret'"]


def test_a_password_on_the_command_line_is_warned_of(run: Run):
    ran = run("login -u anna -p secret registry.test")

    assert ran.err == ("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")


def test_a_password_that_lies_in_a_file_is_warned_of(run: Run, machine: FakeMachine):
    machine.login_file = "/home/anna/.docker/config.json"

    ran = run("login -u anna --password-stdin", "secret")

    assert ran.err == (
        "WARNING! Your password will be stored unencrypted in /home/anna/.docker/config.json.\n"
        "Configure a credential helper to remove this warning.\n"
    )


def test_name_and_password_are_asked_for_on_a_terminal(run: Run):
    ran = run("login registry.test", "anna\n", terminal=True)

    assert ran.calls[-1] == "login 'registry.test' 'anna' 'typed'"
    assert ran.err == "Username: "


def test_a_login_that_is_kept_is_tried_again(run: Run, machine: FakeMachine):
    machine.known = Login(username="anna", password="kept")

    ran = run("login registry.test")

    assert ran.calls[-1] == "login 'registry.test' 'anna' 'kept'"
    assert ran.err == "Authenticating with existing credentials...\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("login", "Cannot perform an interactive login from a non TTY device"),
        ("login -p a --password-stdin", "--password and --password-stdin are mutually exclusive"),
        ("login --password-stdin", "Must provide --username with --password-stdin"),
    ],
)
def test_what_cannot_be_is_said_in_docker_s_words(run: Run, line: str, said: str):
    ran = run(line)

    assert ran.code == 1
    assert ran.err.splitlines()[0] == said


def test_a_login_needs_no_root(run: Run):
    assert run("login -u anna --password-stdin", "secret", root=False).code == 0
    assert run("logout", root=False).code == 0


def test_logout_says_whether_there_was_a_login(run: Run, machine: FakeMachine):
    assert run("logout registry.test").out == "Not logged in to registry.test\n"
    machine.known = Login(username="anna")
    assert run("logout registry.test").out == "Removing login credentials for registry.test\n"
    assert run("logout").out == "Removing login credentials for Docker Hub\n"


def test_image_pull_tells_its_steps_and_prints_the_digest(run: Run):
    ran = run("image pull nginx:1")

    assert ran.out == f"Digest: {DIGEST}\nnginx:1\n"
    assert ran.err == " Image nginx:1 Pulling \n Image nginx:1 Pulled \n"
    assert ran.calls == ["pull_image 'nginx:1'"]


def test_image_pull_quiet_prints_the_name_alone(run: Run):
    assert run("image pull -q nginx:1")[1:3] == ("nginx:1\n", "")


def test_image_pull_for_another_platform(run: Run):
    ran = run("image pull --platform linux/arm64 nginx:1")

    assert ran.calls == ["pull_image 'nginx:1' platform='linux/arm64'"]


def test_image_pull_as_json_tells_every_layer(run: Run):
    ran = run("--progress json image pull nginx:1")

    assert ran.err == (
        '{"id":"Image nginx:1","status":"Working","text":"Pulling"}\n'
        '{"id":"0123456789ab","parent_id":"Image nginx:1","status":"Done","text":"Pull complete"}\n'
        '{"id":"Image nginx:1","status":"Done","text":"Pulled"}\n'
    )


def test_image_pull_of_every_tag(run: Run):
    ran = run("image pull -a --platform linux/arm64 shop")

    assert ran.calls == [
        "pull_image 'shop:1' platform='linux/arm64'",
        "pull_image 'shop:2' platform='linux/arm64'",
    ]
    assert ran.out == f"Digest: {DIGEST}\nshop:1\nDigest: {DIGEST}\nshop:2\n"
    assert run("image pull --all-tags -q shop").out == "shop:1\nshop:2\n"


def test_image_push_prints_digest_and_size(run: Run):
    assert run("image push shop:1").out == f"shop:1: digest: {DIGEST} size: 528\n"
    assert run("image push -q shop:1").out == "shop:1\n"


def test_image_push_of_every_tag(run: Run):
    ran = run("image push -a -q shop")

    assert ran.calls == ["push_image 'shop:1'", "push_image 'shop:2'"]
    assert ran.out == "shop:1\nshop:2\n"


def test_a_failure_is_one_error_with_what_was_said(run: Run, machine: FakeMachine):
    machine.error = RuntimeFault(
        "pull access denied for shop:1: it does not exist, or needs another login",
        code="E542",
        tried="ask registry.test",
        answered="UNAUTHORIZED: authentication required",
        hint="log in with `pycompose login registry.test`",
    )

    ran = run("image pull shop:1")

    assert ran.code == 1
    assert ran.out == ""
    assert ran.err == (
        " Image shop:1 Pulling \n"
        " Image shop:1 Error pull access denied for shop:1: it does not exist, or needs another login\n"
        "error E542: pull access denied for shop:1: it does not exist, or needs another login\n"
        "tried:    ask registry.test\n"
        "answered: UNAUTHORIZED: authentication required\n"
        "hint: log in with `pycompose login registry.test`\n"
    )
