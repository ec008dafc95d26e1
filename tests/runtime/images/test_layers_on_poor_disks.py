"""Layers that hide something, on a file system that cannot hold the marks for it: they show what they show elsewhere."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.images import archive
from runtime.images.rows import ImageRow
from runtime.images.store import Store
from runtime.messages import RootFilesystem
from runtime.paths import ensure_directories, find_paths
from runtime.state.database import Database
from tests.fakes import poor_disks
from tests.runtime.images.made import docker_archive
from tests.runtime.images.remote import AMD64
from tests.runtime.images.roots import run_in
from tests.runtime.images.tars import Tar

pytestmark = pytest.mark.kernel

LIST = (
    'find . -mindepth 1 -printf "%P %y %m %U:%G %T@ %l\\n" | sort; '
    "find . -type f | sort | xargs -r sha256sum"
)
NAMES = ("a", "b", "c")


@pytest.fixture(params=poor_disks.KINDS)
def poor(root: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    with poor_disks.mounted(root / "poor", request.param) as place, opened_store(place) as store:
        yield store


@pytest.fixture
def on_disk(root: Path) -> Iterator[Store]:
    with opened_store(root / "disk") as store:
        yield store


@contextmanager
def opened_store(root: Path) -> Iterator[Store]:
    paths = find_paths({"PYCOMPOSE_ROOT": str(root)})
    ensure_directories(paths)
    database = Database.open(paths)
    yield Store(paths, database)
    database.close()


def has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.probe", b"")
    except OSError:
        return False
    return True


def load(store: Store, tmp_path: Path, layers: Sequence[bytes]) -> ImageRow:
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive(layers, {}))
    (loaded,) = archive.load(store, path, wanted=AMD64)
    return loaded.image


def shown(store: Store, image: ImageRow, upper: Path) -> str:
    """Everything that a container sees; its upper lies on the disk either way."""
    for name in ("upper", "work"):
        (upper / name).mkdir(parents=True)
    lowers = tuple(map(str, store.layer_paths(image)))
    root = RootFilesystem(lowers=lowers, upper=f"{upper}/upper", work=f"{upper}/work")
    return run_in(root, LIST, chroot=False)


def layer(choice: random.Random, *, hides: bool) -> Tar:
    """Up to a dozen entries of all kinds at few paths, so that layers meet often. What comes later wins."""
    tar, kinds = Tar(), {"": "folder"}
    for number in range(choice.randrange(1, 12)):
        folders = [path for path, kind in kinds.items() if kind == "folder"]
        path = f"{choice.choice(folders)}/{choice.choice(NAMES)}".lstrip("/")
        dressed = {
            "mtime": number,
            "uid": choice.randrange(3),
            "mode": 0o600 + choice.randrange(64),
        }
        kind = choice.choice(
            ("folder", "folder", "file", "symlink", "fifo", "hard link", "hidden", "opaque")
        )
        parent, _, name = path.rpartition("/")
        if kind in ("hidden", "opaque"):
            if hides:
                mark = f".wh.{name}" if kind == "hidden" else ".wh..wh..opq"
                tar.file(f"{parent}/{mark}".lstrip("/"))
            continue
        if path in kinds:
            continue
        if kind == "folder":
            tar.folder(path, **dressed | {"mode": 0o700 + choice.randrange(64)})
        elif kind == "file":
            tar.file(
                path,
                choice.randbytes(choice.randrange(20)),
                **dressed,
                xattrs={"user.mark": str(number)},
            )
        elif kind == "symlink":
            tar.symlink(path, "nowhere", mtime=number)
        elif kind == "fifo":
            tar.node(path, b"6", **dressed)
        elif files := [one for one, what in kinds.items() if what == "file"]:
            tar.hard_link(path, choice.choice(files))
        kinds[path] = kind
    return tar


@pytest.mark.parametrize("seed", range(8))
def test_what_shows_is_the_same_as_on_a_disk(
    on_disk: Store, poor: Store, tmp_path: Path, seed: int
):
    choice = random.Random(seed)
    for number in range(4):
        layers = [layer(choice, hides=at > 0).bytes for at in range(choice.randrange(2, 6))]
        first, second = (
            shown(store, load(store, tmp_path, layers), tmp_path / f"{number}-{store is on_disk}")
            for store in (on_disk, poor)
        )
        assert first == second


BASE = (
    Tar()
    .folder("d", xattrs={"user.mark": "kept"}, mode=0o1777, uid=7, mtime=1000)
    .file("d/a", b"1")
    .file("d/b", b"2")
    .folder("d/below", xattrs={"user.mark": "too"})
    .folder("e")
    .file("e/x", b"3")
)
HIDING = Tar().file("d/.wh.a").folder("e").file("e/.wh..wh..opq").file("e/n", b"4")
LATER = Tar().file("d/c", b"5").file("e/.wh.n")


def test_a_layer_that_hides_is_whole_and_what_lies_below_stays_for_others(
    poor: Store, tmp_path: Path
):
    layers = poor.paths.images / "layers"
    base = load(poor, tmp_path, [BASE.bytes])

    image = load(poor, tmp_path, [BASE.bytes, HIDING.bytes])

    below, whole = image.layers
    assert (below, whole[24:]) == (base.layers[0], "-whole")
    assert poor.layer_paths(image) == (layers / whole,)
    # no copies: the same file under a second name
    assert (layers / whole / "d" / "b").samefile(layers / below / "d" / "b")
    if has_attributes(layers):
        marks = [os.getxattr(layers / whole / name, "user.mark") for name in ("d", "d/below")]
        assert marks == [b"kept", b"too"]
    poor.collect()
    assert {path.name for path in layers.iterdir()} == {below, whole}

    further = load(poor, tmp_path, [BASE.bytes, HIDING.bytes, LATER.bytes])

    assert below not in [path.name for path in poor.layer_paths(further)]
    lines = map(str.split, shown(poor, further, tmp_path / "further").splitlines())
    names = [line[0] for line in lines if len(line) > 2]
    assert names == ["d", "d/b", "d/below", "d/c", "e"]


def test_a_whole_layer_that_is_gone_is_made_again(poor: Store, tmp_path: Path):
    image = load(poor, tmp_path, [BASE.bytes, HIDING.bytes])
    before = shown(poor, image, tmp_path / "before")
    for folder in poor.layer_paths(image):
        shutil.rmtree(folder)

    poor.ensure_layers(image)

    assert shown(poor, image, tmp_path / "after") == before


def test_an_opaque_root_hides_all_that_lies_below(on_disk: Store, tmp_path: Path):
    """overlayfs itself looks at no mark there."""
    image = load(on_disk, tmp_path, [BASE.bytes, Tar().file(".wh..wh..opq").file("n").bytes])
    assert shown(on_disk, image, tmp_path / "look").startswith("n f 644 0:0 ")
    (top,) = on_disk.layer_paths(image)
    assert [path.name for path in top.iterdir()] == ["n"]
