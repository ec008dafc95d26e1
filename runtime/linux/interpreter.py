"""An interpreter that nobody can write to, for processes that become or fork inits (L65, V03).

A container whose entrypoint is `#!/proc/self/exe` makes the kernel open *our* executable inside it,
and /proc/PID/exe is a door to the file it came from. So that file is one on a file system that is
read-only for everybody: an overlay without an upper layer, mounted nowhere. Costs a mount, no copy
and no memory. Where that is refused, and for small executables, a sealed copy in memory does.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.linux import faults

SMALL = 1 << 20
"""Bytes up to which a copy is cheaper than loading what mounts."""

_MFD_EXEC = 0x10
_EVERY_SEAL = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@contextmanager
def sealed(executable: str = sys.executable) -> Iterator[str]:
    """A path to spawn in place of `executable`, good inside the block; `argv[0]` stays the real
    path, from which Python finds its library. Raises OSError."""
    descriptor = open_sealed(os.path.realpath(executable))
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def open_sealed(path: str) -> int:
    """A descriptor to execute the file by."""
    if os.stat(path).st_size <= SMALL:
        return copy_to_memory(path)
    try:
        return open_on_overlay(path)
    except OSError:
        return copy_to_memory(path)


def open_on_overlay(path: str) -> int:
    """The file as seen through an overlay of its folder. Needs CAP_SYS_ADMIN."""
    from runtime.linux import mounts  # ctypes: only where it is used

    # An overlay without upper wants two layers; any second one will do, the first one's file wins
    layers = [
        os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for folder in (os.path.dirname(path), os.path.dirname(os.path.abspath(__file__)))
    ]
    names = ":".join(f"/proc/self/fd/{layer}" for layer in layers)
    mount = mounts.make_filesystem("overlay", [f"lowerdir={names}"], attributes=mounts.ATTR_RDONLY)
    try:
        return os.open(os.path.basename(path), os.O_PATH | os.O_CLOEXEC, dir_fd=mount)
    finally:
        for descriptor in (*layers, mount):
            os.close(descriptor)


def copy_to_memory(path: str) -> int:
    """A copy that the kernel itself keeps from being changed."""
    with faults.point("copy interpreter"):
        descriptor = _create()
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while os.sendfile(descriptor, source, None, 1 << 30):
                pass
        finally:
            os.close(source)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _EVERY_SEAL)
    return descriptor


def _create() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("pycompose", flags | _MFD_EXEC)
    except OSError:
        return os.memfd_create("pycompose", flags)  # before 6.3 all of them were executable
