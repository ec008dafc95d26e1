"""Health checks, early probes and restart policies, from the Compose file to what `ps` and the log say."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conftest import Pycompose
from tests.runtime.init.conftest import busybox_root  # noqa: F401
from tests.scenarios.stage import document, shell, stage

pytestmark = pytest.mark.kernel
DEADLINE = 60


@pytest.fixture(scope="module")
def image(busybox_root: Path) -> str:  # noqa: F811
    return f"dir:{busybox_root}"


def ps(pycompose: Pycompose) -> dict[str, dict[str, Any]]:
    """Service -> what `ps` says of it."""
    lines = pycompose("ps", "-a", "--format", "json").stdout.splitlines()
    return {row["Service"]: row for row in map(json.loads, lines)}


def inside(pycompose: Pycompose, service: str, script: str) -> str:
    return pycompose("exec", "-T", service, "sh", "-c", script).stdout.strip()


def until(pycompose: Pycompose, service: str, condition: str) -> None:
    """Wait within the container for what a script says."""
    pycompose("exec", "-T", service, "sh", "-c", f"until {condition}; do sleep 0.05; done")


# --- health checks


def test_forms_of_a_check_and_what_ps_shows_of_them(image: str):
    def service(**check: Any) -> dict[str, Any]:
        return shell("sleep 1000", image=image, healthcheck={"interval": "1h", **check})

    services = {
        "words": service(test=["CMD", "true"]),
        "shell": service(test=["CMD-SHELL", "test $$((1 + 1)) = 2"]),
        "text": service(test="true && true"),
        "none": service(test=["NONE"]),
        "disabled": shell("sleep 1000", image=image, healthcheck={"disable": True}),
        "user": shell(
            "echo mine > /home-of-it; sleep 1000",
            image=image,
            user="1000",
            working_dir="/tmp",
            environment={"WORD": "said"},
            healthcheck={
                "interval": "1h",
                "test": 'test $$(id -u) = 1000 && test $$PWD = /tmp && test "$$WORD" = said',
            },
        ),
    }
    services["user"]["command"] = ["sleep", "1000"]
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        # an interval of an hour: the first success is an early probe's
        pycompose("up", "-d", "--wait")
        rows = ps(pycompose)
    assert {name: row["Health"] for name, row in rows.items()} == {
        "words": "healthy",
        "shell": "healthy",
        "text": "healthy",
        "none": "",
        "disabled": "",
        "user": "healthy",
    }
    assert rows["words"]["Status"].endswith("(healthy)")


def test_a_check_that_fails_ends_the_wait_with_what_it_printed(image: str):
    check = {"test": "echo nobody answers; exit 3", "interval": "0.1s", "retries": 2}
    services = {"web": shell("sleep 1000", image=image, healthcheck=check)}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        up = pycompose("up", "-d", "--wait", check=False)
        status = ps(pycompose)["web"]["Health"]
    assert (up.returncode, status) == (1, "unhealthy")
    report = up.stderr[up.stderr.index("error ") :]
    assert report.startswith("error E206: container project-web-1 is unhealthy\n")
    assert "its last probe exited with code 3, " in report
    assert "  | nobody answers\n" in report


def test_a_check_that_hangs_is_killed_with_all_its_processes_and_counts_as_failed(image: str):
    check = {"test": "sleep 500 & sleep 600", "interval": "0.1s", "timeout": "0.2s", "retries": 2}
    services = {"web": shell("sleep 1000", image=image, healthcheck=check)}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        up = pycompose("up", "-d", "--wait", check=False)
        until(pycompose, "web", "test $(ps | grep -c 'sleep [5]00') -le 1")
    assert up.returncode == 1
    assert "its last probe timed out" in up.stderr
    assert "health check exceeded timeout (0.2 s)" in up.stderr


def test_failures_in_the_start_period_do_not_count_and_recovery_is_seen(image: str):
    check = {"test": "echo >> /asked; test -e /up", "interval": "0.2s", "retries": 1}
    services = {
        "patient": shell(
            "sleep 1000",
            image=image,
            healthcheck={**check, "start_period": "1h", "start_interval": "0.1s"},
        ),
        "strict": shell("sleep 1000", image=image, healthcheck=check),
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        with events(pycompose) as stream:
            if ps(pycompose)["strict"]["Health"] != "unhealthy":
                stream.wait_for("health_status: unhealthy")
            until(pycompose, "patient", "test $(wc -l < /asked) -gt 4")
            assert ps(pycompose)["patient"]["Health"] == "starting"
            for name in ("patient", "strict"):
                inside(pycompose, name, "touch /up")
            for _ in range(2):
                stream.wait_for("health_status: healthy")
        assert {row["Health"] for row in ps(pycompose).values()} == {"healthy"}


def test_early_probes_begin_soon_but_not_where_a_start_interval_is_given(image: str):
    check = {"test": "echo >> /asked; exit 1", "interval": "1h"}
    services = {
        "early": shell("touch /asked; sleep 1000", image=image, healthcheck=check),
        "asked": shell(
            "touch /asked; sleep 1000",
            image=image,
            healthcheck={**check, "start_interval": "1h", "start_period": "1h"},
        ),
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        until(pycompose, "early", "test $(wc -l < /asked) -ge 4")
        # failures of early probes count for nothing
        assert ps(pycompose)["early"]["Health"] == "starting"
        assert inside(pycompose, "asked", "wc -l < /asked") == "0"
        assert ps(pycompose)["asked"]["Health"] == "starting"


DATABASE = """
import os, socket, time
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
def serve(family, address):
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen()
    return listener
first = serve(socket.AF_UNIX, '/run/database.sock')
wait_for('/go-to-loopback')
second = serve(socket.AF_INET, ('127.0.0.1', 5432))
wait_for('/go')
second.close()
third = serve(socket.AF_INET, ('0.0.0.0', 5432))
time.sleep(1000)
"""


def test_a_database_that_first_serves_itself_alone_is_not_healthy_yet():
    """As official images do: a server on a socket, or on loopback, runs the initialisation, then the real one starts."""
    services = {
        "db": {
            "image": "host",
            "command": ["python3", "-c", DATABASE],
            "expose": ["5432"],
            "healthcheck": {"test": "echo >> /asked; test -S /run/database.sock", "interval": "1h"},
        },
        # the control: the same check without the port is believed
        "socket": {
            "image": "host",
            "command": ["python3", "-c", DATABASE],
            "healthcheck": {"test": "test -S /run/database.sock", "interval": "1h"},
        },
        "web": {
            "image": "host",
            "command": ["sleep", "1000"],
            "depends_on": {"db": {"condition": "service_healthy"}},
        },
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d", "--wait", "socket")
        up = pycompose.start("up", "-d", "--wait")
        count = 0
        for step in ("/go-to-loopback", "/go"):
            started_at = time.monotonic()
            while time.monotonic() < started_at + DEADLINE and "db" not in ps(pycompose):
                pass
            until(pycompose, "db", f"test $(cat /asked 2>/dev/null | wc -l) -ge {count + 3}")
            count = int(inside(pycompose, "db", "wc -l < /asked"))
            rows = ps(pycompose)
            assert (rows["db"]["Health"], rows["web"]["State"]) == ("starting", "created"), step
            inside(pycompose, "db", f"touch {step}")
        assert up.wait(DEADLINE) == 0
        up.communicate()
        assert ps(pycompose)["db"]["Health"] == "healthy"
        assert ps(pycompose)["web"]["State"] == "running"


def test_a_paused_container_is_not_asked(image: str):
    check = {"test": "echo >> /asked", "interval": "0.05s"}
    services = {"web": shell("sleep 1000", image=image, healthcheck=check)}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d", "--wait")
        pycompose("pause")
        assert ps(pycompose)["web"]["Status"].endswith("(Paused)")
        pycompose("unpause")
        count = int(inside(pycompose, "web", "wc -l < /asked"))
        until(pycompose, "web", f"test $(wc -l < /asked) -gt {count}")


# --- restart policies


def runs(pycompose: Pycompose, service: str) -> int:
    """How often the program began, from its log."""
    return pycompose("logs", "--no-log-prefix", service).stdout.count("began")


def test_each_policy_restarts_what_it_should(image: str):
    def service(policy: str, code: int) -> dict[str, Any]:
        return shell(f"echo began; exit {code}", image=image, restart=policy)

    services = {
        "no-fails": service("no", 1),
        "failure-succeeds": service("on-failure", 0),
        "failure-twice": service("on-failure:2", 7),
        "always-succeeds": service("always", 0),
        "unless-fails": service("unless-stopped", 3),
        "deployed": {
            **shell("echo began; exit 4", image=image),
            "deploy": {
                "restart_policy": {"condition": "on-failure", "max_attempts": 1, "delay": "0s"}
            },
        },
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        wanted = {"no-fails": 1, "failure-succeeds": 1, "failure-twice": 3, "deployed": 2}
        for name, count in wanted.items():
            wait_for_runs(pycompose, name, count)
            wait_for_state(pycompose, name, "exited")
        for name in ("always-succeeds", "unless-fails"):
            wait_for_runs(pycompose, name, 3)
        counted = {name: runs(pycompose, name) for name in wanted}
        rows = ps(pycompose)
        # a stop in the middle of the pause ends it
        pycompose("stop", "-t", "0")
        stopped = {name: row["State"] for name, row in ps(pycompose).items()}
        before = runs(pycompose, "always-succeeds")
        pycompose("start", "no-fails")
        wait_for_runs(pycompose, "no-fails", 2)
        after = runs(pycompose, "always-succeeds")
    assert counted == wanted
    assert {name: rows[name]["ExitCode"] for name in wanted} == {
        "no-fails": 1,
        "failure-succeeds": 0,
        "failure-twice": 7,
        "deployed": 4,
    }
    assert set(stopped.values()) == {"exited"}
    assert after == before


def wait_for_runs(pycompose: Pycompose, service: str, count: int) -> None:
    follower = pycompose.start("logs", "-f", "--no-log-prefix", service)
    assert follower.stdout is not None
    try:
        while count:
            line = read_line(follower.stdout)
            assert line, f"the log ended before {service} had run {count} times more"
            count -= line == "began\n"
    finally:
        follower.terminate()
        follower.communicate()


def wait_for_state(pycompose: Pycompose, service: str, state: str) -> None:
    end = time.monotonic() + DEADLINE
    while ps(pycompose)[service]["State"] != state:
        assert time.monotonic() < end, ps(pycompose)[service]


def read_line(stream: IO[str]) -> str:
    """The next one; fails when none comes in time."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(stream.readline).result(DEADLINE)
    finally:
        # its thread ends with the process that is read from
        pool.shutdown(wait=False)


def test_the_pauses_between_restarts_double(image: str):
    """D60: 100, 200, 400 ms. Longer ones are the load's, shorter ones are wrong."""
    services = {"web": shell("echo began; exit 1", image=image, restart="on-failure:4")}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        wait_for_runs(pycompose, "web", 5)
        lines = pycompose("logs", "-t", "--no-log-prefix", "web").stdout.splitlines()
    times = [seconds(line.split()[0]) for line in lines]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 5
    assert [gap >= pause for gap, pause in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True)] == [
        True
    ] * 4


def seconds(stamp: str) -> float:
    clock, _, fraction = stamp.rstrip("Z").partition(".")
    return time.mktime(time.strptime(clock, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction}")


def test_a_kill_is_a_stop_by_hand_and_another_signal_is_not(image: str):
    script = "echo began; trap 'exit 5' HUP; while :; do sleep 0.05; done"
    services = {name: shell(script, image=image, restart="always") for name in ("hup", "kill")}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        for name in services:
            wait_for_runs(pycompose, name, 1)
        pycompose("kill", "kill")
        pycompose("kill", "-s", "HUP", "hup")
        wait_for_runs(pycompose, "hup", 2)
        rows = ps(pycompose)
        assert (rows["kill"]["State"], rows["kill"]["ExitCode"]) == ("exited", 137)
        assert runs(pycompose, "kill") == 1


def test_a_failed_start_is_not_tried_again(image: str):
    services = {"web": {"image": image, "command": ["/nowhere"], "restart": "always"}}
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d", check=False)
        row = ps(pycompose)["web"]
        assert (row["State"], row["ExitCode"]) == ("created", 127)


# --- memory


def test_an_oom_kill_is_seen_and_said_and_another_kill_is_not_taken_for_one(image: str):
    """R17, C32: of the program, and of a child of it; exit 137 alone says nothing."""
    eat = "tail -c 64m /dev/zero"
    limits = {"image": image, "mem_limit": "16m", "memswap_limit": "16m"}
    services = {
        "child": shell(f"{eat}; echo survived; sleep 1000", **limits),
        "killed": shell("exit 137", image=image),
        "program": {**limits, "command": eat},
        **{
            f"after-{name}": {
                "image": image,
                "command": "true",
                "depends_on": {name: {"condition": "service_completed_successfully"}},
            }
            for name in ("program", "killed")
        },
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        report = pycompose("up", "-d", check=False).stderr
        with events(pycompose, "--since", "1h") as stream:
            told = {stream.wait_for(" oom ").rpartition("name=")[2] for _ in range(2)}
        assert pycompose("logs", "--no-log-prefix", "child").stdout.endswith("survived\n")
    assert told == {"project-program-1)\n", "project-child-1)\n"}
    memory = "killed by the kernel: it used more memory than its limit"
    assert f"project-program-1 exited with code 137: {memory}\n" in report
    assert report.count(memory) == 1
    assert "project-killed-1 exited with code 137" in report


class events:
    """`pycompose events`, read as it comes."""

    def __init__(self, pycompose: Pycompose, *words: str) -> None:
        self._pycompose = pycompose
        self._words = words

    def __enter__(self) -> events:
        self._process: subprocess.Popen[str] = self._pycompose.start("events", *self._words)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def wait_for(self, text: str) -> str:
        """The next line with this text."""
        assert self._process.stdout is not None
        while text not in (line := read_line(self._process.stdout)):
            assert line, "the events end"
        return line
