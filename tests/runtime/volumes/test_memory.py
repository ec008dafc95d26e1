"""A tmpfs that containers share: one for all of them, from the first to the last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.errors import RuntimeFault
from runtime.paths import Paths
from runtime.volumes import memory
from runtime.volumes.driver_options import VolumeSource

pytestmark = pytest.mark.kernel
SOURCE = VolumeSource(type="tmpfs", device="ram", options=("size=1m", "mode=700", "nosuid", "ro"))


@pytest.fixture
def folder(paths: Paths) -> Iterator[Path]:
    paths.run.mkdir(parents=True)
    yield paths.memory
    assert not paths.memory.exists(), "somebody is still counted among its users"


def join(folder: Path, user: str, volume: str = "data") -> Path:
    memory.join(folder, volume, SOURCE, user=user, project_id="p1")
    return memory.mount_point(folder, volume)


def test_it_is_mounted_once_for_all_its_users_and_goes_with_the_last(folder: Path):
    place = join(folder, "one")
    before = os.stat(place).st_dev
    join(folder, "two")
    join(folder, "two")
    assert memory.users(folder) == {"one": "p1", "two": "p1"}
    assert os.stat(place).st_dev == before
    memory.leave(folder, ["one"])
    assert os.path.ismount(place)
    memory.leave(folder, ["two"])
    assert not os.path.ismount(place)
    memory.leave(folder, ["two"])


def test_it_has_the_options_of_the_volume(folder: Path):
    place = join(folder, "one")
    table = Path("/proc/mounts").read_text().splitlines()
    line = next(line for line in table if f" {place} " in line)
    assert line.replace(",inode64", "") == (
        f"ram {place} tmpfs ro,nosuid,relatime,size=1024k,mode=700 0 0"
    )
    memory.leave(folder, ["one"])


def test_a_user_of_two_volumes_leaves_both(folder: Path):
    join(folder, "one", "first")
    join(folder, "two", "first")
    join(folder, "one", "second")
    memory.leave(folder, ["one"])
    assert [path.name for path in folder.iterdir()] == ["first"]
    memory.leave(folder, ["two"])


def test_many_come_and_go_at_once(folder: Path):
    def live(number: int) -> None:
        for _ in range(25):
            join(folder, f"c{number}")
            assert os.path.ismount(memory.mount_point(folder, "data"))
            memory.leave(folder, [f"c{number}"])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(live, range(8)))


def test_who_comes_after_the_last_has_left_finds_nothing_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    join(folder, "one")
    locked = memory._locked

    @contextmanager
    def somebody_is_faster(path: Path) -> Iterator[None]:
        monkeypatch.undo()
        memory.leave(path, ["one"])
        with locked(path):
            yield

    monkeypatch.setattr(memory, "_locked", somebody_is_faster)
    memory.leave(folder, ["two"])


def test_marks_of_before_a_reboot_count_for_nothing(folder: Path):
    marks = folder / "data" / "users"
    marks.mkdir(parents=True)
    (marks / "before").write_text("p0")
    join(folder, "one")
    assert memory.users(folder) == {"one": "p1"}
    memory.leave(folder, ["one"])


def test_an_option_that_tmpfs_does_not_know_is_refused_and_leaves_nothing_mounted(folder: Path):
    source = VolumeSource(type="tmpfs", device="ram", options=("siez=1m",))
    with pytest.raises(RuntimeFault) as caught:
        memory.join(folder, "data", source, user="one", project_id="p1")
    assert (caught.value.message, caught.value.tried, caught.value.answered) == (
        "cannot mount the volume data",
        "mounting a tmpfs with the options `siez=1m`",
        "EINVAL (Invalid argument)",
    )
    assert not os.path.ismount(memory.mount_point(folder, "data"))
    memory.leave(folder, ["one"])  # as the undoing of a start does
