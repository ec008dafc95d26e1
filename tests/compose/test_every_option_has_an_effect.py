"""What test_every_flag_has_an_effect.py sees reach the Stack, the Stack acts on: each option of each verb.

The same verb with and without the option, in equal worlds. Something that can be observed has to differ: what is
told, what is returned or raised, what is done to the world, what its containers are made of.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from compose import options as wishes
from compose.options import (
    CreateOptions,
    DownOptions,
    ExecOptions,
    KillOptions,
    LogsOptions,
    PsOptions,
    PullOptions,
    PushOptions,
    RemoveOptions,
    RestartOptions,
    RunOptions,
    StackOptions,
    StartOptions,
    Stdio,
    StopOptions,
    UpOptions,
    WaitOptions,
)
from runtime import tasks
from runtime.values import LogLine
from tests.fakes.engine import World, image
from tests.fakes.stacks import Play, play

SHOP = """
services:
  db: {volumes: ["data:/d", /anonymous]}
  web: {depends_on: [db], ports: ["8080:80"]}
volumes: {data: {}}
"""
CHANGED = SHOP.replace("ports:", "environment: {CHANGED: 1}, ports:")
ONE = "services: {web: {}}"
TWO = "services: {web: {}, job: {}}"
BUILT = "services: {web: {build: ., image: shop}}"
NAMED = "services: {web: {image: nginx}}"
RESTARTED = (
    "services: {db: {}, web: {depends_on: {db: {restart: true, condition: service_started}}}}"
)
UNUSED = "services: {web: {}}\nvolumes: {unused: {}}"
PLAIN = "services: {db: {}, web: {}}"
CHECKED = "services: {web: {healthcheck: {test: x}}}"


class Case(NamedTuple):
    value: Any
    text: str = SHOP
    given: Callable[[Play], Play | None] = lambda shop: None
    """What was before; it may go on in another folder or with another file."""
    base: Mapping[str, Any] = {}
    """Options in both."""


# --- what was before


def up(shop: Play, **more: Any) -> None:
    shop.stack.up(UpOptions(detach=True, **more))


def up_twice(shop: Play) -> None:
    """With two replicas of web."""
    up(shop, scale={"web": 2})


def up_then(text: str) -> Callable[[Play], Play]:
    def given(shop: Play) -> Play:
        up(shop)
        return shop.changed(text)

    return given


def stopped(shop: Play) -> None:
    up(shop)
    shop.stack.stop()


def half_stopped(shop: Play) -> None:
    up(shop)
    shop.stack.stop(StopOptions(services=("web",)))


def elsewhere(shop: Play) -> Play:
    """The project belongs to another folder."""
    up(shop)
    folder = shop.folder.parent / "other"
    folder.mkdir()
    return play(folder, CHANGED, shop.world)


def written(shop: Play) -> None:
    """Each container wrote three lines."""
    up_twice(shop)
    for name in ("p-db-1", "p-web-1", "p-web-2"):
        for number in range(3):
            shop.world.write(name, f"{name} {number}".encode())


def writing(**codes: int) -> Callable[[Play], None]:
    """Services that write a line and end with these codes."""

    def given(shop: Play) -> None:
        shop.world.ends.update(codes)
        for number in range(1, 9):
            container = f"{number:02}".ljust(64, "a")
            line = LogLine(container=container, stream="stdout", text=b"hello", time=5.0)
            shop.world.logs[container] = [line]

    return given


def health(word: str) -> Callable[[Play], None]:
    return lambda shop: shop.world.health.update(web=word)


def unhealthy_and_stopped(shop: Play) -> None:
    stopped(shop)
    shop.world.health["web"] = "starting"


def has(**images: str) -> Callable[[Play], None]:
    return lambda shop: shop.world.images.update({name: image(name) for name in images.values()})


def can_have(*names: str) -> Callable[[Play], None]:
    return lambda shop: shop.world.obtainable.update({name: image(name) for name in names})


def nginx_up(shop: Play) -> None:
    has(a="nginx")(shop)
    up(shop)


def more_variables(shop: Play) -> None:
    (shop.folder / "more.env").write_text("FROM_A_FILE=1\n")


def other_env_file(shop: Play) -> None:
    (shop.folder / "other.env").write_text("TAG=other\n")


def other_file(shop: Play) -> None:
    (shop.folder / "other.yaml").write_text("services: {api: {image: host}}\n")


# --- the options of each verb

CREATE: dict[str, Case] = {
    "services": Case(("db",)),
    "force_recreate": Case(True, given=up),
    "no_recreate": Case(True, given=up_then(CHANGED)),
    "always_recreate_deps": Case(
        True, given=up, base={"services": ("web",), "force_recreate": True}
    ),
    "renew_anon_volumes": Case(True, given=up, base={"force_recreate": True}),
    "no_deps": Case(True, base={"services": ("web",)}),
    "remove_orphans": Case(True, given=up_then(ONE)),
    "ignore_orphans": Case(True, given=up_then(ONE)),
    "pull": Case("always", NAMED, has(a="nginx")),
    "quiet_pull": Case(True, NAMED, can_have("nginx")),
    "build": Case(True, BUILT, has(a="shop")),
    "scale": Case({"web": 2}, ONE),
    "timeout": Case(3.0, given=up, base={"force_recreate": True}),
    "yes": Case(True, given=elsewhere, base={"force_recreate": True}),
    "separator": Case("_"),
    "all_resources": Case(True, UNUSED),
}
ATTACHED: Mapping[str, Any] = {"detach": False}
CASES: dict[type, dict[str, Case]] = {
    CreateOptions: CREATE,
    UpOptions: CREATE
    | {
        "detach": Case(True, ONE, writing(web=0), ATTACHED),
        "no_start": Case(True),
        "wait": Case(True, ONE, writing(web=1)),
        "wait_timeout": Case(0.01, CHECKED, health("starting"), {"wait": True, "deadline": 0.5}),
        "attach": Case(("web",), TWO, writing(web=0, job=0), ATTACHED),
        "no_attach": Case(("web",), TWO, writing(web=0, job=0), ATTACHED),
        "attach_dependencies": Case(
            True, SHOP, writing(web=0, db=0), {**ATTACHED, "services": ("web",)}
        ),
        "abort_on_container_exit": Case(True, TWO, writing(web=0, job=3), ATTACHED),
        "abort_on_container_failure": Case(True, TWO, writing(web=0, job=3), ATTACHED),
        "exit_code_from": Case(
            "web", TWO, writing(web=0, job=3), {**ATTACHED, "abort_on_container_failure": True}
        ),
        "timestamps": Case(True, ONE, writing(web=0), ATTACHED),
        "lease": Case(True),
    },
    DownOptions: {
        "services": Case(("web",), given=up),
        "volumes": Case(True, given=up),
        "rmi": Case("all", "services: {web: {image: nginx}}", nginx_up),
        "remove_orphans": Case(True, given=up_then(ONE)),
        "timeout": Case(3.0, given=up),
        "yes": Case(True, given=elsewhere, base={"volumes": True}),
    },
    StartOptions: {
        "services": Case(("db",), given=stopped),
        "wait": Case(True, CHECKED, unhealthy_and_stopped, {"deadline": 0.2}),
        "wait_timeout": Case(0.01, CHECKED, unhealthy_and_stopped, {"wait": True, "deadline": 0.5}),
    },
    StopOptions: {
        "services": Case(("web",), given=up),
        "timeout": Case(3.0, given=up),
    },
    RestartOptions: {
        "services": Case(("web",), given=up),
        "timeout": Case(3.0, given=up),
        "no_deps": Case(True, RESTARTED, up, {"services": ("db",)}),
    },
    KillOptions: {
        "services": Case(("web",), given=up),
        "signal": Case("SIGHUP", given=up),
        "remove_orphans": Case(True, given=up_then(ONE)),
    },
    RemoveOptions: {
        "services": Case(("web",), given=stopped),
        "stop": Case(True, given=half_stopped),
        "volumes": Case(True, given=stopped),
    },
    RunOptions: {
        "service": Case("db", base={"service": "web"}),
        "command": Case(("true",)),
        "entrypoint": Case(("env",)),
        "environment": Case({"A": "b"}),
        "env_files": Case(("more.env",), given=more_variables),
        "labels": Case({"a": "b"}),
        "cap_add": Case(("NET_ADMIN",)),
        "cap_drop": Case(("NET_RAW",)),
        "name": Case("mine"),
        "user": Case("1000"),
        "working_dir": Case("/srv"),
        "publish": Case(("9090:80",)),
        "service_ports": Case(True),
        "use_aliases": Case(True),
        "volumes": Case(("/tmp:/host",)),
        "detach": Case(True),
        "remove": Case(True),
        "tty": Case(True),
        "interactive": Case(False),
        "no_deps": Case(True),
        "pull": Case("always", NAMED, has(a="nginx")),
        "quiet_pull": Case(True, NAMED, can_have("nginx")),
        "build": Case(True, BUILT, has(a="shop")),
        "remove_orphans": Case(True, given=up_then(ONE)),
        "ignore_orphans": Case(True, given=up_then(ONE)),
    },
    ExecOptions: {
        "service": Case("db", given=up),
        "command": Case(("id",), given=up),
        "environment": Case({"A": "b"}, given=up),
        "user": Case("1000", given=up),
        "working_dir": Case("/srv", given=up),
        "index": Case(2, PLAIN, up_twice),
        "tty": Case(True, given=up),
        "interactive": Case(False, given=up),
        "privileged": Case(True, given=up),
        "detach": Case(True, given=up),
    },
    PsOptions: {
        "services": Case(("web",), given=up),
        "all": Case(True, given=half_stopped),
        "statuses": Case(("exited",), given=half_stopped),
        "orphans": Case(False, given=up_then(ONE)),
    },
    LogsOptions: {
        "services": Case(("web",), PLAIN, written),
        "follow": Case(True, PLAIN, written, {"deadline": 0.2}),
        "tail": Case(1, PLAIN, written),
        "since": Case(1e9, PLAIN, written),
        "until": Case(1.0, PLAIN, written),
        "timestamps": Case(True, PLAIN, written),
        "index": Case(2, PLAIN, written, {"services": ("web",)}),
    },
    WaitOptions: {
        "services": Case(("web",), given=up, base={"services": ("db",)}),
        "down_project": Case(True, given=up),
    },
    StackOptions: {
        "files": Case(("other.yaml",), given=other_file),
        "project_name": Case("q"),
        "profiles": Case(("more",), "services: {web: {}, more: {profiles: [more]}}"),
        "env_files": Case(
            ("other.env",), "services: {web: {hostname: '${TAG:-one}'}}", other_env_file
        ),
        "project_directory": Case("..", "services: {web: {volumes: ['.:/here']}}"),
        "parallel": Case(1, "services: {a: {}, b: {}, c: {}}"),
        "dry_run": Case(True),
        "all_resources": Case(True, UNUSED),
        "compatibility": Case(True),
        "environment": Case({"TAG": "other"}, "services: {web: {hostname: '${TAG:-one}'}}"),
    },
}
ELSEWHERE = {
    PullOptions: "tests/compose/scheduling/test_pull.py",
    PushOptions: "tests/compose/scheduling/test_pull.py",
    wishes.PruneOptions: "tests/scenarios/images/test_images_must_come_and_go.py",
    Stdio: "tests/compose/cli/test_containers_on_a_terminal.py",
}
"""Of verbs that are tested by what they leave."""
ALONE = {(StackOptions, "folder"): "where tests put their file"}
EVERY = [(kind, name) for kind, cases in CASES.items() for name in cases]


def test_every_option_of_every_verb_has_its_case():
    kinds = {
        value
        for value in vars(wishes).values()
        if isinstance(value, type) and hasattr(value, "__frozen_fields__")
    }
    assert kinds == {*CASES, *ELSEWHERE}
    declared = {(kind, name) for kind in CASES for name in kind.__frozen_fields__}
    assert declared == {*EVERY, *ALONE}


@pytest.mark.parametrize(
    ("kind", "name"), EVERY, ids=lambda value: value if isinstance(value, str) else value.__name__
)
def test_an_option_makes_a_difference(
    kind: type, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    case = CASES[kind][name]
    plain = outcome(kind, case, {}, tmp_path / "shop", monkeypatch)
    assert outcome(kind, case, {name: case.value}, tmp_path / "shop", monkeypatch) != plain
    # nothing but the option makes the difference
    assert outcome(kind, case, {}, tmp_path / "shop", monkeypatch) == plain


def outcome(
    kind: type,
    case: Case,
    more: Mapping[str, Any],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, ...]:
    """All that can be observed."""
    shutil.rmtree(folder, ignore_errors=True)
    numbers = itertools.count()
    monkeypatch.setattr("compose.scheduling.one_off._new_slug", lambda: f"{next(numbers):012x}")
    folder.mkdir()
    root = {**case.base, **more} if kind is StackOptions else {}
    shop = play(folder, case.text, World())
    shop = case.given(shop) or shop
    if root:
        shop = Play(shop.folder.parent, case.text, shop.world, **root)
    shop.world.journal.clear()
    if kind is RunOptions:
        shop.world.ends.update(web=3, db=0)
    words = {**FIRST.get(kind, {}), **case.base, **more}
    deadline = words.pop("deadline", 5.0)
    try:
        if kind is StackOptions:
            result = shop.stack.up(UpOptions(detach=True), on_event=shop.hear)
        else:
            result = VERBS[kind](shop, kind(**words), deadline)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    made = [dataclasses.astuple(one) for one in shop.world.containers.values()]
    told = [*map(repr, shop.heard)]
    executed = map(repr, shop.world.execs)
    return (repr(result), *told, shop.done, str(shop.world), *map(repr, made), *executed)


FIRST: Mapping[type, Mapping[str, Any]] = {
    UpOptions: {"detach": True},
    RunOptions: {"service": "web"},
    ExecOptions: {"service": "web", "command": ("true",)},
    WaitOptions: {"services": ("web",)},
}
"""What a verb cannot be called without; an attached `up` ends with its containers alone."""


def on(verb: str) -> Callable[[Play, Any, float], Any]:
    def act(shop: Play, options: Any, deadline: float) -> Any:
        return getattr(shop.stack, verb)(options, on_event=shop.hear, deadline=deadline)

    return act


def execute(shop: Play, options: ExecOptions, deadline: float) -> Any:
    """With a pipe as its standard input, from which a command reads as far as it is let."""
    reading, writing = os.pipe()
    os.write(writing, b"said")
    os.close(writing)
    with open(reading), open(os.devnull, "w") as nothing:
        stdio = Stdio(stdin=reading, stdout=nothing.fileno(), stderr=nothing.fileno())
        return shop.stack.exec(options, stdio=stdio, on_event=shop.hear, deadline=deadline)


def wait(shop: Play, options: WaitOptions, deadline: float) -> Any:
    """Its containers end while it waits."""
    ended = []

    async def both() -> None:
        async def waiting() -> None:
            ended.extend(await shop.async_stack.wait(options, on_event=shop.hear))

        with tasks.fail_after(deadline):
            async with tasks.group() as group:
                group.start_soon(waiting)
                while not shop.world.watchers:
                    await tasks.sleep(0)
                for record in shop.stack.ps(PsOptions(services=options.services)):
                    shop.world.become(record.name, status="exited", exit_code=len(record.name))

    anyio.run(both)
    return ended


VERBS: Mapping[type, Callable[[Play, Any, float], Any]] = {
    CreateOptions: on("create"),
    UpOptions: on("up"),
    DownOptions: on("down"),
    StartOptions: on("start"),
    StopOptions: on("stop"),
    RestartOptions: on("restart"),
    KillOptions: on("kill"),
    RemoveOptions: on("rm"),
    RunOptions: on("run"),
    ExecOptions: execute,
    PsOptions: lambda shop, options, _deadline: shop.stack.ps(options),
    LogsOptions: on("logs"),
    WaitOptions: wait,
}
