"""Files whose data is waited for while others are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.linux import calls, syncing

WAIT_BEFORE, WRITE, WAIT_AFTER = 1, 2, 4
LARGE, SMALL = 1 << 20, 1 << 10


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
        files.add(file, LARGE)

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
        files.add(file, LARGE)
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
    files.add(make(tmp_path, 1)[0], LARGE)
    with pytest.raises(OSError, match="Input/output error"):
        files.wait()
    os.close(descriptor)


class Disk:
    """What was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.busy = 0
        self.waited: set[str] = set()
        self.whole = 0
        monkeypatch.setattr(syncing, "_has_one_journal", lambda folder: True)
        monkeypatch.setattr(syncing, "bytes_waiting", lambda: self.busy)
        monkeypatch.setattr(calls, "sync_file_range", self._sync_file_range)
        monkeypatch.setattr(calls, "syncfs", self._syncfs)

    def _sync_file_range(self, file: int, start: int, length: int, flags: int) -> int:
        if flags == WAIT_BEFORE | WRITE | WAIT_AFTER:
            self.waited.add(os.path.basename(os.readlink(f"/proc/self/fd/{file}")))
        return 0

    def _syncfs(self, folder: int) -> int:
        self.whole += 1
        return 0


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def add_small(folder: Path, count: int) -> syncing.FilesOnTheirWay:
    descriptor = os.open(folder, os.O_RDONLY)
    files = syncing.FilesOnTheirWay(descriptor)
    for file in make(folder, count):
        files.add(file, SMALL)
    return files


def test_many_small_files_are_left_to_one_call_at_the_end(tmp_path: Path, disk: Disk):
    (tmp_path / "in").mkdir()
    add_small(tmp_path / "in", 1000).wait()
    assert disk.whole == 1
    assert len(disk.waited) < 300


def test_few_small_files_do_not_wait_for_the_neighbours(tmp_path: Path, disk: Disk):
    add_small(tmp_path, 200).wait()
    assert (disk.whole, len(disk.waited)) == (0, 200)


def test_where_the_neighbours_write_much_each_file_is_waited_for(tmp_path: Path, disk: Disk):
    disk.busy = 1 << 30
    add_small(tmp_path, 600).wait()
    assert (disk.whole, len(disk.waited)) == (0, 600)


def test_neighbours_that_begin_late_are_not_waited_for_either(tmp_path: Path, disk: Disk):
    (tmp_path / "in").mkdir()
    files = add_small(tmp_path / "in", 1000)
    disk.busy = 1 << 30
    files.wait()
    assert (disk.whole, len(disk.waited)) == (0, 1000)


def test_what_waits_on_this_machine_is_a_number_of_bytes():
    assert 0 <= syncing.bytes_waiting() < 1 << 45


def test_names_are_made_safe_on_any_file_system(tmp_path: Path):
    (tmp_path / "one").write_bytes(b"x")
    syncing.sync_names(tmp_path)
    syncing.sync_names(Path("/dev/shm"))
