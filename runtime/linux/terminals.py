"""Pseudo terminals: a pair from a given devpts, the controlling terminal, the window size. Source:
pty(7), L38."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import termios

from runtime.linux import faults, openat
from runtime.linux.proc import filesystem_magic

DEVPTS_MAGIC = 0x1CD1
_PTMX = (5, 2)
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441


def open_pair(root: int) -> tuple[int, int]:
    """Master and peer from the devpts below `root`.

    What was opened is checked, not what a name promises, and the peer comes through the master
    (V05).
    """
    flags = os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW
    with faults.point("open pty"):
        master = openat.open_plain(root, "dev/pts/ptmx", flags)
    _check_is_ptmx(master)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    peer = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return master, peer


def _check_is_ptmx(master: int) -> None:
    status = os.fstat(master)
    device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    if (
        not stat.S_ISCHR(status.st_mode)
        or device != _PTMX
        or filesystem_magic(master) != DEVPTS_MAGIC
    ):
        raise OSError(errno.ENOTTY, "not the multiplexer of a devpts", "/dev/pts/ptmx")


def set_size(terminal: int, *, columns: int, rows: int) -> None:
    """Zero for either leaves the size alone. The kernel sends SIGWINCH to the foreground group."""
    if columns and rows:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def become_controlling(terminal: int) -> None:
    """Make it the controlling terminal of our session; we must lead the session."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def set_foreground(terminal: int, group: int) -> None:
    """The group that gets the terminal's signals. SIGTTOU has to be blocked."""
    os.tcsetpgrp(terminal, group)
