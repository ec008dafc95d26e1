"""Real containers on a pseudo terminal: attached up and its two Ctrl-C, exec and run as a shell."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Pycompose

pytestmark = pytest.mark.kernel
DEADLINE = 60.0
STACK = """
name: tty
services:
  web:
    image: host
    init: true
    command: ["sh", "-c", "echo web is up; exec sleep 1000"]
  stubborn:
    image: host
    command: ["sh", "-c", "trap '' TERM; echo no; while :; do sleep 1000; done"]
    stop_grace_period: 10m
    profiles: [stubborn]
"""


class Terminal:
    """A pycompose with a terminal of its own."""

    def __init__(
        self, pycompose: Pycompose, *words: str, columns: int = 80, rows: int = 24
    ) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen(
            pycompose.command(*words),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=pycompose.folder,
            env=pycompose.environment({"TERM": "xterm"}),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait_for(self, wanted: str, *, after: str = "") -> None:
        """Until the text is on the screen, behind `after`."""
        until = time.monotonic() + DEADLINE
        while not re.search(f"{re.escape(after)}.*{re.escape(wanted)}", plain(self.text), re.S):
            if time.monotonic() > until or not self.read():
                raise AssertionError(f"{wanted!r} did not come: {self.text!r}")

    def read(self, seconds: float = DEADLINE) -> bool:
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            self.text += os.read(self.master, 65536).decode(errors="replace")
        return bool(ready)

    def end(self) -> int:
        """Its exit code, with the rest of its text read."""
        with open(os.pidfd_open(self.process.pid)) as pidfd:
            while True:
                ready, _, _ = select.select([pidfd, self.master], [], [], DEADLINE)
                if self.master in ready:
                    self.read()
                elif pidfd in ready:
                    break
                else:
                    raise AssertionError(f"it does not end: {self.text!r}")
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(pycompose: Pycompose) -> Iterator[type[Terminal]]:
    pycompose.compose_file(STACK)
    started: list[Terminal] = []

    class Started(Terminal):
        def __init__(self, *words: str, **settings: int) -> None:
            super().__init__(pycompose, *words, **settings)
            started.append(self)

    yield Started
    for one in started:
        one.close()


def plain(text: str) -> str:
    """Without colours and cursor movement."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_ctrl_c_stops_an_attached_up_in_order_and_leaves_the_containers(terminal, pycompose):
    shown = terminal("up")
    shown.wait_for("web-1  | web is up")
    shown.type("\x03")
    assert shown.end() == 130
    text = plain(shown.text)
    assert "Gracefully Stopping... press Ctrl+C again to force" in text
    assert "web-1 exited with code 143" in text
    assert "\x1b[36mweb-1  | \x1b[0mweb is up" in shown.text
    states = pycompose("ps", "-a", "--format", "{{.Name}} {{.State}} {{.ExitCode}}").stdout
    assert states == "tty-web-1 exited 143\n"


def test_the_second_ctrl_c_kills(terminal, pycompose):
    shown = terminal("up", "stubborn")
    shown.wait_for("stubborn-1  | no")
    shown.type("\x03")
    shown.wait_for("Stopping")
    shown.type("\x03")
    assert shown.end() == 130
    assert "stubborn-1 exited with code 137" in plain(shown.text)


def test_a_shell_by_exec_has_the_size_of_the_terminal_and_its_keys(terminal, pycompose):
    pycompose("up", "-d")
    shown = terminal("exec", "web", "sh", columns=70, rows=20)
    shown.type("stty size; test -t 0 && test -t 1 && echo terminals:$((1+1))\n")
    shown.wait_for("20 70")
    shown.wait_for("terminals:2")
    shown.resize(91, 33)
    shown.type("echo before:$((1+1)); stty size\n")
    shown.wait_for("33 91", after="before:2")
    # Ctrl-C ends the program inside, not us
    shown.type("sh -c 'echo begun:$((1+1)); exec sleep 1000'\n")
    shown.wait_for("begun:2")
    shown.type("\x03")
    shown.wait_for("# ", after="^C")
    # what is typed is echoed before or behind the prompt: sums differ from what was typed
    shown.type("echo interrupted $?\n")
    shown.wait_for("interrupted 130")
    shown.type("exit 7\n")
    assert shown.end() == 7
    assert termios.tcgetattr(shown.slave) == shown.before


def test_exec_without_a_terminal_inside_is_asked_for_by_t(terminal, pycompose):
    pycompose("up", "-d")
    shown = terminal("exec", "-T", "web", "sh", "-c", "test -t 1 || echo none")
    assert (shown.end(), shown.text) == (0, "none\r\n")


def test_run_gives_a_terminal_and_the_exit_code(terminal, pycompose):
    shown = terminal(
        "run", "--rm", "web", "sh", "-c", "test -t 0 && read word; echo got $word; exit 5"
    )
    shown.wait_for("Created")
    shown.type("hello\n")
    assert shown.end() == 5
    assert "got hello" in shown.text
    assert pycompose("ps", "-aq").stdout == ""


def test_nothing_is_drawn_over_a_program_that_run_gave_the_terminal(terminal, pycompose):
    script = "echo begun:$((1+1)); sleep 0.5; echo still:$((1+2)); read word"
    shown = terminal("run", "--rm", "web", "sh", "-c", script)
    shown.wait_for("still:3")
    assert shown.text.partition("begun:2")[2].strip() == "still:3"
    shown.type("end\n")
    assert shown.end() == 0
    assert pycompose("ps", "-aq").stdout == ""
