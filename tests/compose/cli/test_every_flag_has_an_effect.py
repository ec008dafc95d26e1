"""Each flag of each verb changes what is asked of the Stack, or what is printed; the others are
listed with a reason.

With and without the flag, the same command is run against fakes. Nothing may differ only by
accident: the flags in flags_without_effect.txt must really make no difference here, so an entry
that is out of date fails, too.
"""

import io
import shutil
from pathlib import Path

import pytest

from compose.cli import app, verbs
from compose.cli.flags import FlagParameter, read_signature
from compose.scheduling.events import ContainerExited, LogOutput, Message, ResourceEvent
from runtime.values import Event, RunState
from tests.fakes.stack import FakeDoors, FakeMachine, FakeStack, container, image, network, volume

LISTED = Path(__file__).with_name("flags_without_effect.txt")
WORDS = {
    "attach": ["web"],
    "completion": ["bash"],
    "exec": ["web", "true"],
    "help": [],
    "image history": ["nginx:1"],
    "image import": ["root.tar"],
    "image inspect": ["nginx:1"],
    "image pull": ["nginx:1"],
    "image push": ["nginx:1"],
    "image rm": ["missing"],
    "image save": ["nginx:1"],
    "image tag": ["nginx:1", "web:2"],
    "network create": ["one"],
    "network inspect": ["shared"],
    "network rm": ["missing"],
    "port": ["web", "80"],
    "run": ["web"],
    "scale": ["web=2"],
    "volume create": ["one"],
    "volume inspect": ["shop_data"],
    "volume rm": ["missing"],
    "wait": ["web"],
}
"""What a verb needs before its flags can be tried."""
VALUES = {
    "--scale": "web=3",
    "--pull": "always",
    "--policy": "always",
    "--since": "2001-09-09T00:00:00Z",
    "--until": "2001-09-09T00:00:00Z",
    "--tail": "5",
    "--rmi": "all",
    "--format": "json",
    "--filter": "name=nothing",
    "ps --filter": "status=exited",
    "ps --status": "exited",
    "logs --index": "1",
    "volume prune --filter": "label=a",
    "image ls --filter": "dangling=true",
    "image prune --filter": "label=a",
    "system prune --filter": "label=a",
    "--change": "CMD x",
    "--platform": "linux/arm64",
    "--label": "key=value",
    "--opt": "key=value",
    "--aux-address": "name=10.0.0.9",
    "--env": "NAME=value",
    "--subnet": "10.0.0.0/24",
    "--gateway": "10.0.0.1",
    "--ip-range": "10.0.0.128/25",
    "--scope": "swarm",
    "--ipam-opt": "key=value",
    "network prune --filter": "label=a",
}
OFF = {"exec --tty", "run --tty", "run --interactive"}
"""Switches that are on by themselves on a terminal."""
WITH = {
    "image load --platform": ["--input", "a.tar"],
    "image load --quiet": ["--input", "a.tar"],
    "image save --platform": ["--output", "a.tar"],
    "image prune --all": ["--force"],
    "image prune --filter": ["--force"],
    "system prune --filter": ["--force"],
    "network prune --filter": ["--force"],
    "volume prune --filter": ["--force"],
    "volume prune --all": ["--force"],
    "logs --index": ["web"],
    "network create --gateway": ["--subnet", "10.0.0.0/24"],
    "network create --ip-range": ["--subnet", "10.0.0.0/24"],
    "network create --aux-address": ["--subnet", "10.0.0.0/24"],
}
"""Further words without which the flag cannot be used."""
FOREIGN = {"config", "help", "login", "logout"}
"""Verbs whose tests stand elsewhere."""


def every_flag() -> list[tuple[str, FlagParameter]]:
    found = []
    for verb in verbs.names():
        if verbs.is_group(verb):
            found += [(f"{verb} {name}", verbs.load(name, verb)) for name in verbs.names(verb)]
        elif verb not in FOREIGN:
            found.append((verb, verbs.load(verb)))
    return [(path, one) for path, module in found for one in read_signature(module.command).flags]


def listed() -> dict[str, str]:
    """`up --menu` -> the reason."""
    lines = LISTED.read_text().splitlines()
    entries = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {flag: reason.strip() for flag, _, reason in entries}


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def outcome(words: list[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[object, ...]:
    """All that can be observed of a command on a terminal."""
    out, err = (Terminal(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    monkeypatch.setattr("os.isatty", lambda number: True)
    monkeypatch.setattr("os.urandom", lambda count: b"\x01" * count)
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    # how often it is drawn anew meanwhile is an accident
    monkeypatch.setattr("compose.output.progress_view._REDRAW", 60.0)
    for name in ("NO_COLOR", "COMPOSE_ANSI", "COMPOSE_PROGRESS", "BUILDKIT_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stack = FakeStack()
    stack.containers_ = (
        container(command=("a-command-that-is-too-long-for-its-column",)),
        container("shop-db-1", service="db", state=RunState(status="exited", exit_code=1)),
    )
    stack.events = [
        ResourceEvent(id="Container shop-web-1", text="Created", status="Done"),
        Message(text="hello"),
        LogOutput(name="web-1", service="web", text=b"\x1b[2Jtext", time=0.0),
        ContainerExited(name="web-1", service="web", exit_code=0),
    ]
    if words[0] == "events":
        stack.events = [
            Event(
                time=0.0, type="container", action="start", id="ab", attributes={"service": "web"}
            )
        ]
    stack.logs_ = [stack.events[-2]] if words[0] != "events" else []
    machine = FakeMachine()
    machine.networks_ = (network(), network("other", labels={"a": "b"}))
    machine.volumes_ = (
        volume(),
        volume("ff" * 32, anonymous=True),
        volume("labelled", labels={"a": "b"}),
    )
    machine.images_ = (image("nginx:1"), image(""), image(f"web@sha256:{'ab' * 32}"))
    units = folder / "units"
    shutil.rmtree(units, ignore_errors=True)
    units.mkdir()
    doors = FakeDoors(stack=stack, machine=machine, unit_folder=str(units))
    code = app.run(words, doors=doors)
    return code, doors.calls, out.buffer.getvalue(), err.buffer.getvalue()


def value_words(path: str, one: FlagParameter) -> list[str]:
    flag = one.flag.long
    if one.kind == "switch":
        is_on = default_of(path, one.name) is True or f"{path} {flag}" in OFF
        return [f"{flag}=false"] if is_on else [flag]
    value = VALUES.get(
        f"{path} {flag}", VALUES.get(flag, "7" if one.kind == "number" else "something")
    )
    return [f"{flag}={value}"]


def default_of(path: str, name: str) -> object:
    group, _, verb = path.rpartition(" ")
    command = verbs.load(verb, group).command
    names = command.__code__.co_varnames[: command.__code__.co_argcount]
    defaults = dict(zip(reversed(names), reversed(command.__defaults__ or ()), strict=False))
    return defaults.get(name)


@pytest.mark.parametrize(
    ("path", "one"),
    every_flag(),
    ids=lambda value: value if isinstance(value, str) else value.flag.long,
)
def test_a_flag_makes_a_difference_or_is_listed(
    path: str, one: FlagParameter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    name = f"{path} {one.flag.long}"
    words = (
        [*WITH.get(name, []), *WORDS.get(path, [])] if path not in ("exec", "run") else WORDS[path]
    )
    without = outcome([*path.split(), *words], monkeypatch, tmp_path)
    given = outcome([*path.split(), *value_words(path, one), *words], monkeypatch, tmp_path)
    assert without[0] in (0, 1, 130)
    differs = given != without
    if name in listed():
        assert not differs, f"{name} has an effect: take it off the list"
    else:
        assert differs, f"{name} has no effect: give it one, or list it with the reason"


SWITCHES = [(path, one) for path, one in every_flag() if one.kind == "switch"]


@pytest.mark.parametrize(
    ("path", "one"),
    SWITCHES,
    ids=lambda value: value if isinstance(value, str) else value.flag.long,
)
def test_a_switch_can_be_said_as_true_and_false(
    path: str, one: FlagParameter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    name = f"{path} {one.flag.long}"
    more = (
        [*WITH.get(name, []), *WORDS.get(path, [])] if path not in ("exec", "run") else WORDS[path]
    )
    is_on = default_of(path, one.name) is True or name in OFF

    def said(*words: str) -> tuple[object, ...]:
        return outcome([*path.split(), *words, *more], monkeypatch, tmp_path)

    assert said(f"{one.flag.long}=true") == said(one.flag.long)
    assert said(f"{one.flag.long}={str(is_on).lower()}") == said()


def every_verb() -> list[str]:
    names = [name for name in verbs.names() if not verbs.is_group(name)]
    groups = [name for name in verbs.names() if verbs.is_group(name)]
    return names + [f"{group} {name}" for group in groups for name in verbs.names(group)]


@pytest.mark.parametrize("path", every_verb())
def test_a_dry_run_opens_nothing_that_acts(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """`config`, `help` and the like open nothing at all."""
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    stack = FakeStack()
    if path == "events":
        stack.events = []
    doors = FakeDoors(stack=stack, unit_folder=str(tmp_path))
    words = {"login": ["-u", "me", "-p", "word"], "image load": ["--input", "a.tar"]}
    more = words.get(path, WORDS.get(path, []))

    code = app.run(["--dry-run", *path.split(), *more], doors=doors)

    assert code in (0, 1, 130)
    assert not doors.calls or doors.is_dry or (doors.options is not None and doors.options.dry_run)


def test_a_dry_run_installs_no_unit(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    doors = FakeDoors(unit_folder=str(tmp_path))
    assert app.run(["--dry-run", "boot", "--install"], doors=doors) == 0
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == (
        " DRY-RUN MODE -  Unit pycompose-boot.service Installing \n"
        " DRY-RUN MODE -  Unit pycompose-boot.service Installed \n"
    )


def test_every_listed_flag_exists_and_has_a_reason():
    known = {f"{path} {one.flag.long}" for path, one in every_flag()}
    assert [name for name, reason in listed().items() if name not in known or not reason] == []


def test_the_help_of_each_listed_flag_says_that_it_has_no_effect():
    said = {f"{path} {one.flag.long}": one.flag.help for path, one in every_flag()}
    assert [name for name in listed() if not said[name].startswith("no effect")] == []
