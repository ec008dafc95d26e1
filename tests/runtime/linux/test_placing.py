"""Folders whose children shall lie apart on the disk."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

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


def test_of_several_places_the_emptiest_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ranks = {"a": 8000, "b": 900, "c": 4000, "d": 5000}
    monkeypatch.setattr(placing, "_rank", lambda folder: ranks[folder.name])
    made = placing.make_apart(tmp_path, iter("abcd").__next__, mode=0o755)
    assert made == tmp_path / "b"
    assert [item.name for item in tmp_path.iterdir()] == ["b"]


def test_a_good_place_is_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ranks = {"a": 8000, "b": 11}
    monkeypatch.setattr(placing, "_rank", lambda folder: ranks[folder.name])
    names = iter("abcd")
    assert placing.make_apart(tmp_path, names.__next__, mode=0o755) == tmp_path / "b"
    assert list(names) == ["c", "d"]
    assert [item.name for item in tmp_path.iterdir()] == ["b"]
