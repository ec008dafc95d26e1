"""Of two keepers one serves; whoever meets one that is just ending starts the next."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from runtime import start_keeper
from runtime.control import Channel
from runtime.errors import Unreachable
from runtime.linux import files, sockets
from runtime.paths import ensure_directories
from runtime.state.database import Database
from tests.census import census
from tests.conftest import wait_for_end

SPEAKS_AND_ENDS = """
import os, sys
if os.fork():
    os._exit(0)
with open(__file__ + ".starts", "a") as file:
    file.write("x")
    starts = file.tell()
if starts == 3:
    import socket
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[2] + "/projects/" + sys.argv[3] + "/control.sock")
    listener.listen()
    os.write(int(sys.argv[4]), b"1")
    listener.accept()
    listener.accept()
else:
    os.write(int(sys.argv[4]), b"1")
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    path = tmp_path / "keeper.py"
    monkeypatch.setattr(start_keeper, "PROGRAM", str(path))
    return path


# also one that nobody came to for so long (an image was pulled) that it ended by itself
def test_one_that_ended_as_soon_as_it_listened_is_followed_by_another(paths, program):
    program.write_text(SPEAKS_AND_ENDS)
    files.ensure_directory(paths.project("p").run)
    start_keeper.wait_until_listening_blocking(paths, "p")
    assert program.with_name("keeper.py.starts").read_text() == "xxx"
    sockets.connect(paths.project("p").control_socket).close()


def test_one_that_never_listens_is_named_with_its_last_words(paths, program):
    program.write_text("raise SystemExit('no room')")
    with pytest.raises(Unreachable) as caught:
        start_keeper.wait_until_listening_blocking(paths, "p")
    assert (caught.value.code, caught.value.answered) == ("E331", "no room")


@pytest.mark.kernel
def test_one_whose_command_is_gone_before_it_listens_serves_others_and_leaves_nothing(paths):
    # Negative control: it died of EPIPE, and its socket and lock stayed.
    before = census(paths)
    ensure_directories(paths)
    Database.open(paths).close()
    read, written = os.pipe()
    os.close(read)
    files.ensure_directory(paths.project("p").run)
    pid = start_keeper._spawn(paths, "p", start_keeper.PROGRAM, written, None)
    os.close(written)
    os.waitpid(pid, 0)
    start_keeper.wait_until_listening_blocking(paths, "p")
    with Channel(paths.project("p").control_socket) as channel:
        channel.greet()
    wait_for_end(paths)
    assert census(paths) == before


@pytest.fixture(autouse=True)
def no_early_keeper_is_left():
    yield
    start_keeper.dismiss_early()


def early_keepers(paths) -> list[int]:
    """Processes that were started for this root before their project was known."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{paths.run}\0-\0".encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


@pytest.mark.kernel
def test_a_keeper_that_was_started_early_serves_the_project_that_it_is_told(paths):
    before = census(paths)
    ensure_directories(paths)
    Database.open(paths).close()
    start_keeper.start_early(paths)
    pid = start_keeper._early[0].started.pid
    start_keeper.start(paths, "p")
    assert start_keeper._started[paths.project("p")].pid == pid
    start_keeper.wait_until_listening_blocking(paths, "p")
    with Channel(paths.project("p").control_socket) as channel:
        channel.greet()
    start_keeper.dismiss_early()
    wait_for_end(paths)
    assert census(paths) == before


@pytest.mark.kernel
def test_one_that_was_not_needed_leaves_nothing(paths):
    before = census(paths)
    start_keeper.start_early(paths)
    assert start_keeper._early
    start_keeper.dismiss_early()
    assert not early_keepers(paths)
    assert census(paths) == before


@pytest.mark.kernel
def test_one_that_died_early_is_replaced(paths):
    before = census(paths)
    ensure_directories(paths)
    Database.open(paths).close()
    start_keeper.start_early(paths)
    for pid in early_keepers(paths):
        os.kill(pid, signal.SIGKILL)
    start_keeper.wait_until_listening_blocking(paths, "p")
    with Channel(paths.project("p").control_socket) as channel:
        channel.greet()
    wait_for_end(paths)
    assert census(paths) == before


def test_beside_a_project_that_is_up_nothing_is_loaded_in_vain(paths):
    files.ensure_directory(paths.project("p").run)
    start_keeper.start_early(paths)
    assert not start_keeper._early
