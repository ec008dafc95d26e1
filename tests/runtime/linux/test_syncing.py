"""Files whose data is waited for while others are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.linux import calls, syncing

WAIT_BEFORE, WRITE, WAIT_AFTER = 1, 2, 4


def make(folder: Path, count: int) -> list[int]:
    flags = os.O_CREAT | os.O_WRONLY
    return [os.open(folder / str(number), flags) for number in range(count)]


def test_every_file_is_waited_for_and_few_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(syncing, "_has_one_journal", lambda folder: True)
    begun: list[str] = []
    waited: list[str] = []

    def sync_file_range(file: int, start: int, length: int, flags: int) -> int:
        name = os.path.basename(os.readlink(f"/proc/self/fd/{file}"))
        (waited if flags & (WAIT_BEFORE | WAIT_AFTER) else begun).append(name)
        return 0

    monkeypatch.setattr(calls, "sync_file_range", sync_file_range)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    before = len(os.listdir("/proc/self/fd"))
    files = syncing.FilesOnTheirWay(descriptor)
    for file in make(tmp_path, 200):
        files.add(file)

    assert len(os.listdir("/proc/self/fd")) - before < 100
    assert waited == [str(number) for number in range(len(waited))]
    assert 0 < len(waited) < 200
    files.wait()
    assert waited == begun == [str(number) for number in range(200)]
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(descriptor)


def test_who_gives_up_waits_for_nothing_and_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(calls, "sync_file_range", lambda *_: 0)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    before = len(os.listdir("/proc/self/fd"))
    files = syncing.FilesOnTheirWay(descriptor)
    for file in make(tmp_path, 10):
        files.add(file)
    files.close()
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(descriptor)


def test_an_error_of_the_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(file: int, start: int, length: int, flags: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(syncing, "_has_one_journal", lambda folder: True)
    monkeypatch.setattr(calls, "sync_file_range", broken)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    files = syncing.FilesOnTheirWay(descriptor)
    files.add(make(tmp_path, 1)[0])
    with pytest.raises(OSError, match="Input/output error"):
        files.wait()
    os.close(descriptor)


def test_names_are_made_safe_on_any_file_system(tmp_path: Path):
    (tmp_path / "one").write_bytes(b"x")
    syncing.sync_names(tmp_path)
    syncing.sync_names(Path("/dev/shm"))
