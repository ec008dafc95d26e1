"""The command line on a real pseudo terminal, and with readers that go away: whole processes
against a fake Stack."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
DEADLINE = 20.0

PROGRAM = """
import sys, threading
from compose.cli import app
from compose.scheduling.events import *
from tests.fakes.stack import FakeDoors, FakeStack

class Stack(FakeStack):
    def up(self, options, on_event):
        {up}

app.stop_at_signals()
sys.exit(app.run({words!r}, doors=FakeDoors(stack=Stack())))
"""
CREATED = 'on_event(ResourceEvent(id="Container shop-web-1", text="Created", status="Done"))'
WAITING = 'on_event(ResourceEvent(id="Container shop-db-1", text="Waiting", waiting_for="healthy, for web"))'
LINE = 'on_event(LogOutput(name="web-1", service="web", text=b"hello"))'
FOREVER = "threading.Event().wait()"
NOTHING = "return super().up(options)"


class Terminal:
    """A process with a terminal of its own."""

    def __init__(self, words: list[str], *up: str, columns: int = 80, **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(words=words, up="\n        ".join(up))],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=TOP,
            env={
                "PATH": os.environ["PATH"],
                "TERM": "xterm",
                "PYTHONPATH": str(TOP),
                **environment,
            },
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.text = ""

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read_until(self, wanted: str) -> str:
        while wanted not in self.text:
            if not self.read():
                raise AssertionError(f"{wanted!r} did not come: {self.text!r}")
        return self.text

    def read(self) -> bool:
        """Whether more came before the deadline and the end."""
        ready, _, _ = select.select([self.master], [], [], DEADLINE)
        try:
            data = os.read(self.master, 65536) if ready else b""
        except OSError:  # EIO: the last process closed it
            data = b""
        self.text += data.decode()
        return bool(data)

    def end(self) -> int:
        while self.read():
            pass
        os.close(self.master)
        return self.process.wait(DEADLINE)


@pytest.fixture
def terminal() -> Iterator[type[Terminal]]:
    started: list[Terminal] = []

    class Started(Terminal):
        def __init__(self, *words, **settings) -> None:
            super().__init__(*words, **settings)
            started.append(self)

    yield Started
    for one in started:
        one.process.kill()
        one.process.wait()


def test_live_progress_is_drawn_and_ends_with_the_last_state(terminal):
    shown = terminal(["up", "-d"], CREATED, NOTHING)
    assert shown.end() == 0
    assert "[+] up 1/1" in shown.text
    assert "\x1b[32m✔\x1b[0m Container shop-web-1  \x1b[32mCreated\x1b[0m" in shown.text
    assert shown.text.endswith("\x1b[?25h")


def test_a_waiting_service_says_what_for_and_how_long(terminal):
    shown = terminal(["up", "-d"], WAITING, FOREVER)
    shown.read_until("0.3s")
    assert "Waiting healthy, for web" in shown.text


def test_ctrl_c_ends_with_130_and_shows_the_cursor_again(terminal):
    shown = terminal(["up", "-d"], WAITING, FOREVER)
    shown.read_until("Waiting")
    os.write(shown.master, b"\x03")
    assert shown.end() == 130
    assert shown.text.rstrip().endswith("\x1b[?25h")


def test_sigterm_ends_with_130(terminal):
    shown = terminal(["up", "-d"], WAITING, FOREVER)
    shown.read_until("Waiting")
    shown.process.send_signal(signal.SIGTERM)
    assert shown.end() == 130


def test_forty_columns_are_enough(terminal):
    shown = terminal(["up", "-d"], WAITING, NOTHING, columns=40)
    assert shown.end() == 0
    assert "Container shop-db-1  Waiting" in shown.text


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"COMPOSE_ANSI": "never"}])
def test_a_terminal_that_cannot_move_gets_plain_lines(terminal, environment: dict[str, str]):
    shown = terminal(["up", "-d"], CREATED, NOTHING, **environment)
    assert (shown.end(), shown.text) == (0, " Container shop-web-1 Created \r\n")


def test_no_color_keeps_the_live_lines_and_drops_their_colour(terminal):
    shown = terminal(["up", "-d"], CREATED, NOTHING, NO_COLOR="1")
    assert shown.end() == 0
    assert " ✔ Container shop-web-1  Created" in shown.text
    assert "\x1b[32m" not in shown.text


def test_log_lines_have_coloured_prefixes(terminal):
    shown = terminal(["up"], 'on_event(Attaching(names=("web-1",)))', LINE, NOTHING)
    assert (shown.end(), shown.text) == (
        0,
        "Attaching to web-1\r\n\x1b[36mweb-1  | \x1b[0mhello\r\n",
    )


def test_log_lines_stand_above_the_live_block(terminal):
    shown = terminal(["up"], WAITING, "threading.Event().wait(0.3)", LINE, NOTHING)
    assert shown.end() == 0
    before, _, after = shown.text.partition("hello")
    assert before.endswith("\x1b[2A\r\x1b[J\x1b[36mweb-1  | \x1b[0m")
    assert "Waiting" in after


def test_a_reader_that_went_away_is_no_error():
    flood = f"while True: {LINE}"
    command = [sys.executable, "-c", PROGRAM.format(words=["up"], up=flood)]
    process = subprocess.Popen(
        command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert process.stdout.readline() == b"web-1  | hello\n"
    process.stdout.close()
    assert (process.stderr.read(), process.wait(DEADLINE)) == (b"", 141)


def test_a_table_for_a_reader_that_went_away_is_no_error():
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-c", PROGRAM.format(words=["ps"], up="pass")]
    run = subprocess.run(command, cwd=TOP, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (run.stderr, run.returncode) == (b"", 141)


def test_a_full_disk_is_said():
    command = [sys.executable, "-c", PROGRAM.format(words=["ps"], up="pass")]
    with open("/dev/full", "w") as full:
        run = subprocess.run(command, cwd=TOP, stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 1
    assert run.stderr.decode() == (
        "error E798: cannot write the output\nanswered: ENOSPC (No space left on device)\n"
    )


def test_closed_standard_streams_are_no_traceback():
    script = f'exec {sys.executable} -c "$1" >&- 2>&-'
    program = PROGRAM.format(words=["ps"], up="pass")
    run = subprocess.run(["sh", "-c", script, "sh", program], cwd=TOP, check=False)
    assert run.returncode in (0, 1)
