"""The store keeps what is complete, shares it, lets go of what nobody needs, and survives any death."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import InUse, NotFound, RuntimeFault
from runtime.images import archive
from runtime.images.manifest import Platform
from runtime.images.reference import parse_reference
from runtime.images.rows import ImageRow
from runtime.images.store import Store
from runtime.messages import RootFilesystem
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database
from runtime.values import ContainerOptions, ContainerRecord, Mount
from tests.runtime.images.made import Layout, digest, docker_archive, layer_of, pack
from tests.runtime.images.roots import run_in
from tests.runtime.images.tars import Tar

pytestmark = pytest.mark.kernel

TOP = Path(__file__).resolve().parents[3]
AMD64 = Platform("linux", "amd64")
BASE = layer_of({"etc/base": "base", "etc/both": "base"})
ONE = layer_of({"etc/one": "one", "etc/both": "one"})
TWO = layer_of({"etc/two": "two"})


@pytest.fixture
def store(paths: Paths) -> Store:
    ensure_directories(paths)
    return Store(paths, Database.open(paths))


def load(store: Store, folder: Path, *layers: bytes, name: str = "", **config: object) -> ImageRow:
    layout = Layout(folder)
    layout.image(layers, config)
    (loaded,) = archive.load(store, folder, wanted=AMD64)
    if name:
        store.tag(loaded.image.id, parse_reference(name))
    return store.get(loaded.image.id)


def files(store: Store, image: ImageRow) -> dict[str, str]:
    """All regular files that the image shows, by path."""
    found: dict[str, str] = {}
    for folder in reversed(store.layer_paths(image)):
        found |= {
            str(path.relative_to(folder)): path.read_text()
            for path in folder.rglob("*")
            if path.is_file()
        }
    return found


def on_disk(store: Store) -> tuple[set[str], set[str], set[str]]:
    """(layers, blobs, partial blobs)."""
    top = store.paths.images
    names = [
        {path.name for path in (top / part).iterdir()} if (top / part).exists() else set()
        for part in ("layers", "blobs/sha256", "ingest")
    ]
    return names[0], names[1], names[2]


def needed(store: Store) -> tuple[set[str], set[str], set[str]]:
    images = store.rows.all()
    return (
        {folder for image in images for folder in image.layers},
        {blob.removeprefix("sha256:") for image in images for blob in image.blobs},
        set(),
    )


# --- names


def test_an_image_is_found_by_name_digest_id_and_the_beginning_of_its_id(
    store: Store, tmp_path: Path
):
    image = load(store, tmp_path / "a", BASE, name="shop/web")
    store.rows.add(image._replace(digests=(("docker.io/shop/web", image.manifest_digest),)))
    for text in (
        "shop/web",
        "shop/web:latest",
        "docker.io/shop/web:latest",
        f"shop/web@{image.manifest_digest}",
        image.id,
        image.id.removeprefix("sha256:"),
        image.id[7:19],
        image.id[:19],
    ):
        assert store.get(text).id == image.id, text
    for text in (
        "shop/web:1",
        "web",
        f"other@{image.manifest_digest}",
        "sha256:" + "0" * 64,
        "0000",
    ):
        with pytest.raises(NotFound):
            store.get(text)


def test_a_tag_moves_to_the_image_that_takes_it(store: Store, tmp_path: Path):
    first = load(store, tmp_path / "a", BASE, name="web:1")
    second = load(store, tmp_path / "b", BASE, ONE, name="web:1")
    assert store.get("web:1").id == second.id
    assert store.get(first.id).tags == {}


# --- sharing and collecting


def test_a_layer_is_unpacked_once_and_shared(store: Store, tmp_path: Path):
    one = load(store, tmp_path / "a", BASE, ONE)
    base = store.layer_paths(one)[-1]
    inode = (base / "etc" / "base").stat().st_ino
    two = load(store, tmp_path / "b", BASE, TWO)
    assert one.layers[0] == two.layers[0]
    assert (base / "etc" / "base").stat().st_ino == inode
    assert files(store, one) == {"etc/base": "base", "etc/both": "one", "etc/one": "one"}
    assert files(store, two) == {"etc/base": "base", "etc/both": "base", "etc/two": "two"}


def test_a_lowest_layer_is_another_one_above_others_where_it_leaves_folders_out(
    store: Store, tmp_path: Path
):
    """As `COPY --link` makes them: the same bytes in any place."""
    linked = Tar().file("lib/x", b"x").bytes
    base = Tar().folder("usr").folder("usr/lib", mode=0o711).symlink("lib", "usr/lib").bytes
    alone = load(store, tmp_path / "a", linked)
    above = load(store, tmp_path / "b", base, linked)

    assert alone.layers[0] != above.layers[1]
    top = store.layer_paths(above)[0]
    assert (top / "usr/lib/x").read_bytes() == b"x"
    assert (top / "usr/lib").stat().st_mode & 0o777 == 0o711


@pytest.mark.kernel
def test_the_same_layer_twice_is_stacked_once(store: Store, tmp_path: Path):
    """Old images have empty ones in many places; overlayfs refuses a folder that it has already."""
    empty = Tar().bytes
    image = load(store, tmp_path / "a", BASE, empty, ONE, empty, BASE)

    lowers = tuple(map(str, store.layer_paths(image)))
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    root = RootFilesystem(lowers=lowers, upper=f"{tmp_path}/upper", work=f"{tmp_path}/work")
    assert run_in(root, "cat etc/base etc/both etc/one", chroot=False) == "basebaseone"


def test_what_another_image_needs_stays(store: Store, tmp_path: Path):
    one = load(store, tmp_path / "a", BASE, ONE, name="one")
    two = load(store, tmp_path / "b", BASE, TWO, name="two")
    assert store.remove("one") == ["Untagged: one:latest", f"Deleted: {one.id}"]
    assert on_disk(store) == needed(store)
    assert files(store, two) == {"etc/base": "base", "etc/both": "base", "etc/two": "two"}
    store.remove("two")
    assert on_disk(store) == (set(), set(), set())


def test_a_name_goes_and_the_image_stays_while_it_has_another(store: Store, tmp_path: Path):
    image = load(store, tmp_path / "a", BASE, name="web:1")
    store.tag("web:1", parse_reference("web:2"))
    assert store.remove("web:1") == ["Untagged: web:1"]
    assert store.get("web:2").id == image.id
    # an id means all its names, in one repository
    store.tag("web:2", parse_reference("web:3"))
    assert store.remove(image.id[7:19]) == [
        "Untagged: web:2",
        "Untagged: web:3",
        f"Deleted: {image.id}",
    ]


def test_an_id_with_names_in_several_repositories_needs_force(store: Store, tmp_path: Path):
    image = load(store, tmp_path / "a", BASE, name="web:1")
    store.tag("web:1", parse_reference("shop:1"))
    with pytest.raises(InUse, match="has several names: shop:1, web:1") as caught:
        store.remove(image.id)
    assert caught.value.code == "E506"
    assert store.remove(image.id, force=True)[-1] == f"Deleted: {image.id}"


def add_container(store: Store, image_id: str, **options: object) -> None:
    database = Database.open(store.paths)
    project = database.ensure_project("shop", new_id="01234567", folder="/", files=())
    record = ContainerRecord(
        id="ab" * 32,
        project_id=project.id,
        image_id=image_id,
        options=ContainerOptions(
            project="shop", name="shop-web-1", service="web", image="web:1", **options
        ),
    )
    database.add_container(record, (), phase="there")


def test_an_image_that_a_container_is_made_from_is_never_lost(store: Store, tmp_path: Path):
    image = load(store, tmp_path / "a", BASE, name="web:1")
    add_container(store, image.id)
    for text in ("web:1", image.id):
        with pytest.raises(InUse, match="is used by shop-web-1"):
            store.remove(text)
    with pytest.raises(InUse):
        store.remove(image.id, force=True)
    assert store.remove("web:1", force=True) == ["Untagged: web:1"]
    store.collect()
    assert files(store, store.get(image.id)) == {"etc/base": "base", "etc/both": "base"}
    assert store.used_ids() == {image.id}


def test_an_image_that_a_container_mounts_is_in_use(store: Store, tmp_path: Path):
    image = load(store, tmp_path / "a", BASE, name="data:1")
    mounts = (
        Mount(type="image", source="data:1", image_id=image.id, target="/data"),
        Mount(type="image", source="dir:/x", target="/x"),
    )
    add_container(store, "", mounts=mounts)
    with pytest.raises(InUse, match="is used by shop-web-1"):
        store.remove("data:1")
    assert image.id in store.used_ids()


def test_nothing_is_collected_while_an_image_is_being_added(store: Store, tmp_path: Path):
    load(store, tmp_path / "a", BASE)
    store.blobs.put(b"of an image to come")
    with store.adding():
        assert store.collect() == 0
        assert len(on_disk(store)[1]) == 4
    assert store.collect() == len(b"of an image to come")
    assert on_disk(store) == needed(store)


# --- damage


def test_a_blob_that_was_changed_on_the_disk_is_got_again(store: Store, tmp_path: Path):
    """R29: it is not believed, and does not stand in the way of a good one."""
    image = load(store, tmp_path / "a", BASE)
    blob = store.blobs.path(digest(pack(BASE)))
    store.rows.remove_layers(image.layers)
    good = blob.read_bytes()
    blob.write_bytes(good[:60] + bytes([good[60] ^ 1]) + good[61:])
    with pytest.raises(RuntimeFault) as caught:
        archive.load(store, tmp_path / "a", wanted=AMD64)
    assert caught.value.code == "E511"
    (loaded,) = archive.load(store, tmp_path / "a", wanted=AMD64)
    assert files(store, loaded.image) == {"etc/base": "base", "etc/both": "base"}


def test_a_layer_that_is_gone_is_unpacked_again_from_its_blob(store: Store, tmp_path: Path):
    image = load(store, tmp_path / "a", BASE, ONE)
    lost = store.layer_paths(image)[0]
    subprocess.run(["rm", "-r", str(lost)], check=True)
    store.ensure_layers(image)
    assert files(store, image)["etc/one"] == "one"


def test_what_a_killed_unpacking_left_goes_with_the_next(store: Store, tmp_path: Path):
    image = load(store, tmp_path / "a", BASE)
    (folder,) = store.layer_paths(image)
    subprocess.run(["rm", "-r", str(folder)], check=True)
    left = folder.with_name(f"{folder.name}.0badcafe.new")
    (left / "half").mkdir(parents=True)
    other = folder.with_name(f"{'f' * 24}.0badcafe.new")
    other.mkdir()

    store.ensure_layers(image)

    assert folder.is_dir()
    assert not left.exists()
    assert other.exists()  # somebody may be at work on it


# --- deaths

SCRIPT = """
import json, os, sys
from pathlib import Path
from runtime.images import archive, saving
from runtime.images.manifest import Platform
from runtime.images.store import Store
from runtime.linux import faults
from runtime.paths import ensure_directories, find_paths
from runtime.state.database import Database

def open_store(root):
    paths = find_paths({"PYCOMPOSE_ROOT": root})
    ensure_directories(paths)
    return Store(paths, Database.open(paths))

def act(root, verb, argument, environment):
    faults.configure("cli", environment)
    store = open_store(root)
    if verb == "load":
        archive.load(store, Path(argument), wanted=Platform("linux", "amd64"))
    elif verb == "remove":
        store.remove(argument)
    else:
        saving.save_to_path(store, saving.choose(store, ["web:1"]), Path(argument))
"""
SERVE = (
    SCRIPT
    + """
for line in sys.stdin:
    child = os.fork()
    if not child:
        code = 1
        try:
            act(*json.loads(line))
            code = 0
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
)


class Actor:
    """Does things in processes of their own, which need not import anything."""

    def __init__(self, store: Store) -> None:
        self.root = str(store.paths.data.parent)
        words = [sys.executable, "-c", SERVE]
        self.process = subprocess.Popen(
            words, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, verb: str, argument: str | Path, **environment: str) -> int:
        """The exit code; -9 when a fault point killed it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(
            json.dumps([self.root, verb, str(argument), environment]),
            file=self.process.stdin,
            flush=True,
        )
        return int(self.process.stdout.readline())

    def points(self, verb: str, argument: str | Path, trace: Path) -> Iterator[str]:
        """Every moment at which the process can be killed, as PYCOMPOSE_FAULT names it."""
        assert self(verb, argument, PYCOMPOSE_FAULT_TRACE=str(trace)) == 0
        seen: dict[str, int] = {}
        for name in passed(trace):
            seen[name] = seen.get(name, 0) + 1
            for moment in ("before", "after"):
                yield f"cli/{name}/{moment}#{seen[name]}:kill"


@pytest.fixture
def act(store: Store) -> Iterator[Actor]:
    actor = Actor(store)
    yield actor
    actor.process.communicate()


def passed(trace: Path) -> list[str]:
    """The fault points of a traced process, in order."""
    names = [line.split(" ", 2)[2] for line in trace.read_text().splitlines()]
    return [name for name in names if not name.startswith("-")]


def clear(store: Store) -> None:
    for image in store.rows.all():
        store.remove(image.id, force=True)


def test_a_load_that_is_killed_anywhere_leaves_nothing_half_there(
    store: Store, act: Actor, tmp_path: Path
):
    path = tmp_path / "image.tar"
    path.write_bytes(docker_archive([BASE, ONE], {"Cmd": ["sh"]}, ["web:1"]))
    assert act("load", path) == 0
    whole = files(store, store.get("web:1"))
    clear(store)
    moments = list(act.points("load", path, tmp_path / "trace"))
    assert len(moments) > 40
    for moment in moments:
        clear(store)
        assert act("load", path, PYCOMPOSE_FAULT=moment) == -9, moment
        for image in store.rows.all():
            assert files(store, image) == whole, moment
        for layer in store.rows.layers():
            assert (store.paths.images / "layers" / layer.folder / "etc" / "both").exists(), moment
        assert act("load", path) == 0, moment
        assert files(store, store.get("web:1")) == whole, moment
        store.collect()
        assert on_disk(store) == needed(store), moment


def test_a_removal_that_is_killed_anywhere_is_finished_by_the_next_collection(
    store: Store, act: Actor, tmp_path: Path
):
    for name, layers in (("web:1", [BASE, ONE]), ("kept:1", [BASE, TWO])):
        (tmp_path / name).write_bytes(docker_archive(layers, {}, [name]))
        assert act("load", tmp_path / name) == 0
    kept = files(store, store.get("kept:1"))
    moments = list(act.points("remove", "web:1", tmp_path / "trace"))
    assert len(moments) > 10
    for moment in moments:
        assert act("load", tmp_path / "web:1") == 0
        assert act("remove", "web:1", PYCOMPOSE_FAULT=moment) == -9, moment
        if (image := store.find("web:1")) is not None:
            assert files(store, image)["etc/one"] == "one", moment
            store.remove("web:1")
        store.collect()
        assert on_disk(store) == needed(store), moment
        assert files(store, store.get("kept:1")) == kept, moment


def test_a_save_that_is_killed_leaves_no_archive_or_a_whole_one(act: Actor, tmp_path: Path):
    (tmp_path / "in.tar").write_bytes(docker_archive([BASE, ONE], {}, ["web:1"]))
    assert act("load", tmp_path / "in.tar") == 0
    target = tmp_path / "out" / "saved.tar"
    target.parent.mkdir()
    moments = list(act.points("save", target, tmp_path / "trace"))
    whole = target.read_bytes()
    for moment in moments:
        target.unlink(missing_ok=True)
        assert act("save", target, PYCOMPOSE_FAULT=moment) == -9, moment
        assert not target.exists() or target.read_bytes() == whole, moment


def test_files_are_safe_before_their_name_and_their_name_before_their_row(
    act: Actor, tmp_path: Path
):
    (tmp_path / "in.tar").write_bytes(docker_archive([BASE], {}, ["web:1"]))
    act("load", tmp_path / "in.tar", PYCOMPOSE_FAULT_TRACE=str(tmp_path / "trace"))
    steps = passed(tmp_path / "trace")
    wanted = [
        "unpack layer",
        "sync blob",
        "name blob",
        "sync layer",
        "name layer",
        "commit add layer",
        "commit add image",
    ]
    assert [step for step in steps if step in wanted] == wanted


# --- many at once


def test_an_image_that_another_removes_as_soon_as_it_stands_was_added_all_the_same(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add = store.rows.add

    def add_and_lose(image: ImageRow) -> None:
        add(image)
        assert store.rows.remove(image.id)

    monkeypatch.setattr(store.rows, "add", add_and_lose)
    (tmp_path / "web").write_bytes(docker_archive([BASE], {}, ["web"]))
    (loaded,) = archive.load(store, tmp_path / "web", wanted=AMD64)
    assert list(loaded.image.tags) == ["docker.io/library/web:latest"]
    assert store.find("web") is None


WORK = (
    SCRIPT
    + """
import random
root, verb, argument = sys.argv[1:4]
store = open_store(root)
choice = random.Random(int(verb))
for _ in range(6):
    name = choice.choice(json.loads(argument))
    archive.load(store, Path(name), wanted=Platform("linux", "amd64"))
    if choice.random() < 0.5:
        try:
            store.remove(Path(name).name)
        except Exception as error:
            if "no such image" not in str(error) and "several" not in str(error):
                raise
    store.collect()
"""
)


def test_many_processes_load_and_remove_at_once(store: Store, tmp_path: Path):
    names = []
    for number, layers in enumerate(([BASE, ONE], [BASE, TWO], [BASE], [BASE, ONE, TWO])):
        path = tmp_path / f"web{number}"
        path.write_bytes(docker_archive(layers, {"Cmd": [str(number)]}, [path.name]))
        names.append(str(path))
    root = str(store.paths.data.parent)
    words = [sys.executable, "-c", WORK, root]
    running = [
        subprocess.Popen([*words, str(seed), json.dumps(names)], cwd=TOP, stderr=subprocess.PIPE)
        for seed in range(6)
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    for name in names:
        archive.load(store, Path(name), wanted=AMD64)
    store.collect()
    assert on_disk(store) == needed(store)
    assert files(store, store.get("web3")) == {
        "etc/base": "base",
        "etc/both": "one",
        "etc/one": "one",
        "etc/two": "two",
    }


# --- no room


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB and 100 files below the store's root."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m,nr_inodes=100", "tmpfs", str(folder)], check=True
    )
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def small_store(folder: Path) -> Store:
    from runtime.paths import find_paths

    paths = find_paths({"PYCOMPOSE_ROOT": str(folder)})
    ensure_directories(paths)
    return Store(paths, Database.open(paths))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [layer_of({"small": "x", "large": "0123456789" * 700_000})],
            "7000001 bytes or more are needed",
        ),
        ([layer_of({f"f{number}": "" for number in range(200)})], "0 files free"),
    ],
    ids=["bytes", "files"],
)
def test_no_room_for_a_layer_is_said_and_nothing_is_left(
    small_disk: Path, tmp_path: Path, layers: list[bytes], message: str
):
    store = small_store(small_disk)
    kept = load(store, tmp_path / "kept", BASE, name="kept:1")
    with pytest.raises(RuntimeFault) as caught:
        load(store, tmp_path / "large", *layers)
    error = caught.value
    assert error.code == "E524"
    assert message in f"{error.message} {error.answered}"
    assert "image prune" in error.hint
    # R15: what is there is usable, and collecting works without any room
    assert files(store, store.get("kept:1")) == {"etc/base": "base", "etc/both": "base"}
    store.collect()
    assert on_disk(store) == needed(store)
    assert store.remove("kept:1")[-1] == f"Deleted: {kept.id}"


def test_no_room_for_a_blob_says_how_many_bytes_it_has(small_disk: Path, tmp_path: Path):
    store = small_store(small_disk)
    large = layer_of({"large": "x" * 9_000_000})
    layout = Layout(tmp_path / "layout")
    layout.image([large], {}, compress=bytes, kind="")
    with pytest.raises(RuntimeFault) as caught:
        archive.load(store, layout.folder, wanted=AMD64)
    assert caught.value.code == "E524"
    assert f"{len(large)} bytes or more are needed" in caught.value.message
    store.collect()
    assert on_disk(store) == (set(), set(), set())
