"""A layer is unpacked while it comes, pulled or imported; what the sender takes back is not believed, and nobody waits for a layer that no one wants."""

from __future__ import annotations

import contextlib
import gzip
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from runtime.errors import RuntimeFault
from runtime.images import importing
from runtime.images.http_client import Cancellation
from runtime.images.reference import parse_reference
from runtime.images.tar_reader import BadArchive
from runtime.linux import faults
from tests.fakes import layouts, scripted_registry
from tests.fakes.scripted_registry import ScriptedRegistry, once, refused, without_ranges
from tests.runtime.images.remote import AMD64, Remote, remote
from tests.runtime.images.tars import Tar

__all__ = ["remote"]

NOISE = random.Random(1).randbytes(6 << 20)
"""More than waits in any of the stages between the line and the disk."""
TAR = Tar().file("first", b"1").file("noise", NOISE).file("last", b"2").bytes


def seen_on_disk(remote: Remote, name: str) -> bool:
    """Whether a layer that is not complete has the file."""
    return any((remote.store.paths.images / "layers").glob(f"*.new/{name}"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def halves(
    remote: Remote, change: Callable[[bytes], bytes] = lambda data: data
) -> tuple[Callable[[Any], None], Callable[[Any], None]]:
    """(the whole blob, the first half of it alone): either way no more comes before the first file is unpacked."""

    def send_half(handler: Any) -> None:
        data = change(handler.content())
        handler.head(200, len(data), None)
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        wait_until(lambda: seen_on_disk(remote, "first"))

    def send_all(handler: Any) -> None:
        send_half(handler)
        data = change(handler.content())
        handler.wfile.write(data[len(data) // 2 :])

    def break_off(handler: Any) -> None:
        send_half(handler)
        scripted_registry._hang_up(handler)

    return send_all, break_off


@pytest.fixture
def registry() -> Iterator[ScriptedRegistry]:
    with scripted_registry.serve() as registry:
        yield registry


@pytest.fixture(params=["none", "gzip", "zstd"])
def image(request: pytest.FixtureRequest) -> layouts.Image:
    return layouts.image(TAR, compression=request.param)


@pytest.fixture
def name(registry: ScriptedRegistry, image: layouts.Image) -> str:
    registry.add("shop/web:1", image)
    return f"{registry.host}/shop/web:1"


def blob_of(image: layouts.Image) -> str:
    return f"GET .*/blobs/{image.layers[0].digest}"


def check_whole(remote: Remote, name: str) -> None:
    assert [remote.content(name, one) for one in ("first", "noise", "last")] == [b"1", NOISE, b"2"]
    assert [path.name for path in (remote.store.paths.images / "ingest").iterdir()] == []
    assert [path.suffix for path in (remote.store.paths.images / "layers").iterdir()] == [""]


def test_the_first_file_is_on_the_disk_before_the_last_has_come(
    remote: Remote, registry: ScriptedRegistry, image: layouts.Image, name: str
):
    send_all, _ = halves(remote)
    registry.faults.append(once(send_all, blob_of(image)))

    remote.pull(name)

    check_whole(remote, name)
    texts = [one.text for one in remote.told if one.text not in ("Downloading", "Extracting")]
    assert texts == [
        "Pulling fs layer",
        "Verifying Checksum",
        "Download complete",
        "Pull complete",
    ]


def test_a_broken_line_goes_on_where_it_broke_and_so_does_the_unpacking(
    remote: Remote, registry: ScriptedRegistry, image: layouts.Image, name: str
):
    _, break_off = halves(remote)
    registry.faults.append(once(break_off, blob_of(image)))

    remote.pull(name)

    check_whole(remote, name)
    ranges = [one.headers.get("range") for one in registry.requests if "/blobs/" in one.path]
    assert ranges[-1] == f"bytes={len(image.layers[0].data) // 2}-"


@pytest.mark.parametrize(
    "following",
    [without_ranges, lambda on: refused(416, on)],
    ids=["all of it again", "no such range"],
)
def test_a_sender_that_begins_anew_is_unpacked_anew(
    remote: Remote,
    registry: ScriptedRegistry,
    image: layouts.Image,
    name: str,
    following: Callable[[str], scripted_registry.Fault],
):
    _, break_off = halves(remote)
    registry.faults += [once(break_off, blob_of(image)), following(blob_of(image))]

    remote.pull(name)

    check_whole(remote, name)


def test_a_damaged_layer_that_was_unpacked_already_is_not_kept(
    remote: Remote, registry: ScriptedRegistry, image: layouts.Image, name: str
):
    # the damage is in the last bytes: of the content, of the checksum, of padding that nobody reads
    send_all, _ = halves(remote, lambda data: data[:-2] + b"XX")
    registry.faults.append(once(send_all, blob_of(image)))

    remote.pull(name)

    check_whole(remote, name)
    assert registry.count(blob_of(image)) == 2


def test_a_layer_that_stays_damaged_is_refused_and_leaves_nothing(
    remote: Remote, registry: ScriptedRegistry, image: layouts.Image, name: str
):
    send_all, _ = halves(remote, lambda data: data[:-2] + b"XX")
    registry.faults.append(once(send_all, blob_of(image), times=2))

    with pytest.raises(RuntimeFault) as caught:
        remote.pull(name)

    assert caught.value.code == "E511"
    assert remote.store.rows.all() == ()
    assert list((remote.store.paths.images / "layers").iterdir()) == []


def test_a_full_disk_is_said_while_the_layer_stalls(
    remote: Remote, registry: ScriptedRegistry, image: layouts.Image, name: str
):
    def stall(handler: Any) -> None:
        data = handler.content()
        handler.head(200, len(data), None)
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        handler.registry.released.wait()

    registry.faults.append(once(stall, blob_of(image)))
    started = time.monotonic()
    faults.configure("cli", {"PYCOMPOSE_FAULT": "cli/unpack layer/before:enospc"})
    try:
        with pytest.raises(RuntimeFault) as caught:
            remote.pull(name)
    finally:
        faults.configure("cli", {})

    assert caught.value.code == "E524"
    assert time.monotonic() - started < remote.idle_seconds / 2
    assert list((remote.store.paths.images / "layers").iterdir()) == []


def test_a_layer_folder_that_is_here_waits_for_its_blob(remote: Remote, registry: ScriptedRegistry):
    """The same content in another compression: unpacked already, and the image needs its blob."""
    registry.add("shop/plain:1", layouts.image(TAR, compression="none"))
    packed = layouts.image(TAR, compression="gzip")
    registry.add("shop/packed:1", packed)
    remote.pull(f"{registry.host}/shop/plain:1")

    remote.pull(f"{registry.host}/shop/packed:1")

    assert remote.store.blobs.has(packed.layers[0].digest)
    assert len(list((remote.store.paths.images / "layers").iterdir())) == 1


# --- image import


def imported(remote: Remote, chunks: Iterable[bytes], name: str = "web:1") -> str:
    tag = parse_reference(name)
    return importing.import_tar(remote.store, chunks, platform=AMD64, tags=[tag]).layers[0]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_imported_tar_is_read_once(remote: Remote, pack: Callable[[bytes], bytes]):
    data = pack(TAR)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), 1 << 18):
            if start > len(data) // 2:
                wait_until(lambda: seen_on_disk(remote, "first"))
            yield data[start : start + (1 << 18)]

    imported(remote, chunks())

    check_whole(remote, "web:1")


def test_what_was_imported_before_is_there_once(remote: Remote):
    first = imported(remote, [TAR])
    second = imported(remote, [TAR], "web:2")

    assert first == second
    assert [path.name for path in (remote.store.paths.images / "layers").iterdir()] == [first]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(gzip.compress(TAR)), "the archive is compressed twice"),
        (gzip.compress(TAR)[:-9], "the gzip data ends too early"),
        (Tar().file("../x").bytes, "`../x` lies outside of the layer"),
    ],
)
def test_a_tar_that_cannot_be_imported_leaves_nothing(remote: Remote, data: bytes, said: str):
    with pytest.raises(BadArchive) as caught:
        imported(remote, [data])

    assert caught.value.message == said
    folders = [remote.store.paths.images / name for name in ("layers", "ingest", "blobs")]
    assert [path for folder in folders for path in folder.glob("*") if path.is_file()] == []
    assert list(folders[0].iterdir()) == []


# --- everything at once


def some_fault(choice: random.Random, blob: layouts.Blob) -> scripted_registry.Fault:
    on, size = f"GET .*/blobs/{blob.digest}", len(blob.data)
    return choice.choice(
        [
            lambda: scripted_registry.broken_after(choice.randrange(size), on),
            lambda: scripted_registry.stalled_after(choice.randrange(size), on),
            lambda: without_ranges(on),
            lambda: refused(choice.choice((416, 503)), on),
            lambda: scripted_registry.replaced(lambda data: data[:-1] + b"?", on),
            lambda: scripted_registry.replaced(lambda data: data[: len(data) // 2], on),
            lambda: scripted_registry.replaced(lambda data: data + b"?", on),
        ]
    )()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_a_pull_ends_and_a_later_one_has_what_it_should(
    remote: Remote, registry: ScriptedRegistry, seed: int
):
    choice = random.Random(seed)
    sizes = (10, 5000, 400_000, 2_000_000)
    contents = [choice.randbytes(choice.choice(sizes)) for _ in range(choice.randrange(1, 5))]
    image = layouts.image(
        *(Tar().file(f"f{number}", content).bytes for number, content in enumerate(contents)),
        compression=choice.choice(("none", "gzip", "zstd")),
    )
    registry.add("shop/odd:1", image)
    registry.faults += [some_fault(choice, choice.choice(image.layers)) for _ in range(6)]
    name = f"{registry.host}/shop/odd:1"

    for _ in range(6):
        # what failed is interrupted: a new attempt is a new command
        attempt = remote._replace(cancellation=Cancellation(), idle_seconds=0.15)
        with contextlib.suppress(RuntimeFault):
            attempt.pull(name)
            break
        assert remote.store.rows.all() == ()

    assert [remote.content(name, f"f{number}") for number in range(len(contents))] == contents
    remote.store.collect()
    images = remote.store.paths.images
    assert [path.name for path in (images / "ingest").iterdir()] == []
    assert all("." not in path.name for path in (images / "layers").iterdir())
