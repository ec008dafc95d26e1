"""Images come out of archives of every kind as they went in: digests, names and annotations are the same."""

import io
import json
import lzma
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from runtime.errors import NotFound, RuntimeFault
from runtime.images import archive, saving
from runtime.images.manifest import Platform
from runtime.images.rows import ImageRow
from runtime.images.store import Store
from runtime.paths import Paths, ensure_directories, find_paths
from runtime.state.database import Database
from tests.runtime.images.made import OCI, Layout, digest, docker_archive, layer_of, pack

pytestmark = pytest.mark.kernel

AMD64 = Platform("linux", "amd64")
LOWER = layer_of({"etc/name": "lower", "etc/both": "lower"})
UPPER = layer_of({"etc/both": "upper"})
CONFIG = {"Cmd": ["sh"], "Env": ["A=1"]}


def open_store(root: Path) -> Store:
    paths = find_paths({"PYCOMPOSE_ROOT": str(root)})
    ensure_directories(paths)
    return Store(paths, Database.open(paths))


@pytest.fixture
def store(paths: Paths) -> Store:
    ensure_directories(paths)
    return Store(paths, Database.open(paths))


@pytest.fixture
def other(tmp_path: Path) -> Store:
    """A second root."""
    return open_store(tmp_path / "other")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def load(store: Store, source: Path | int) -> tuple[archive.Loaded, ...]:
    return archive.load(store, source, wanted=AMD64)


def load_one(store: Store, source: Path | int) -> ImageRow:
    (loaded,) = load(store, source)
    return loaded.image


def look(store: Store, image: ImageRow, path: str) -> str:
    """What overlayfs would show."""
    return next(
        (folder / path).read_text()
        for folder in store.layer_paths(image)
        if (folder / path).exists()
    )


def piped(data: bytes) -> Iterator[int]:
    """A pipe that somebody writes the data into."""
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    yield reading
    os.close(reading)
    thread.join()


FORMS: dict[str, Callable[[Layout, Path], Path | bytes]] = {
    "a folder": lambda layout, _: layout.folder,
    "a tar": lambda layout, folder: written(folder / "a.tar", layout.tar()),
    "a gzip": lambda layout, folder: written(folder / "a", pack(layout.tar())),
    "a zstd": lambda layout, folder: written(folder / "a", zstandard.compress(layout.tar())),
    "an xz": lambda layout, folder: written(folder / "a", lzma.compress(layout.tar())),
    "a pipe": lambda layout, _: layout.tar(),
    "a pipe of gzip": lambda layout, _: pack(layout.tar()),
}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "compress"),
    [("", bytes), ("+gzip", pack), ("+zstd", zstandard.compress)],
    ids=["plain", "gzip", "zstd"],
)
def test_a_layout_is_read_in_every_form(
    store: Store, layout: Layout, tmp_path: Path, form: str, kind: str, compress
):
    manifest = layout.image([LOWER, UPPER], CONFIG, compress=compress, kind=kind)
    source = FORMS[form](layout, tmp_path)
    if isinstance(source, bytes):
        (image,) = (load_one(store, reading) for reading in piped(source))
    else:
        image = load_one(store, source)
    assert image.manifest_digest == manifest
    assert (look(store, image, "etc/name"), look(store, image, "etc/both")) == ("lower", "upper")
    assert image.config.command == ("sh",)


@pytest.mark.parametrize(
    "linked", [False, True], ids=["whole", "a layer that stands twice is a link"]
)
@pytest.mark.parametrize("form", ["file", "pipe", "gzip"])
def test_what_docker_save_wrote_is_read(store: Store, tmp_path: Path, form: str, linked: bool):
    data = docker_archive([LOWER, UPPER, LOWER], CONFIG, ["shop/web:1", "web:2"], linked=linked)
    if form == "pipe":
        (loaded,) = (one for reading in piped(data) for one in load(store, reading))
    else:
        path = written(tmp_path / "image.tar", pack(data) if form == "gzip" else data)
        (loaded,) = load(store, path)
    assert [name.familiar for name in loaded.names] == ["shop/web:1", "web:2"]
    assert store.get("web:2").id == loaded.image.id
    assert len(loaded.image.layers) == 3
    assert look(store, loaded.image, "etc/both") == "lower"


def save_to_bytes(store: Store, *names: str) -> bytes:
    data = io.BytesIO()
    saving.save_to_stream(store, saving.choose(store, names), data)
    return data.getvalue()


def blobs_of(data: bytes) -> dict[str, str]:
    """Name -> digest of what is really in the archive."""
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return {
            member.name: digest(opened.extractfile(member).read())
            for member in opened
            if member.isfile()
        }


@pytest.mark.parametrize("compress", [bytes, pack], ids=["plain", "gzip"])
def test_digests_and_annotations_are_the_same_after_save_and_load(
    store: Store, other: Store, layout: Layout, tmp_path: Path, compress
):
    kind = "+gzip" if compress is pack else ""
    layout.image(
        [LOWER, UPPER],
        CONFIG,
        compress=compress,
        kind=kind,
        annotations={"org.example.kept": "yes"},
        tag="x",
    )
    first = load_one(store, layout.folder)
    store.tag(first.id, archive.parse_reference("shop/web:1"))
    data = save_to_bytes(store, "shop/web:1")
    (again,) = load(other, written(tmp_path / "saved.tar", data))
    assert [name.familiar for name in again.names] == ["shop/web:1"]
    assert again.image[:3] == first[:3]
    assert save_to_bytes(other, "shop/web:1") == data
    stored = blobs_of(data)
    assert {f"blobs/{value.replace(':', '/')}" for value in first.blobs} < set(stored)
    assert all(
        name.endswith(value.removeprefix("sha256:"))
        for name, value in stored.items()
        if "/" in name
    )
    manifest = json.loads(other.blobs.read(again.image.manifest_digest, limit=1 << 20))
    assert manifest["annotations"] == {"org.example.kept": "yes"}


def test_the_same_images_give_the_same_bytes(store: Store, layout: Layout):
    layout.image([LOWER], CONFIG)
    image = load_one(store, layout.folder)
    assert save_to_bytes(store, image.id) == save_to_bytes(store, image.id)


@pytest.mark.parametrize("suffix", ["", ".tar", ".tar.gz", ".tgz", ".tar.zst"])
def test_saved_files_of_every_kind_are_loaded(
    store: Store, other: Store, layout: Layout, tmp_path: Path, suffix: str
):
    layout.image([LOWER], CONFIG)
    image = load_one(store, layout.folder)
    target = tmp_path / f"saved{suffix}"
    if not suffix:
        target.mkdir()
    saving.save_to_path(store, saving.choose(store, [image.id]), target)
    assert load_one(other, target).manifest_digest == image.manifest_digest
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_several_images_share_their_layers_in_one_archive(
    store: Store, other: Store, layout: Layout, tmp_path: Path
):
    layout.image([LOWER], {"Cmd": ["one"]})
    layout.image([LOWER, UPPER], {"Cmd": ["two"]})
    one, two = (loaded.image for loaded in load(store, layout.folder))
    data = save_to_bytes(store, one.id, two.id)
    assert len(list(blobs_of(data))) == 2 + 2 + 2 + 3
    again = load(other, written(tmp_path / "saved.tar", data))
    assert {loaded.image.id for loaded in again} == {one.id, two.id}
    assert len(list((other.paths.images / "layers").iterdir())) == 2


# --- choice


def index_of(layout: Layout, *platforms: str) -> None:
    entries = []
    for platform in platforms:
        descriptor = layout.manifest([layer_of({"for": platform})], CONFIG, platform=platform)
        system, architecture, *variant = platform.split("/")
        about = {
            "os": system,
            "architecture": architecture,
            **({"variant": variant[0]} if variant else {}),
        }
        entries.append({**descriptor, "platform": about})
    attestation = layout.manifest([layer_of({"in-toto": "x"})], {}, platform="unknown/unknown")
    mark = {"vnd.docker.reference.type": "attestation-manifest"}
    entries.insert(
        0,
        {
            **attestation,
            "annotations": mark,
            "platform": {"os": "unknown", "architecture": "unknown"},
        },
    )
    document = json.dumps(
        {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": entries}
    )
    layout.add(layout.blob(document.encode(), f"{OCI}.index.v1+json"))


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/amd64/v2", "linux/amd64"),
        ("linux/arm/v8", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/arm64", "linux/arm64/v8"),
    ],
)
def test_an_index_gives_the_best_image_that_runs(
    store: Store, layout: Layout, wanted: str, chosen: str
):
    index_of(
        layout, "linux/arm64/v8", "linux/amd64/v3", "linux/arm/v6", "linux/amd64", "linux/arm/v7"
    )
    (loaded,) = archive.load(
        store, layout.folder, wanted=Platform(*wanted.split("/")), is_given=True
    )
    assert look(store, loaded.image, "for") == chosen


def test_a_platform_that_is_not_there_is_named_with_those_that_are(store: Store, layout: Layout):
    index_of(layout, "linux/amd64", "linux/arm64")
    with pytest.raises(NotFound) as caught:
        archive.load(store, layout.folder, wanted=Platform("linux", "s390x"), is_given=True)
    assert caught.value.code == "E534"
    assert caught.value.answered == "it is made for linux/amd64, linux/arm64"


def test_a_chosen_image_keeps_its_index_over_save_and_load(
    store: Store, other: Store, layout: Layout, tmp_path: Path
):
    index_of(layout, "linux/amd64", "linux/arm64")
    image = load_one(store, layout.folder)
    assert load_one(other, written(tmp_path / "a", save_to_bytes(store, image.id))).id == image.id


# --- what is wrong


def replace_blob(layout: Layout, old: bytes, new: bytes) -> None:
    path = layout.folder / "blobs" / "sha256" / digest(old).removeprefix("sha256:")
    path.write_bytes(new)


PACKED = pack(LOWER)
LIE = {"rootfs": {"type": "layers", "diff_ids": [digest(UPPER)]}}


@pytest.mark.parametrize(
    "damage",
    [
        PACKED[:-10],
        PACKED + b"\0" * 10 + b"garbage",
        PACKED[:60] + bytes([PACKED[60] ^ 1]) + PACKED[61:],
        pack(UPPER),
        PACKED + pack(b"more"),
    ],
    ids=[
        "cut short",
        "garbage behind it",
        "a flipped bit",
        "another layer",
        "a further gzip member",
    ],
)
def test_a_layer_that_is_not_what_its_digest_says_is_refused(
    store: Store, layout: Layout, damage: bytes
):
    layout.image([LOWER], CONFIG)
    replace_blob(layout, PACKED, damage)
    with pytest.raises(RuntimeFault) as caught:
        load(store, layout.folder)
    assert caught.value.code == ("E511" if len(damage) == len(PACKED) else "E520")
    # a pull would go on with what lies there
    assert store.blobs.partial_size(digest(PACKED)) == 0
    assert nothing_is_left(store)


def test_content_with_another_diff_id_is_refused(store: Store, layout: Layout):
    """V53: the compressed digest alone is not enough."""
    layout.image([LOWER], CONFIG, **LIE)
    with pytest.raises(RuntimeFault) as caught:
        load(store, layout.folder)
    assert caught.value.code == "E511"
    assert nothing_is_left(store)


def test_a_layer_in_two_gzip_members_is_one_layer(store: Store, layout: Layout):
    half = len(LOWER) // 2
    layout.image(
        [LOWER],
        CONFIG,
        compress=lambda data: pack(data[:half]) + pack(data[half:]),
    )
    assert look(store, load_one(store, layout.folder), "etc/name") == "lower"


def nothing_is_left(store: Store) -> bool:
    """No row, no layer; and what is among the blobs goes with the next collection."""
    layers = store.paths.images / "layers"
    unpacked = [path.name for path in layers.iterdir()] if layers.exists() else []
    store.collect()
    return store.rows.all() == () and unpacked == [] and list(store.blobs.all()) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            lambda m: m["layers"][0].update(mediaType=f"{OCI}.layer.nondistributable.v1.tar+gzip"),
            "E533",
        ),
        (
            lambda m: m["layers"][0].update(
                mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            ),
            "E533",
        ),
        (
            lambda m: m["layers"][0].update(
                mediaType="application/vnd.cncf.helm.chart.content.v1.tar+gzip"
            ),
            "E531",
        ),
        (
            lambda m: m["config"].update(mediaType="application/vnd.cncf.helm.config.v1+json"),
            "E531",
        ),
        (lambda m: m.update(manifests=[]), "E530"),
        (lambda m: m.update(schemaVersion=1), "E532"),
        (lambda m: m["layers"][0].update(digest="sha256:../../x"), "E510"),
        (lambda m: m["layers"][0].update(size=-1), "E530"),
        (lambda m: m["layers"][0].update(size=7), "E520"),
        (lambda m: m.update(layers=m["layers"] * 501), "E530"),
        (lambda m: m.update(layers=[]), "E530"),
    ],
)
def test_manifests_of_no_image_are_refused(
    store: Store, layout: Layout, change: Callable[[dict], None], code: str
):
    """V51, V52, V54."""
    descriptor = layout.manifest([LOWER], CONFIG)
    path = layout.folder / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")
    document = json.loads(path.read_text())
    change(document)
    layout.add(layout.blob(json.dumps(document).encode(), f"{OCI}.manifest.v1+json"))
    with pytest.raises(RuntimeFault) as caught:
        load(store, layout.folder)
    assert caught.value.code == code
    assert nothing_is_left(store)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"0" * 1000, "not a tar archive: a header's checksum is wrong"),
        (b"", "the archive holds no image: neither manifest.json nor index.json is there"),
        (
            layer_of({"etc/x": "y"}),
            "the archive holds no image: neither manifest.json nor index.json is there",
        ),
        (layer_of({"manifest.json": "{"}), "manifest.json is no JSON document"),
        (
            layer_of({"manifest.json": '[{"Config": 1}]'}),
            "manifest.json is not what `docker save` writes",
        ),
    ],
)
def test_what_is_no_archive_of_images_is_refused(
    store: Store, tmp_path: Path, data: bytes, message: str
):
    with pytest.raises(RuntimeFault, match=message):
        load(store, written(tmp_path / "a.tar", data))


def test_a_tar_member_cannot_lead_out_of_a_folder(store: Store, layout: Layout, tmp_path: Path):
    layout.image([LOWER], CONFIG)
    secret = written(tmp_path / "secret", PACKED)
    blob = layout.folder / "blobs" / "sha256" / digest(PACKED).removeprefix("sha256:")
    blob.unlink()
    blob.symlink_to(secret)
    with pytest.raises(RuntimeFault):
        load(store, layout.folder)


# --- other tools


def run(*words: str | Path, **more) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci"])
def test_skopeo_reads_what_we_save_and_agrees_on_digests(
    store: Store, layout: Layout, tmp_path: Path, form: str
):
    layout.image([LOWER, UPPER], CONFIG)
    image = load_one(store, layout.folder)
    store.tag(image.id, archive.parse_reference("shop/web:1"))
    target = tmp_path / "saved"
    if form == "oci":
        target.mkdir()
    saving.save_to_path(store, saving.choose(store, ["shop/web:1"]), target)
    about = json.loads(
        run(
            "skopeo",
            "inspect",
            "--raw" if form != "docker-archive" else "--config",
            f"{form}:{target}",
        )
    )
    if form == "docker-archive":
        assert about["rootfs"]["diff_ids"] == [digest(LOWER), digest(UPPER)]
    else:
        assert about == json.loads(store.blobs.read(image.manifest_digest, limit=1 << 20))
    run("skopeo", "copy", "--insecure-policy", f"{form}:{target}", f"oci:{tmp_path / 'copied'}:x")


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci"])
def test_what_skopeo_writes_is_read(store: Store, layout: Layout, tmp_path: Path, form: str):
    layout.image([LOWER, UPPER], CONFIG)
    target = f"{form}:{tmp_path / 'copied'}:shop/web:1"
    run("skopeo", "copy", "--insecure-policy", f"oci:{layout.folder}", target)
    image = load_one(store, tmp_path / "copied")
    assert look(store, image, "etc/both") == "upper"
    if form == "docker-archive":
        assert store.get("shop/web:1").id == image.id
