"""Nothing that stands in a root leads out of it. Source: L22, L25, V06, V07, V09."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.linux import openat


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A root beside an `outside` that is compared before and after."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary").write_text("alive")
    descriptor = os.open(tmp_path / "root", os.O_PATH)
    yield descriptor, tmp_path / "root"
    os.close(descriptor)
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["canary"]
    assert (tmp_path / "outside" / "canary").read_text() == "alive"


def where(descriptor: int) -> str:
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    os.close(descriptor)
    return path


LINKS = [
    "/",
    "..",
    "../outside",
    "../../../../../../..",
    "/proc/self/root",
    "a/b/../../../../outside",
]


@pytest.mark.parametrize("target", LINKS)
def test_what_is_made_below_a_link_is_made_inside(place: tuple[int, Path], target: str):
    root, folder = place
    (folder / "link").symlink_to(target)
    made = where(openat.ensure_directory(root, "/link/x/y"))
    assert made.startswith(f"{folder}/")
    assert made.endswith("/x/y")


@pytest.mark.parametrize("target", [*LINKS, "/outside/new"])
def test_a_file_below_a_link_is_made_inside(place: tuple[int, Path], target: str):
    root, folder = place
    (folder / "link").symlink_to(target)
    made = where(openat.ensure_file(root, "link/file"))
    assert made.startswith(f"{folder}/")


def test_a_dangling_link_is_followed_to_where_it_leads_inside(place: tuple[int, Path]):
    root, folder = place
    (folder / "var").mkdir()
    (folder / "var" / "run").symlink_to("../run/real")
    assert where(openat.ensure_directory(root, "/var/run/secrets")) == f"{folder}/run/real/secrets"


def test_links_in_a_circle_are_an_error(place: tuple[int, Path]):
    root, folder = place
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(OSError):
        openat.ensure_directory(root, "a/x")


def test_a_file_in_the_way_is_an_error(place: tuple[int, Path]):
    root, folder = place
    (folder / "file").touch()
    with pytest.raises(NotADirectoryError):
        openat.ensure_directory(root, "file/x")


def test_modes_are_those_of_the_reference(place: tuple[int, Path]):
    root, folder = place
    before = os.umask(0)
    openat.ensure_file(root, "a/b")
    os.umask(before)
    assert [oct((folder / name).stat().st_mode) for name in ("a", "a/b")] == ["0o40755", "0o100644"]


def test_v01_magic_links_are_refused():
    root = os.open("/", os.O_PATH)
    with pytest.raises(OSError):
        openat.open_in_root(root, "/proc/self/fd/0")
    with pytest.raises(OSError):
        openat.open_in_root(root, "/proc/self/cwd")
    os.close(root)


def test_plain_means_no_link_at_all(place: tuple[int, Path]):
    root, folder = place
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real")
    assert where(openat.open_plain(root, "real")) == f"{folder}/real"
    with pytest.raises(OSError):
        openat.open_plain(root, "link")


def test_v07_a_component_that_becomes_a_link_meanwhile_is_not_followed_out(
    place: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
):
    """The race, at its worst moment: right after the directory was made."""
    root, folder = place
    make = os.mkdir

    def mkdir_and_swap(name: str, mode: int, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        if name == "a":
            shutil.rmtree(folder / "a")
            (folder / "a").symlink_to("../outside")

    monkeypatch.setattr(os, "mkdir", mkdir_and_swap)
    try:
        made = where(openat.ensure_directory(root, "a/b"))
    except OSError:
        return
    assert made.startswith(f"{folder}/")
