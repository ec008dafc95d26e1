"""`init: true`: a PID 1 that forwards signals, reaps orphans and ends with its child's exit code.

Nothing may be installed, and an interpreter that stays behind would cost memory and keep a copy of
the keeper's within the container's reach. So PID 1 becomes a static program of some hundred bytes,
written here as machine code, executed from a sealed file in memory: one system call at its start,
two in a loop and one at the end. Source: L62; the calling conventions in syscall(2); elf(5).

    start:  close(HELD)                        the child waits for this before it executes
    wait:   signal = rt_sigtimedwait(every signal)        all are blocked, so none is lost
            if signal is not SIGCHLD: kill(child, signal); go to wait
    reap:   pid = wait4(-1, WNOHANG); if none: go to wait
            if pid is not the child: go to reap
            exit_group(its exit code, or 128 + the signal that killed it)
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from runtime.errors import RuntimeFault
from runtime.linux import faults, processes, terminals

TITLE = "/sbin/docker-init"
"""What `ps` in the container has always shown."""

_CHILD = (0x7FFFFFFF).to_bytes(4, "little")
"""Stands in the code for the child's pid."""
_HELD = (0x7FFFFFFE).to_bytes(4, "little")
"""Stands in the code for the number of the descriptor that is closed first."""

_CODE = {
    "x86_64": (
        "bffeffff7f6a03580f05"  # close(HELD)
        "6aff"  # push -1                   the set: every signal
        "4889e731f631d26a08415a"  # wait:   rdi, rsi, rdx, r10 = set, none, none, 8
        "b8800000000f05"  # rt_sigtimedwait
        "85c07eea"  # test eax; jle wait
        "83f811740e"  # cmp eax, SIGCHLD; je reap
        "89c6bfffffff7f6a3e580f05"  # kill(CHILD, signal)
        "ebd7"  # jmp wait
        "6aff5f504889e66a015a4531d2"  # reap: rdi, rsi, rdx, r10 = -1, status, WNOHANG, none
        "6a3d580f055f"  # wait4; edi = status
        "85c07ec0"  # test eax; jle wait
        "3dffffff7f75e2"  # cmp eax, CHILD; jne reap
        "89f883e07f7509"  # eax = status & 127; jnz killed
        "c1ef08400fb6ffeb06"  # edi = exit code; jmp leave
        "8db880000000"  # killed: edi = 128 + eax
        "b8e70000000f05"  # leave: exit_group
    ),
    "aarch64": (
        "00050018280780d2010000d4"  # close(HELD)
        "14008092f40f1ff8"  # push -1
        "e0030091010080d2020080d2030180d2281180d2010000d4"  # wait: rt_sigtimedwait
        "1f0000712dffff54"  # cmp; b.le wait
        "1f440071c0000054"  # cmp SIGCHLD; b.eq reap
        "e103002ae0020018281080d2010000d4"  # kill(CHILD, signal)
        "f2ffff17"  # b wait
        "00008092e1230091220080d2030080d2882080d2010000d4"  # reap: wait4
        "1f0000714dfdff54"  # cmp; b.le wait
        "610100181f00016bc1feff54"  # cmp CHILD; b.ne reap
        "e10b40b92018007261000054"  # w0 = status & 127; b.ne killed
        "203c085302000014"  # w0 = exit code; b leave
        "00000211"  # killed: w0 += 128
        "c80b80d2010000d4"  # leave: exit_group
        "ffffff7f"  # CHILD
        "feffff7f"  # HELD
    ),
}
_MACHINES = {"x86_64": 62, "aarch64": 183}
_BASE = 0x400000
_PAGE = 0x10000
_HEADERS = 64 + 56
_MFD_EXEC = 0x10
_EVERY_SEAL = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def program(machine: str, child: int, held: int) -> bytes:
    """The executable for a child of that pid. Pure. Raises RuntimeFault for another machine."""
    if machine not in _CODE:
        raise RuntimeFault(
            f"`init: true` is not available on {machine}",
            code="E405",
            hint="use an image that brings a reaper of its own",
        )
    code = bytes.fromhex(_CODE[machine]).replace(_CHILD, child.to_bytes(4, "little"))
    code = code.replace(_HELD, held.to_bytes(4, "little"))
    return _headers(_MACHINES[machine], _HEADERS + len(code)) + code


def _headers(machine: int, size: int) -> bytes:
    """The ELF header and one segment: the whole file, readable and executable."""
    identification = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    return (
        identification
        + struct.pack(
            "<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
        )
        + struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, _PAGE)
    )


def stay_behind(arguments: list[str], *, tty: bool) -> None:
    """Fork: this process becomes the reaper, and the call returns in its child.

    The channel to the keeper ends when both have executed, as it does with one process.
    """
    program(os.uname().machine, 1, 0)  # raises now or never
    # before the fork: a signal for the child must not kill or miss either of the two
    processes.block_signals()
    waiting, held = os.pipe2(os.O_CLOEXEC)
    with faults.point("fork reaper"):
        child = os.fork()  # noqa: TID251
    if child:
        _become_reaper(child, held, arguments)
    os.close(held)
    _wait_for_the_reaper(waiting)
    _lead_a_group(tty)
    processes.set_signal_mask(processes.NO_SIGNAL)


def _wait_for_the_reaper(waiting: int) -> None:
    """L65: a program that runs earlier finds the keeper's interpreter in /proc/1/exe.

    Returns when PID 1 runs the code above. The end of a close-on-exec descriptor tells too early:
    execve(2) closes it while the new image has no arguments yet, and /proc/1 shows half of each.
    """
    os.read(waiting, 1)
    os.close(waiting)


def _become_reaper(child: int, held: int, arguments: list[str]) -> None:
    """Its streams stay the program's: people write to /proc/1/fd/1 to have a line in the log."""
    os.set_inheritable(held, True)
    descriptor = _open_memory()
    os.write(descriptor, program(os.uname().machine, child, held))
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _EVERY_SEAL)
    with faults.point("execute reaper"):
        os.execve(descriptor, [TITLE, "--", *arguments], {})


def _open_memory() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("docker-init", flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create("docker-init", flags)  # before 6.3 all of them were executable


def _lead_a_group(tty: bool) -> None:
    """The child's group gets the terminal's keys; the reaper stays in its own."""
    os.setpgid(0, 0)
    if tty:
        terminals.set_foreground(0, os.getpgrp())
