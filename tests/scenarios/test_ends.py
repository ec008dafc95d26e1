"""How containers end: signals, grace, exit codes and their reports; and what comes in through stdin."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Pycompose
from tests.fakes import layouts
from tests.runtime.images.made import busybox_tar
from tests.runtime.init.conftest import busybox_root  # noqa: F401
from tests.scenarios.stage import document, shell, stage
from tests.scenarios.test_staying_up import ps, wait_for_runs

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def image(busybox_root: Path) -> str:  # noqa: F811
    return f"dir:{busybox_root}"


def test_a_container_is_asked_with_its_signal_and_killed_after_its_grace(image: str):
    asked = "trap 'echo asked; exit 3' USR1; echo began; while :; do sleep 0.05; done"
    deaf = "trap '' TERM; echo began; while :; do sleep 0.05; done"
    services = {
        "asked": shell(asked, image=image, stop_signal="SIGUSR1"),
        "number": shell(asked, image=image, stop_signal="10"),
        "default": shell(asked.replace("USR1", "TERM"), image=image),
        "reaped": shell(asked, image=image, stop_signal="USR1", init=True),
        "deaf": shell(deaf, image=image, stop_grace_period="0.3s"),
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        for name in services:
            wait_for_runs(pycompose, name, 1)
        began = time.monotonic()
        pycompose("stop")
        took = time.monotonic() - began
        codes = {name: row["ExitCode"] for name, row in ps(pycompose).items()}
        said = pycompose("logs", "--no-log-prefix", "asked").stdout
    assert codes == {"asked": 3, "number": 3, "default": 3, "reaped": 3, "deaf": 137}
    assert said == "began\nasked\n"
    # all at once, and none for Docker's ten seconds
    assert 0.3 <= took < 10


REFUSED = {
    "stop_signal: SIGFOO": "E341: `stop_signal: SIGFOO` is no signal",
    "cgroup_parent: ../x": "E421: `cgroup_parent: ../x` cannot be: it contains `..`",
    "logging: {driver: json-file, options: {max-size: 1x}}": (
        "E340: `logging.options.max-size: 1x` means nothing"
    ),
    "logging: {driver: local, options: {tag: x}}": (
        "E340: `logging.options.tag`: the driver has no such option"
    ),
}


@pytest.mark.parametrize("attribute", REFUSED)
def test_what_would_be_in_the_way_of_its_end_is_refused_before_it_is_made(attribute: str):
    """A container with it could neither be stopped nor be taken down, or lost its output."""
    text = f"services:\n  web:\n    image: host\n    command: [sleep, '1000']\n    {attribute}\n"
    with stage() as pycompose:
        pycompose.compose_file(text)
        refused = pycompose("--progress", "quiet", "create", check=False)
        made = pycompose("ps", "-aq").stdout
        pycompose("down")
    assert refused.stderr.startswith(f"compose.yaml:5:5: error {REFUSED[attribute]}\n")
    assert made == ""


def test_a_stop_signal_of_an_image_that_is_none_is_passed_over(tmp_path: Path):
    asked = "trap 'exit 3' TERM; echo began; while :; do sleep 0.05; done"
    made = layouts.image(busybox_tar(), Cmd=["sh", "-c", asked], StopSignal="SIGFOO")
    layouts.layout(tmp_path / "layout", made)
    with stage() as pycompose:
        pycompose.compose_file(document({"web": {"image": f"oci:{tmp_path}/layout"}}))
        pycompose("up", "-d")
        wait_for_runs(pycompose, "web", 1)
        pycompose("stop")
        assert ps(pycompose)["web"]["ExitCode"] == 3


def test_exit_codes_are_dockers(image: str):
    services = {
        "seven": shell("exit 7", image=image),
        "signal": {"image": image, "init": True, "command": ["sh", "-c", "kill -TERM $$$$"]},
        "missing": {"image": image, "command": ["/nowhere"]},
        "lost": {"image": image, "command": ["nowhere"]},
        "no-program": {"image": image, "command": ["/etc/passwd"]},
        "folder": {"image": image, "command": ["/etc"]},
        "nobody": {"image": image, "command": ["true"], "user": "nosuchuser"},
    }
    expected = {
        "seven": (7, ""),
        "signal": (143, ""),
        "missing": (127, 'exec: "/nowhere": no such file or directory'),
        "lost": (127, 'exec: "nowhere": executable file not found in $PATH'),
        "no-program": (126, 'exec: "/etc/passwd": permission denied'),
        "folder": (126, 'exec: "/etc": is a directory'),
        "nobody": (125, "unable to find user nosuchuser: no matching entries in passwd file"),
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        up = pycompose("up", "-d", check=False)
        pycompose("wait", "seven", "signal", check=False)
        codes = {name: row["ExitCode"] for name, row in ps(pycompose).items()}
        run = pycompose("run", "--rm", "-T", "seven", check=False)
        told = pycompose("run", "--rm", "-T", "missing", check=False)
    assert codes == {name: code for name, (code, _) in expected.items()}
    for name, (_, message) in expected.items():
        assert f"project-{name}-1 Error {message}\n" in up.stderr or not message, name
    assert (run.returncode, told.returncode) == (7, 127)


def test_the_reason_why_a_program_may_not_be_run_is_said(image: str, tmp_path: Path):
    services: dict[str, Any] = {
        "web": {"image": image, "command": ["/etc/passwd"], "user": "1000"},
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        up = pycompose("up", "-d", check=False)
    assert up.stderr.endswith("""\
error E336: project-web-1: exec: "/etc/passwd": permission denied
tried:    execute the program
answered: uid 1000 may not execute /etc/passwd
hint: `chmod +x /etc/passwd` in the image
""")


def test_stdin_open_keeps_a_pipe_for_who_attaches_and_its_lack_is_an_end_of_file(image: str):
    script = "echo began; read line && echo got $line; echo over; sleep 1000"
    services = {
        "open": shell(script, image=image, stdin_open=True),
        "closed": shell(script, image=image),
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        wait_for(pycompose, "closed", "began\nover\n")
        wait_for(pycompose, "open", "began\n")


def wait_for(pycompose: Pycompose, service: str, text: str) -> None:
    end = time.monotonic() + 60
    while (said := pycompose("logs", "--no-log-prefix", service).stdout) != text:
        assert time.monotonic() < end, said


def test_swappiness_and_oom_kill_disable_are_set_or_their_lack_is_said(image: str):
    """Knobs of v1 that kernels drop one after the other: never silence."""
    script = "cat /sys/fs/cgroup/memory/memory.swappiness /sys/fs/cgroup/memory/memory.oom_control"
    services = {
        "swap": shell(script, image=image, mem_swappiness=11),
        "oom": shell(script, image=image, mem_limit="64m", oom_kill_disable=True),
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        warnings = pycompose("up", "-d").stderr
        pycompose("wait", *services, check=False)
        swap, oom = (pycompose("logs", "--no-log-prefix", name).stdout for name in services)
    assert "11\n" in swap or "warning: project-swap-1: `mem_swappiness`" in warnings
    assert "oom_kill_disable 1\n" in oom or "warning: project-oom-1: `oom_kill_disable`" in warnings
