"""The first use of a volume: what the image has at its target, seen through the layers (V23)."""

import os
import stat
from pathlib import Path

import pytest

from runtime.linux import faults
from runtime.values import VolumeOptions, VolumeRecord
from runtime.volumes import copy_up, named

pytestmark = pytest.mark.kernel  # owners, devices and trusted attributes need root


@pytest.fixture
def volume(tmp_path) -> VolumeRecord:
    made = VolumeRecord(
        options=VolumeOptions(name="v"), path=str(named.generation_path(tmp_path / "volumes", "v"))
    )
    (tmp_path / "volumes").mkdir()
    named.create(made)
    return made


@pytest.fixture
def layer(tmp_path):
    """A new layer each time, above the ones before; `layer.all` lists them topmost first."""

    class Layers:
        all: list[Path] = []

        def __call__(self, **files: str) -> Path:
            folder = tmp_path / f"layer{len(self.all)}"
            folder.mkdir()
            for name, text in files.items():
                write(folder, name.replace("__", "/"), text)
            self.all = [folder, *self.all]
            return folder

    return Layers()


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def content(folder: str | Path) -> dict[str, str]:
    """Path -> text, or what else it is."""
    found = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            shown = str(path.relative_to(folder))
            if path.is_symlink():
                found[shown] = f"-> {os.readlink(path)}"
            elif path.is_dir():
                found[f"{shown}/"] = ""
            elif path.is_file():
                found[shown] = path.read_text()
            else:
                found[shown] = stat.filemode(path.lstat().st_mode)
    return found


def test_all_of_the_folder_is_there_with_owner_mode_time_and_attributes(volume, layer):
    data = layer(data__file="text", data__deep__er="more") / "data"
    os.chown(data, 70, 71)
    data.chmod(0o2750)
    os.chown(data / "file", 72, 73)
    (data / "file").chmod(0o4755)
    os.setxattr(data / "file", "trusted.note", b"n")
    os.symlink("/etc/passwd", data / "link")
    os.chown(data / "link", 74, 75, follow_symlinks=False)
    os.mkfifo(data / "pipe")
    os.mknod(data / "null", 0o20666, os.makedev(1, 3))
    os.utime(data / "file", ns=(1, 5_000_000_000))
    os.utime(data / "deep", ns=(1, 6_000_000_000))
    named.copy_up(volume, layer.all, "/data")
    folder = Path(volume.path)
    assert content(folder) == {
        "deep/": "",
        "deep/er": "more",
        "file": "text",
        "link": "-> /etc/passwd",
        "pipe": "prw-r--r--",
        "null": "crw-r--r--",
    }
    owners = {
        name: (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
        for name in (".", "file", "link")
        for status in [(folder / name).lstat()]
    }
    assert owners == {".": (70, 71, 0o2750), "file": (72, 73, 0o4755), "link": (74, 75, 0o777)}
    assert os.getxattr(folder / "file", "trusted.note") == b"n"
    assert (folder / "file").stat().st_mtime_ns == 5_000_000_000
    assert (folder / "deep").stat().st_mtime_ns == 6_000_000_000
    assert not named.is_empty(volume)


def test_links_between_files_stay_links(volume, layer):
    data = layer(data__one="text") / "data"
    os.link(data / "one", data / "two")
    named.copy_up(volume, layer.all, "/data")
    one, two = (Path(volume.path, name).stat() for name in ("one", "two"))
    assert (one.st_ino, one.st_nlink) == (two.st_ino, 2)


def whiteout(path: Path) -> None:
    os.mknod(path, 0o20000, 0)


def test_layers_show_as_overlayfs_shows_them(volume, layer):
    layer(
        data__both="lower",
        data__lower="l",
        data__gone="x",
        data__dir__hidden="x",
        data__flip__x="x",
    )
    upper = layer(data__both="upper", data__upper="u", data__dir__own="o", data__flip="a file now")
    whiteout(upper / "data/gone")
    os.setxattr(upper / "data/dir", "trusted.overlay.opaque", b"y")
    named.copy_up(volume, layer.all, "/data")
    assert content(volume.path) == {
        "both": "upper",
        "lower": "l",
        "upper": "u",
        "dir/": "",
        "dir/own": "o",
        "flip": "a file now",
    }
    assert os.listxattr(Path(volume.path, "dir")) == []


def test_a_folder_that_an_upper_layer_removed_leaves_the_volume_empty(volume, layer):
    layer(data__file="x")
    whiteout(layer() / "data")
    named.copy_up(volume, layer.all, "/data")
    assert named.is_empty(volume)


@pytest.mark.parametrize("target", ["/none", "/file", "/file/x", "/loop", "/dangling", "/fifo"])
def test_what_is_no_folder_in_the_image_leaves_the_volume_empty(volume, layer, target):
    folder = layer(file="x")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("/nowhere")
    os.mkfifo(folder / "fifo")
    named.copy_up(volume, layer.all, target)
    assert (content(volume.path), named.is_empty(volume)) == ({}, True)


def test_links_on_the_way_are_followed_inside_the_image_alone(volume, layer, tmp_path):
    """V23, V32: /etc of the image, never of the host."""
    folder = layer(real__data__file="of the image")
    (folder / "var").mkdir()
    (folder / "var/run").symlink_to("/real")
    (folder / "up").symlink_to("../../../../../../../real/data")
    (folder / "out").symlink_to(tmp_path / "canary")
    write(tmp_path, "canary/secret", "of the host")
    for target in ("/var/run/data", "/up", "var/./run/../real/data"):
        for name in os.listdir(volume.path):
            os.unlink(Path(volume.path, name))
        named.copy_up(volume, layer.all, target)
        assert content(volume.path) == {"file": "of the image"}, target
        os.unlink(Path(volume.path, "file"))
    named.copy_up(volume, layer.all, "/out")
    assert content(volume.path) == {}


def test_links_in_the_volume_are_never_followed_and_nothing_is_overwritten(volume, layer, tmp_path):
    """V23: another container has the volume, and has put links where the image's files would go."""
    canary = write(tmp_path, "canary/file", "untouched").parent
    before = canary.stat()
    layer(data__dir__file="image", data__file="image", data__kept="image", data__new="image")
    folder = Path(volume.path)
    (folder / "dir").symlink_to(canary)
    (folder / "file").symlink_to(canary / "file")
    (folder / copy_up._TEMPORARY).symlink_to(canary / "file")
    write(folder, "kept", "theirs")
    copy_up.copy_folder(layer.all, "/data", folder)
    assert content(folder) == {
        "dir": f"-> {canary}",
        "file": f"-> {canary / 'file'}",
        "kept": "theirs",
        "new": "image",
    }
    assert content(canary) == {"file": "untouched"}
    assert canary.stat() == before


def test_a_copy_that_was_killed_goes_on_at_the_next_use(volume, layer, monkeypatch):
    data = layer(data__a="1", data__b="2", data__c__d="3") / "data"
    os.chown(data / "c", 5, 5)
    real = copy_up._copy_bytes
    copied = []

    def dies_in_the_second(source: int, destination: int) -> None:
        if copied:
            os.write(destination, b"half")
            raise KeyboardInterrupt
        copied.append(source)
        real(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(copy_up, "_copy_bytes", dies_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            named.copy_up(volume, layer.all, "/data")
    assert content(volume.path) == {"a": "1"}
    assert named.is_empty(volume)  # it waits for its first content still
    named.copy_up(volume, layer.all, "/data")
    assert content(volume.path) == {"a": "1", "b": "2", "c/": "", "c/d": "3"}
    assert Path(volume.path, "c").stat().st_uid == 5
    assert not named.is_empty(volume)
    assert os.listdir(Path(volume.path).parent) == ["1"]


def test_a_file_system_that_cannot_share_blocks_gets_the_bytes(volume, layer, monkeypatch):
    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    layer(data__file="x" * 100_000)
    named.copy_up(volume, layer.all, "/data")
    assert content(volume.path) == {"file": "x" * 100_000}


def test_image_host_gives_owner_and_mode_and_not_a_byte(volume, tmp_path):
    """The machine's data belongs into no volume."""
    source = write(tmp_path, "host/canary", "secret").parent
    os.chown(source, 70, 71)
    source.chmod(0o1770)
    named.copy_up(volume, (), str(source), owner_only=True)
    status = Path(volume.path).stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (70, 71, 0o1770)
    assert content(volume.path) == {}
    assert named.is_empty(volume)


def test_a_full_disk_is_said_with_a_way_around_it(volume, layer):
    from runtime.errors import RuntimeFault

    layer(data__file="x")
    faults.configure("cli", {"PYCOMPOSE_FAULT": "cli/fill volume/before:enospc"})
    try:
        with pytest.raises(RuntimeFault) as caught:
            named.copy_up(volume, layer.all, "/data")
    finally:
        faults.configure("cli", {})
    assert str(caught.value) == "cannot fill the volume v"
    assert caught.value.hint == "`nocopy: true` leaves the volume empty"
    assert caught.value.answered == "ENOSPC (No space left on device)"
