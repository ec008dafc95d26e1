"""A further process in a running container: what it is in, and what it may do. Source: E01-E09."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import NotFound
from runtime.init import join
from runtime.messages import ExecRequest
from tests.runtime.init.driver import Alive, Box

pytestmark = pytest.mark.kernel


@pytest.fixture
def container(box: Box) -> Iterator[Alive]:
    alive = box.start("echo up; exec sleep 1000", hostname="inside", environment={"A": "1"})
    assert os.read(alive.readable, 3) == b"up\n"
    yield alive
    alive.send_signal(signal.SIGKILL)
    alive.wait()


def test_it_is_where_the_container_is(box: Box, container: Alive):
    kinds = ("mnt", "uts", "ipc", "pid", "net", "cgroup")
    script = f"for n in {' '.join(kinds)}; do readlink /proc/self/ns/$n; done"
    expected = [os.readlink(f"/proc/{container.pid}/ns/{kind}") for kind in kinds]
    assert box.execute(container, script).words == expected
    assert box.execute(container, "hostname; echo $A").words == ["inside", "1"]


def test_its_parent_is_outside(box: Box, container: Alive):
    assert box.execute(container, "echo $PPID").output == "0\n"


def test_its_exit_code_is_the_programs(box: Box, container: Alive):
    assert box.execute(container, "exit 9").exit_code == 9


def test_e01_a_container_that_is_gone_is_never_entered(box: Box, container: Alive):
    request = ExecRequest(
        exec_id="e",
        container_id="c" * 64,
        pid=container.pid,
        start_time=container.birth.start_time + 1,
    )
    with pytest.raises(NotFound) as caught:
        join.fork_exec(request, None)
    assert str(caught.value) == "container cccccccccccc does not run"


def test_the_keeper_stays_in_its_own_pid_namespace(box: Box, container: Alive):
    before = os.readlink("/proc/self/ns/pid_for_children")
    box.execute(container, "true")
    assert os.readlink("/proc/self/ns/pid_for_children") == before


def test_it_has_the_containers_rights_and_no_more(box: Box, container: Alive):
    lines = "^(Cap|NoNewPrivs|Seccomp:|SigBlk|SigIgn)"
    ended = box.start_exec(container, ("grep", "-E", lines, "/proc/self/status")).wait()
    assert ended.output == (
        "SigBlk:\t0000000000000000\n"
        "SigIgn:\t0000000000000000\n"
        "CapInh:\t0000000000000000\n"
        "CapPrm:\t00000000a80425fb\n"
        "CapEff:\t00000000a80425fb\n"
        "CapBnd:\t00000000a80425fb\n"
        "CapAmb:\t0000000000000000\n"
        "NoNewPrivs:\t0\n"
        "Seccomp:\t2\n"
    )


def test_nothing_of_the_keeper_is_open(box: Box, container: Alive):
    assert box.execute(container, "ls /proc/self/fd").words == ["0", "1", "2", "3"]


def test_e06_digits_are_a_number_and_names_are_the_containers(box: Box, container: Alive):
    box.execute(container, "echo web:x:7:8::/srv:/bin/sh >>/etc/passwd")
    assert box.execute(container, "id -u; id -g", user="1").words == ["1", "0"]
    ended = box.execute(container, "id -u; id -g; echo $HOME", user="web")
    assert ended.words == ["7", "8", "/srv"]
    refused = box.execute(container, "id", user="daemon")
    assert refused.failure is not None
    assert refused.failure.message == (
        "unable to find user daemon: no matching entries in passwd file"
    )


def test_v24_a_passwd_that_became_a_fifo_is_refused_at_once(box: Box, container: Alive):
    box.execute(container, "rm /etc/passwd; mkfifo /etc/passwd")
    begin = time.monotonic()
    refused = box.execute(container, "id", user="somebody")
    assert refused.failure is not None
    assert refused.failure.message == (
        "/etc/passwd of the container cannot be read: not a regular file"
    )
    assert time.monotonic() - begin < 1


def test_privileged_means_every_capability_and_the_same_namespaces(box: Box, container: Alive):
    ended = box.execute(
        container, "grep CapEff /proc/self/status; readlink /proc/self/ns/mnt", privileged=True
    )
    own = int(
        next(
            line for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line
        ).split()[1],
        16,
    )
    assert int(ended.words[1], 16) == own
    assert ended.words[2] == os.readlink(f"/proc/{container.pid}/ns/mnt")


@pytest.mark.parametrize("number", range(16))
def test_v01_a_working_directory_through_a_descriptor_is_refused(
    box: Box, container: Alive, number: int
):
    ended = box.execute(container, "pwd", working_dir=f"/proc/self/fd/{number}")
    assert ended.failure is not None


@pytest.mark.parametrize("number", range(16))
def test_v01_a_program_through_a_descriptor_is_never_the_hosts(
    box: Box, container: Alive, number: int
):
    words = (f"/proc/self/fd/{number}/../../../bin/bash", "--version")
    ended = box.start_exec(container, words).wait()
    assert ended.failure is not None


def test_a_working_directory_that_is_missing_is_an_error(box: Box, container: Alive):
    ended = box.execute(container, "pwd", working_dir="/nowhere")
    assert ended.failure is not None
    assert ended.failure.message == "the working directory /nowhere cannot be used"


def test_d61_exit_codes_of_programs_that_cannot_run(box: Box, container: Alive):
    codes = []
    for words in (("nowhere",), ("/etc",), ("/etc/passwd",)):
        failure = box.start_exec(container, words).wait().failure
        assert failure is not None
        codes.append(failure.exit_code)
    assert codes == [127, 126, 126]


def test_e08_a_terminal_has_its_size_before_the_program_runs(box: Box, container: Alive):
    ended = box.start_exec(container, ("stty", "size"), tty=True).wait()
    assert ended.output == "24 80\r\n"


def test_e05_the_terminal_is_of_the_containers_devpts(box: Box, container: Alive):
    ended = box.start_exec(container, ("sh", "-c", "tty; ls -l /dev/console"), tty=True).wait()
    assert ended.output.startswith("/dev/pts/0\r\n")


def test_v17_without_a_terminal_there_is_no_controlling_one(box: Box, container: Alive):
    assert box.execute(container, "echo x >/dev/tty").exit_code != 0


def test_v10_what_happens_before_the_program_runs_cannot_be_looked_into(box: Box):
    """G5: the racer must have seen execs, or the test proves nothing."""
    racer = (
        "n=0; trap 'echo seen $n; exit' TERM; echo up; "
        "while :; do for p in /proc/[0-9]*; do "
        "case $p in /proc/1) continue;; esac; n=$((n+1)); "
        "for f in $(ls -l $p/fd 2>/dev/null | grep -o -- '-> .*'); do "
        "case $f in '->'|/dev/null|pipe:*|/proc/*|/) ;; *) echo LEAK $p $f;; esac; done; done; done"
    )
    container = box.start(racer, cap_drop=("SYS_PTRACE",))
    assert os.read(container.readable, 3) == b"up\n"
    for _ in range(40):
        box.execute(container, "true")
    container.send_signal(signal.SIGTERM)
    ended = container.wait()
    assert "LEAK" not in ended.output
    assert int(ended.words[-1]) > 40
