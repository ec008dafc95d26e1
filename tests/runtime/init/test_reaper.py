"""PID 1 of a container with `init: true`. Source: L62."""

from __future__ import annotations

import signal
import struct
import subprocess
from pathlib import Path

import pytest

from runtime.errors import RuntimeFault
from runtime.init import reaper
from runtime.linux import faults
from tests.runtime.init.driver import Box


def test_it_is_a_whole_executable():
    image = reaper.program("x86_64", 2, 3)
    assert image[:4] == b"\x7fELF"
    assert struct.unpack_from("<QQ", image, 96) == (len(image), len(image))


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_the_childs_pid_and_the_descriptor_stand_in_the_code(machine: str):
    image = reaper.program(machine, 77, 78)
    assert (77).to_bytes(4, "little") in image
    assert (78).to_bytes(4, "little") in image


def test_another_machine_is_refused_by_name():
    with pytest.raises(RuntimeFault) as caught:
        reaper.program("sparc", 2, 3)
    assert str(caught.value) == "`init: true` is not available on sparc"


def test_the_listing_is_what_an_assembler_makes_of_it(tmp_path: Path):
    """Only where binutils is there: the code as the disassembler reads it ends with its last call."""
    image = tmp_path / "reaper"
    image.write_bytes(reaper.program("x86_64", 2, 3))
    command = ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--start-address=120", image]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        return
    assert listing.count("syscall") == 5
    assert "(bad)" not in listing


@pytest.mark.kernel
def test_it_is_pid_1_and_the_program_is_its_child(box: Box):
    ended = box.run("echo $$ $PPID; tr '\\0' ' ' </proc/1/cmdline", init=True)
    assert (
        ended.output
        == "2 1\n/sbin/docker-init -- sh -c echo $$ $PPID; tr '\\0' ' ' </proc/1/cmdline "
    )


@pytest.mark.kernel
def test_the_program_waits_until_it_stands(box: Box, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "_plan", "init/execute reaper/before:kill")
    for _ in range(10):
        ended = box.run("echo ran", init=True)
        assert (ended.output, ended.exit_code) == ("", 137)


@pytest.mark.kernel
@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)])
def test_it_ends_with_the_code_of_the_program(box: Box, script: str, code: int):
    assert box.run(script, init=True).exit_code == code


@pytest.mark.kernel
def test_signals_reach_the_program(box: Box):
    container = box.start(
        "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.01; done", init=True
    )
    wait_for(container.readable, b"up\n")
    container.send_signal(signal.SIGTERM)
    ended = container.wait()
    assert (ended.output, ended.exit_code) == ("got\n", 3)


@pytest.mark.kernel
def test_negative_control_without_it_a_shell_without_a_handler_ignores_the_signal(box: Box):
    container = box.start("echo up; read x; echo end", stdin_open=True)
    wait_for(container.readable, b"up\n")
    container.send_signal(signal.SIGTERM)
    assert container.wait().output == "end\n"


@pytest.mark.kernel
def test_with_it_the_same_shell_is_terminated(box: Box):
    container = box.start("echo up; while :; do sleep 1; done", init=True)
    wait_for(container.readable, b"up\n")
    container.send_signal(signal.SIGTERM)
    assert container.wait().exit_code == 143


@pytest.mark.kernel
def test_orphans_are_reaped(box: Box):
    script = (
        "(sh -c 'sleep 0 & exit' &) ; sleep 0.1; grep -l '^State:.Z' /proc/[0-9]*/status; echo none"
    )
    assert box.run(script, init=True).output == "none\n"


@pytest.mark.kernel
def test_it_holds_no_more_power_than_the_program(box: Box):
    ended = box.run("grep -h Cap /proc/1/status /proc/self/status | sort | uniq -c", init=True)
    assert [line.split()[0] for line in ended.output.splitlines()] == ["2"] * 5


@pytest.mark.kernel
def test_its_streams_are_the_programs_and_nothing_else_is_open_in_it(box: Box):
    """A job of cron has its lines logged in this way, and a server's console its commands."""
    ended = box.run(
        "exec >/dev/null; ls /proc/1/fd >/proc/1/fd/1; echo job >/proc/1/fd/1", init=True
    )
    assert ended.output == "0\n1\n2\njob\n"


@pytest.mark.kernel
def test_its_executable_is_sealed(box: Box):
    ended = box.run("readlink /proc/1/exe; : >/proc/1/exe", init=True)
    assert ended.output.startswith("/memfd:docker-init (deleted)\n")
    assert "can't create /proc/1/exe" in ended.output


@pytest.mark.kernel
def test_it_uses_less_memory_than_a_page_or_two(box: Box):
    ended = box.run("grep -E '^Rss|^Pss:' /proc/1/smaps_rollup", init=True)
    assert int(ended.words[1]) <= 64


@pytest.mark.kernel
def test_a_program_that_is_not_there_is_127_with_it_too(box: Box):
    ended = box.run_command(("nowhere",), init=True)
    assert ended.failure is not None
    assert ended.failure.exit_code == 127


@pytest.mark.kernel
@pytest.mark.parametrize("content", [b"no program", b"#!/nowhere\n"])
def test_a_file_that_the_kernel_refuses_is_reported_with_it_too(box: Box, content: bytes):
    (box.patch / "odd").write_bytes(content)
    (box.patch / "odd").chmod(0o755)
    ended = box.run_command(("/odd",), init=True)
    assert ended.failure is not None
    assert ended.failure.message.startswith('exec: "/odd": ')


@pytest.mark.kernel
def test_another_user_has_it_run_as_that_user(box: Box):
    ended = box.run(
        "grep -h ^Uid /proc/1/status; grep -h CapEff /proc/1/status", init=True, user="1000"
    )
    assert ended.output == "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n"


@pytest.mark.kernel
def test_with_a_terminal_the_program_is_in_the_foreground(box: Box):
    ended = box.start("ps -o pid,pgid,tty,stat; test -t 0 && echo tty", init=True, tty=True).wait()
    assert ended.output.endswith("tty\r\n")


def wait_for(readable: int, expected: bytes) -> None:
    import os

    assert os.read(readable, len(expected)) == expected
