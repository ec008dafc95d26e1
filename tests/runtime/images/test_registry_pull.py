"""Pulling from Debian's docker-registry, filled by skopeo: what arrives is what was there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import NotFound, RuntimeFault
from runtime.images import manifest
from tests.fakes import layouts, registries
from tests.runtime.images.remote import Remote, remote
from tests.runtime.images.tars import Tar

pytestmark = pytest.mark.servers

__all__ = ["remote"]

NAMES = ("one", "two", "three", "four", "five")
FIVE = tuple(Tar().file(f"{name}.txt", name.encode() * 50_000).bytes for name in NAMES)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    with registries.serve(tmp_path_factory.mktemp("registry")) as registry:
        registry.add("shop/web:1", layouts.image(*FIVE, Cmd=["sh"]))
        registry.add(
            "shop/many:1",
            layouts.image(Tar().file("which", b"v7").bytes, architecture="arm", variant="v7"),
            layouts.image(Tar().file("which", b"amd64").bytes),
            layouts.image(Tar().file("which", b"arm64").bytes, architecture="arm64", variant="v8"),
            layouts.image(Tar().file("which", b"v6").bytes, architecture="arm", variant="v6"),
        )
        yield registry


def test_every_layer_arrives_and_the_digest_is_the_registry_s(
    remote: Remote, registry: registries.Registry
):
    name = f"{registry.host}/shop/web:1"

    pulled = remote.pull(name)

    assert pulled.is_new
    assert [remote.content(name, f"{one}.txt") for one in NAMES] == [
        one.encode() * 50_000 for one in NAMES
    ]
    assert pulled.image.config.command == ("sh",)
    assert pulled.image.digests == (
        (f"{registry.host}/shop/web", registry.inspect("shop/web:1")["Digest"]),
    )


def test_steps_of_each_layer_are_told_in_docker_s_words(
    remote: Remote, registry: registries.Registry
):
    remote.pull(f"{registry.host}/shop/web:1")

    ids = {progress.id for progress in remote.told}
    assert len(ids) == 5
    for layer in ids:
        texts = [progress.text for progress in remote.told if progress.id == layer]
        steps = [text for text in texts if text not in ("Downloading", "Extracting")]
        assert steps == [
            "Pulling fs layer",
            "Verifying Checksum",
            "Download complete",
            "Pull complete",
        ]
    assert all(progress.current <= progress.total for progress in remote.told)
    assert [progress.done for progress in remote.told].count(True) == 5


def test_a_second_pull_finds_nothing_new(remote: Remote, registry: registries.Registry):
    name = f"{registry.host}/shop/web:1"
    first = remote.pull(name)
    remote.told.clear()

    second = remote.pull(name)

    assert not second.is_new
    assert second.image.id == first.image.id
    assert remote.told == []
    assert second.image.tags[name] > (first.image.tags[name] or 0)


def test_layers_that_another_image_has_are_not_fetched_again(
    remote: Remote, registry: registries.Registry
):
    registry.add("shop/more:1", layouts.image(*FIVE, Tar().file("six.txt", b"six").bytes))
    remote.pull(f"{registry.host}/shop/web:1")
    remote.told.clear()

    remote.pull(f"{registry.host}/shop/more:1")

    texts = [progress.text for progress in remote.told if progress.text != "Extracting"]
    assert texts.count("Already exists") == 5
    assert texts.count("Pulling fs layer") == 1


@pytest.mark.parametrize(
    ("platform", "found"),
    [("", b"amd64"), ("linux/arm64", b"arm64"), ("linux/arm/v7", b"v7"), ("linux/arm/v6", b"v6")],
)
def test_an_index_gives_the_platform_that_fits_best(
    remote: Remote, registry: registries.Registry, platform: str, found: bytes
):
    name = f"{registry.host}/shop/many:1"

    pulled = remote.pull(name, platform=platform)

    assert remote.content(name, "which") == found
    # the name in the registry is the index
    assert pulled.image.digests[0][1] == registry.inspect("shop/many:1")["Digest"]
    assert pulled.image.digests[0][1] != pulled.image.manifest_digest


def test_another_platform_of_a_known_index_is_another_image(
    remote: Remote, registry: registries.Registry
):
    name = f"{registry.host}/shop/many:1"
    here = remote.pull(name)

    other = remote.pull(name, platform="linux/arm64")

    assert other.is_new
    assert other.image.id != here.image.id
    assert remote.store.get(name).id == other.image.id
    assert not remote.pull(name, platform="linux/arm64").is_new


def test_a_platform_that_it_is_not_made_for_is_refused_with_those_that_it_is(
    remote: Remote, registry: registries.Registry
):
    with pytest.raises(NotFound) as caught:
        remote.pull(f"{registry.host}/shop/many:1", platform="linux/s390x")

    assert caught.value.code == "E534"
    assert caught.value.message == f"{registry.host}/shop/many:1 is not made for linux/s390x"
    assert (
        caught.value.answered
        == "it is made for linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8"
    )


def test_a_single_image_for_another_platform_is_refused_before_its_layers_come(
    remote: Remote, registry: registries.Registry
):
    registry.add("shop/arm:1", layouts.image(FIVE[0], architecture="arm64"))

    with pytest.raises(NotFound) as caught:
        remote.pull(f"{registry.host}/shop/arm:1")

    assert caught.value.code == "E534"
    assert caught.value.answered == "it is made for linux/arm64"
    assert remote.told == []


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_layers_of_each_compression(
    remote: Remote, registry: registries.Registry, compression: str
):
    registry.add(f"shop/{compression}:1", layouts.image(*FIVE, compression=compression))

    remote.pull(f"{registry.host}/shop/{compression}:1")

    assert remote.content(f"{registry.host}/shop/{compression}:1", "five.txt") == b"five" * 50_000


def test_docker_schema_2(remote: Remote, registry: registries.Registry):
    registry.add("shop/docker:1", layouts.image(*FIVE, Cmd=["ls"]), format="v2s2")

    pulled = remote.pull(f"{registry.host}/shop/docker:1")

    data, digest = registry.manifest("shop/docker", "1")
    document = manifest.parse_manifest(data)
    assert document.media_type == manifest.DOCKER_MANIFEST
    assert pulled.image.manifest_digest == digest
    assert pulled.image.config.command == ("ls",)


def test_a_digest_is_pulled_and_names_nothing(remote: Remote, registry: registries.Registry):
    digest = registry.inspect("shop/web:1")["Digest"]

    pulled = remote.pull(f"{registry.host}/shop/web:ignored@{digest}")

    assert pulled.image.tags == {}
    assert remote.store.get(f"{registry.host}/shop/web@{digest}").id == pulled.image.id
    assert not remote.pull(f"{registry.host}/shop/web@{digest}").is_new


def test_a_digest_that_is_here_needs_no_registry(remote: Remote, tmp_path: Path):
    with registries.serve(tmp_path / "short") as registry:
        registry.add("shop/web:1", layouts.image(FIVE[0]))
        digest = registry.inspect("shop/web:1")["Digest"]
        remote.pull(f"{registry.host}/shop/web@{digest}")

    assert not remote.pull(f"{registry.host}/shop/web@{digest}").is_new


def test_a_tag_that_moved_is_followed(remote: Remote, registry: registries.Registry):
    name = f"{registry.host}/shop/moving:1"
    registry.add("shop/moving:1", layouts.image(FIVE[0]))
    old = remote.pull(name)
    registry.add("shop/moving:1", layouts.image(FIVE[1]))

    new = remote.pull(name)

    assert new.is_new
    assert new.image.id != old.image.id
    assert remote.store.get(name).id == new.image.id
    assert remote.store.get(old.image.id).tags == {}


def test_no_such_tag(remote: Remote, registry: registries.Registry):
    with pytest.raises(NotFound) as caught:
        remote.pull(f"{registry.host}/shop/web:none")

    assert caught.value.code == "E545"
    assert caught.value.message == f"{registry.host}/shop/web:none is not in the registry"
    assert caught.value.tried == f"ask {registry.host}"
    assert "MANIFEST_UNKNOWN" in caught.value.answered


def test_no_such_name(remote: Remote, registry: registries.Registry):
    with pytest.raises(NotFound) as caught:
        remote.pull(f"{registry.host}/nobody/nothing:1")

    assert caught.value.code == "E545"
    assert caught.value.message == f"{registry.host}/nobody/nothing:1 is not in the registry"


def test_nobody_listens(remote: Remote):
    with pytest.raises(RuntimeFault) as caught:
        remote.pull("127.0.0.1:1/shop/web:1")

    assert caught.value.code == "E540"
    assert caught.value.message == "cannot reach 127.0.0.1:1"


def test_a_layer_that_was_damaged_on_the_disk_is_fetched_anew(
    remote: Remote, registry: registries.Registry
):
    name = f"{registry.host}/shop/web:1"
    before = remote.pull(name)
    victim = next(
        remote.store.blobs.path(blob)
        for blob in before.image.blobs
        if remote.store.blobs.path(blob).stat().st_size > 150
        and not remote.store.blobs.path(blob).read_bytes().startswith(b"{")
    )
    remote.store.remove(name, prune=False)
    for layer in remote.store.rows.layers():
        remote.store.rows.remove_layers([layer.folder])
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)

    again = remote.pull(name)

    assert again.image.id == before.image.id
    assert f"sha256:{hashlib.sha256(victim.read_bytes()).hexdigest()}" in again.image.blobs


def test_a_digest_is_resolved_without_keeping_anything(
    remote: Remote, registry: registries.Registry
):
    found = remote.resolve(f"{registry.host}/shop/many:1")

    assert found == registry.inspect("shop/many:1")["Digest"]
    assert remote.store.rows.all() == ()
