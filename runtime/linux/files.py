"""Files and folders of our own: written whole or not at all, removed without following links.

Each helper passes a fault point. Paths inside a container's root never come here: see openat.py.
"""

from __future__ import annotations

import _thread
import os
from contextlib import suppress
from pathlib import Path

from runtime.linux import faults


def _place(path: Path) -> str:
    """The folder's name for a fault point; ids, which differ from run to run, are called so."""
    name = path.parent.name
    return "id" if len(name) in (8, 64) and not name.strip("0123456789abcdef") else name


def own_name_beside(path: Path) -> Path:
    """A hidden name for what is made there before it gets its own: no other process or thread
    takes the same."""
    return path.with_name(f".{path.name}.{os.getpid()}.{_thread.get_native_id()}")


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Replace the file's content in one step. `durable` also survives a power cut (fsync of file
    and folder)."""
    temporary = own_name_beside(path)
    with faults.point(f"write {_place(path)}"):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            with open(descriptor, "wb") as file:
                # every user of a container reads its /etc/hosts, whatever our umask
                os.fchmod(descriptor, mode)
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync_directory(path.parent)


def read_line(descriptor: int) -> str:
    """Up to a newline, and nothing of what follows it; empty at the end of the stream."""
    line = b""
    while (byte := os.read(descriptor, 1)) not in (b"\n", b""):
        line += byte
    return line.decode() if byte else ""


def open_log(path: Path) -> int:
    """A descriptor that appends to the file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    with faults.point("open engine log"):
        return os.open(path, flags, 0o600)


def write_output_to(path: Path) -> None:
    """What this process prints is appended to the file."""
    descriptor = open_log(path)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Make renames and creations in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure_directory(path: Path, *, mode: int = 0o700) -> None:
    """Make the folder and its parents; the mode holds for the last one, whatever the umask."""
    if path.is_dir():
        return
    with faults.point(f"mkdir {_place(path)}"):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)


def remove_file(path: Path) -> None:
    """Remove it; one that is not there is removed already."""
    with faults.point(f"unlink {_place(path)}"):
        path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove a folder with all below it, never through a symlink; one that is not there is removed
    already."""
    import shutil  # 3 ms, for who makes more than he removes

    with faults.point(f"rmtree {_place(path)}"):
        while path.is_dir() and not path.is_symlink():
            # another process may be removing it, too: what it took first is no error
            with suppress(FileNotFoundError):
                shutil.rmtree(path)
