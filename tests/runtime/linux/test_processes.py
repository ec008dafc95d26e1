"""Processes, limits and capabilities as the kernel shows them."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.linux import calls, capabilities, identity, keyring, processes, rlimits
from runtime.linux.rlimits import Limit
from runtime.schemas import read_schema

# P06: a bare clone wants a process with one thread, and a worker of pytest-xdist has more
pytestmark = pytest.mark.kernel


def in_child(act: Callable[[], object]) -> str:
    """What `act` answers in a forked process."""
    return in_child_that_keeps(lambda _writable: act())


def in_child_that_keeps(act: Callable[[int], object]) -> str:
    """The same; `act` is told the descriptor by which its answer goes."""
    readable, writable = os.pipe()
    born = processes.clone()
    if born.pid == 0:
        try:
            os.write(writable, str(act(writable)).encode())
        except BaseException as error:
            os.write(writable, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writable)
    with open(readable) as file:
        text = file.read()
    os.waitpid(born.pid, 0)
    os.close(born.pidfd)
    return text


IGNORE = struct.pack("N24x", signal.SIG_IGN)
"""A sigaction."""


def status(*names: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return " ".join(line.split()[1] for line in lines if line.split(":")[0] in names)


def test_p07_a_clone_is_a_whole_interpreter():
    assert in_child(lambda: sum(range(10))) == "45"


def test_a_clone_comes_with_a_pidfd_that_tells_its_end():
    born = processes.clone()
    if born.pid == 0:
        os._exit(7)
    assert os.waitid(os.P_PIDFD, born.pidfd, os.WEXITED).si_status == 7
    os.close(born.pidfd)


def test_a_start_time_names_a_process():
    assert processes.start_time(os.getpid()) == processes.start_time(os.getpid())
    with pytest.raises(FileNotFoundError):
        processes.start_time(2**22 + 1)


def test_l55_after_a_reset_nothing_is_ignored_or_blocked():
    def reset() -> str:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        # as glibc's posix_spawn leaves those that are its own
        for number in (32, 33):
            calls.rt_sigaction(number, IGNORE, None, 8)
        processes.block_signals()
        processes.reset_signals()
        processes.set_signal_mask(processes.NO_SIGNAL)
        return status("SigBlk", "SigIgn", "SigCgt")

    assert [int(word, 16) for word in in_child(reset).split()] == [0, 0, 0]


def test_p13_a_mask_is_put_back_as_it_was():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    mask = processes.block_signals()
    assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    processes.set_signal_mask(mask)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_p10_only_what_is_named_stays_open():
    def close(writable: int) -> str:
        kept = os.open("/", os.O_PATH)
        os.dup2(kept, 200)
        os.dup2(kept, 900)
        processes.close_all_but({0, 1, 2, writable, 200})
        left = {int(name) for name in os.listdir("/proc/self/fd")}
        return f"{200 in left} {900 in left} {kept in left}"

    assert in_child_that_keeps(close) == "True False False"


def test_v31_ids_that_mean_leave_it_are_refused():
    for ids in ((2**32 - 1, 0), (0, 2**32 - 1), (-1, 0), (2**31, 0)):
        assert in_child(lambda ids=ids: identity.become(*ids, ())).startswith("ValueError")


def test_p15_groups_are_replaced():
    def become() -> str:
        identity.become(5, 6, (7, 8))
        return f"{os.getresuid()} {os.getresgid()} {os.getgroups()}"

    assert in_child(become) == "(5, 5, 5) (6, 6, 6) [7, 8]"


def test_p15_a_thread_that_the_parent_just_began_is_not_waited_for():
    """setgroups(3) would, for ever: after a bare clone3 the library still counts it."""

    def become() -> str:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        identity.become(5, 6, (7, 8))
        return f"{os.getresuid()} {os.getresgid()} {os.getgroups()}"

    for _ in range(5):
        faulthandler.dump_traceback_later(600)  # a thread without Python
        try:
            assert in_child(become) == "(5, 5, 5) (6, 6, 6) [7, 8]"
        finally:
            faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_calls_by_number_are_those_of_the_table(machine: str):
    assert calls.OLD_NUMBERS[machine].items() <= read_schema("syscalls.json")[machine].items()


def test_the_capability_sets_are_what_was_asked():
    def apply() -> str:
        two = capabilities.mask(["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"])
        capabilities.drop_bounding(two)
        capabilities.apply(
            capabilities.CapabilitySets(effective=1, permitted=two, inheritable=1, ambient=1)
        )
        return status("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

    assert in_child(apply) == (
        "0000000000000001 0000010000000001 0000000000000001 0000010000000001 0000000000000001"
    )


def test_capability_names_are_numbers_and_back():
    assert capabilities.mask(["CAP_CHOWN", "CAP_BPF"]) == 1 | 1 << 39
    assert capabilities.names(1 | 1 << 39) == {"CAP_CHOWN", "CAP_BPF"}
    with pytest.raises(KeyError):
        capabilities.mask(["CAP_HOPE"])


def test_what_we_hold_is_what_the_kernel_says():
    assert capabilities.mask(capabilities.read_held()) == int(status("CapBnd"), 16)


def test_l12_a_limit_is_lowered_as_far_as_the_hard_one_lets_it():
    def lower() -> str:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        rlimits.lower(Limit("RLIMIT_NOFILE", 200, 300))
        first = resource.getrlimit(resource.RLIMIT_NOFILE)
        rlimits.lower(Limit("RLIMIT_NOFILE", 10, 50))
        return f"{first} {resource.getrlimit(resource.RLIMIT_NOFILE)}"

    if "CAP_SYS_RESOURCE" in capabilities.read_held():
        return
    assert in_child(lower) == "(100, 100) (10, 50)"


def test_an_unlimited_wish_takes_what_there_is():
    def lower() -> str:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 7))
        rlimits.lower(Limit("RLIMIT_CORE", -1, -1))
        return str(resource.getrlimit(resource.RLIMIT_CORE))

    assert in_child(lower) == "(7, 7)"


def test_our_own_open_files_are_raised_and_the_original_is_known():
    def lift() -> str:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
        rlimits.raise_open_files()
        return f"{resource.getrlimit(resource.RLIMIT_NOFILE)} {rlimits.original_open_files()}"

    assert in_child(lift) == ("(128, 128) Limit(kind='RLIMIT_NOFILE', soft=64, hard=128)")


def test_l20_a_session_keyring_of_its_own():
    def join() -> str:
        assert keyring.join_session("_ses.test")
        return Path("/proc/keys").read_text()

    assert "_ses.test" in in_child(join)


def test_v10_undumpable_ends_with_execve():
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1]);"
        "from runtime.linux import identity; identity.forbid_dump();"
        "first = os.stat('/proc/self/fd').st_uid, os.access('/proc/self/mem', os.R_OK);"
        "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True);"
        "os.execv(sys.executable, [sys.executable, '-c',"
        "'import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))'])"
    )
    top = str(Path(__file__).resolve().parents[3])
    run = subprocess.run([sys.executable, "-c", script, top], capture_output=True, text=True)
    assert run.stdout.split() == ["0", "1"]
