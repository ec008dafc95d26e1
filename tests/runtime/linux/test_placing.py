"""Folders whose children shall lie apart on the disk."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

from runtime.linux import placing


def is_marked(folder: Path) -> bool | None:
    """As lsattr shows `T`; None where the file system keeps no such attributes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        answer = fcntl.ioctl(descriptor, 0x80086601, bytes(8))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return bool(int.from_bytes(answer[:4], "little") & 0x20000)


def test_a_folder_is_marked_where_the_file_system_can(tmp_path: Path):
    before = is_marked(tmp_path)
    placing.spread_children(tmp_path)
    placing.spread_children(tmp_path)  # a second time changes nothing

    assert before in (False, None)
    (tmp_path / "child").mkdir()
    assert is_marked(tmp_path / "child") in (False, None)
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True)
    assert is_marked(tmp_path) is (True if kind.stdout == "ext2/ext3\n" else before)


def test_where_nothing_can_be_marked_nothing_happens():
    placing.spread_children(Path("/proc"))
