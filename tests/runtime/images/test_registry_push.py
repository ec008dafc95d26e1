"""Pushing to Debian's docker-registry; skopeo reads what we sent, and we pull it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import NotFound, RuntimeFault
from runtime.images import registry as client
from tests.fakes import layouts, registries
from tests.runtime.images.remote import Remote, remote
from tests.runtime.images.tars import Tar

pytestmark = pytest.mark.servers

__all__ = ["remote"]

LAYERS = tuple(Tar().file(name, name.encode() * 1000).bytes for name in ("one", "two"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registries.Registry]:
    with registries.serve(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def other(tmp_path: Path) -> Iterator[registries.Registry]:
    with registries.serve(tmp_path / "other") as registry:
        yield registry


def pulled(
    remote: Remote, registry: registries.Registry, name: str, image: layouts.Image, format: str = ""
) -> str:
    """The image, here, under its name."""
    registry.add(name, image, format=format)
    remote.pull(f"{registry.host}/{name}")
    return f"{registry.host}/{name}"


def tagged(remote: Remote, source: str, target: str) -> str:
    from runtime.images.reference import parse_reference

    remote.store.tag(source, parse_reference(target).with_tag)
    remote.told.clear()
    return target


def words(remote: Remote) -> list[str]:
    return sorted(one.text for one in remote.told if one.text not in ("Preparing", "Pushing"))


@pytest.mark.parametrize("format", ["", "v2s2"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_an_image_comes_back_from_another_registry_with_the_same_digest(
    remote: Remote,
    registry: registries.Registry,
    other: registries.Registry,
    format: str,
    compression: str,
):
    image = layouts.image(
        *LAYERS, compression=compression, annotations={"a": "kept"} if not format else None
    )
    source = pulled(remote, registry, "shop/web:1", image, format)
    name = tagged(remote, source, f"{other.host}/mine/web:2")

    pushed = remote.push(name)

    data, digest = registry.manifest("shop/web", "1")
    assert other.manifest("mine/web", "2") == (data, digest)
    assert pushed.digest == digest
    assert other.inspect("mine/web:2")["Digest"] == digest
    assert words(remote) == ["Pushed", "Pushed"]
    assert (f"{other.host}/mine/web", digest) in remote.store.get(name).digests
    assert remote.pull(name).image.id == remote.store.get(source).id


def test_skopeo_copies_what_we_pushed_and_finds_every_digest_right(
    remote: Remote, registry: registries.Registry, tmp_path: Path
):
    name = pulled(remote, registry, "shop/copied:1", layouts.image(*LAYERS, Cmd=["x"]))
    remote.push(tagged(remote, name, f"{registry.host}/mine/copied:1"))

    registries.skopeo(
        "copy", f"docker://{registry.host}/mine/copied:1", f"oci:{tmp_path}/out:latest"
    )

    index = json.loads((tmp_path / "out" / "index.json").read_text())
    for path in (tmp_path / "out" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert index["manifests"][0]["digest"] == registry.manifest("shop/copied", "1")[1]


def test_a_second_push_sends_nothing(remote: Remote, registry: registries.Registry):
    name = pulled(remote, registry, "shop/again:1", layouts.image(*LAYERS))
    remote.told.clear()

    remote.push(name)

    assert words(remote) == ["Layer already exists", "Layer already exists"]


def test_layers_of_the_same_registry_are_mounted_from_where_they_came(
    remote: Remote, registry: registries.Registry
):
    name = pulled(remote, registry, "shop/source:1", layouts.image(*LAYERS, Cmd=["mounted"]))
    remote.push(tagged(remote, name, f"{registry.host}/shop/target:1"))

    assert words(remote) == ["Mounted from shop/source", "Mounted from shop/source"]
    assert (
        registry.inspect("shop/target:1")["Digest"] == registry.inspect("shop/source:1")["Digest"]
    )


def test_a_large_layer_goes_up_in_pieces(
    remote: Remote, registry: registries.Registry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "_SINGLE_UPLOAD", 50_000)
    monkeypatch.setattr(client, "_PIECE", 30_000)
    noise = b"".join(
        hashlib.sha256(bytes([one, two])).digest() for one in range(50) for two in range(100)
    )
    image = layouts.image(Tar().file("noise", noise).bytes, Cmd=["pieces"])
    with_pieces = pulled(remote, registry, "shop/pieces:1", image)
    # nowhere to be mounted from
    remote.store.rows.forget_places(remote.store.get(with_pieces).blobs)

    remote.push(tagged(remote, with_pieces, f"{registry.host}/pieces/new:1"))

    assert words(remote) == ["Pushed"]
    assert registry.manifest("pieces/new", "1") == registry.manifest("shop/pieces", "1")


def test_what_is_not_here_cannot_be_pushed(remote: Remote, registry: registries.Registry):
    with pytest.raises(NotFound) as caught:
        remote.push(f"{registry.host}/shop/none:1")

    assert caught.value.code == "E500"
    assert caught.value.message == f"no such image: {registry.host}/shop/none:1"


def test_a_blob_that_is_gone_is_said_before_anything_is_sent(
    remote: Remote, registry: registries.Registry
):
    name = pulled(remote, registry, "shop/gone:1", layouts.image(*LAYERS, Cmd=["gone"]))
    image = remote.store.get(name)
    layer = next(one for one in image.blobs if one not in (image.id, image.manifest_digest))
    remote.store.blobs.remove(layer)
    remote.told.clear()

    with pytest.raises(RuntimeFault) as caught:
        remote.push(name)

    assert caught.value.code == "E514"
    assert caught.value.tried == f"read {layer}"
    assert remote.told == []
