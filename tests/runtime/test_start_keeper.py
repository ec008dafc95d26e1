"""Of two keepers one serves; whoever meets one that is just ending starts the next."""

from __future__ import annotations

import os

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
    pid = start_keeper._spawn(paths, "p", written, start_keeper.PROGRAM)
    os.close(written)
    os.waitpid(pid, 0)
    start_keeper.wait_until_listening_blocking(paths, "p")
    with Channel(paths.project("p").control_socket) as channel:
        channel.greet()
    wait_for_end(paths)
    assert census(paths) == before
