"""The container's terminal and its standard streams. Source: L38, L51, E05, V05."""

from __future__ import annotations

import os
import stat

from runtime.init.child import Child, InitChild
from runtime.linux import faults, mounts, openat, terminals


def open_console(child: InitChild) -> None:
    """For an init with `tty`: the terminal is also /dev/console."""
    if not child.tty:
        return
    peer = _open(child)
    target = openat.ensure_file(child.root, "/dev/console")
    mount = mounts.clone_tree(peer)
    mounts.attach(mount, target)
    for descriptor in (target, mount):
        os.close(descriptor)
    _take(peer)


def open_terminal(child: Child) -> None:
    """For an exec with `tty`: a terminal of its own from the container's devpts."""
    if child.tty:
        _take(_open(child))


def _open(child: Child) -> int:
    child.master, peer = terminals.open_pair(child.root)
    # E08: before the program runs, or its first look at the size is wrong
    terminals.set_size(peer, columns=child.columns, rows=child.rows)
    child.owns_stdio = True
    return peer


def _take(peer: int) -> None:
    for number in (0, 1, 2):
        os.dup2(peer, number)
    os.close(peer)
    terminals.become_controlling(0)


def give_streams(uid: int) -> None:
    """L51: or a user other than root could not reopen /dev/stdout. The group is never touched."""
    for number in (0, 1, 2):
        status = os.fstat(number)
        if status.st_uid == uid or _is_null(status):
            continue
        try:
            with faults.point("chown stdio"):
                os.fchown(number, uid, -1)
        except OSError:
            pass  # best effort: a stream that cannot be given away is still open and works


def _is_null(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)
