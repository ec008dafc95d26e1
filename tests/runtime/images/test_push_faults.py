"""Pushes to a registry that breaks off, forgets, refuses: what arrives all the same, and what is said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from runtime.errors import RuntimeFault
from runtime.images import registry as client
from runtime.images.reference import parse_reference
from tests.fakes import layouts, scripted_registry
from tests.fakes.scripted_registry import ScriptedRegistry, error, once, refused
from tests.runtime.images.remote import Remote, remote
from tests.runtime.images.tars import Tar

__all__ = ["remote"]

NOISE = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(4000))
IMAGE = layouts.image(Tar().file("noise", NOISE).bytes, compression="none")
LAYER = IMAGE.layers[0]


@pytest.fixture
def registry() -> Iterator[ScriptedRegistry]:
    with scripted_registry.serve() as registry:
        yield registry


@pytest.fixture
def name(remote: Remote, registry: ScriptedRegistry) -> str:
    """An image that is here and not there."""
    with scripted_registry.serve() as source:
        source.add("shop/web:1", IMAGE)
        remote.pull(f"{source.host}/shop/web:1")
        name = f"{registry.host}/mine/web:1"
        remote.store.tag(f"{source.host}/shop/web:1", parse_reference(name))
    return name


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_SINGLE_UPLOAD", 20_000)
    monkeypatch.setattr(client, "_PIECE", 50_000)


def check_arrived(registry: ScriptedRegistry) -> None:
    assert registry.blobs[LAYER.digest] == LAYER.data
    assert registry.blobs[IMAGE.config.digest] == IMAGE.config.data
    assert registry.manifests["mine/web:1"] == (IMAGE.manifest.data, IMAGE.manifest.media_type)


def cut(handler: scripted_registry.Handler) -> None:
    """Takes a part of what is sent, and is gone."""
    handler.rfile.read(min(1000, int(handler.headers.get("Content-Length") or 0)))
    scripted_registry._hang_up(handler)


def test_small_blobs_are_one_request_each_after_their_question(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    remote.push(name)

    check_arrived(registry)
    assert registry.count("^HEAD .*/blobs/") == 2
    assert registry.count("^POST .*/blobs/uploads/$") == 2
    assert registry.count("^PUT .*/blobs/uploads/") == 2
    assert registry.asked[-1] == "PUT mine/web/manifests/1"


@pytest.mark.usefixtures("pieces")
def test_large_ones_come_in_pieces(remote: Remote, registry: ScriptedRegistry, name: str):
    remote.push(name)

    check_arrived(registry)
    spans = [one.headers["content-range"] for one in registry.requests if one.method == "PATCH"]
    size = len(LAYER.data)
    assert spans == ["0-49999", "50000-99999", f"100000-{size - 1}"]


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_asked_again(
    remote: Remote, registry: ScriptedRegistry, name: str, method: str, status: int
):
    registry.faults.append(refused(status, f"^{method} .*/blobs/", times=2))

    remote.push(name)

    check_arrived(registry)


@pytest.mark.parametrize("on", ["^PUT .*/uploads/", "^PUT .*/manifests/", "^POST "])
def test_a_line_that_breaks_while_we_send(
    remote: Remote, registry: ScriptedRegistry, name: str, on: str
):
    registry.faults.append(once(cut, on))

    remote.push(name)

    check_arrived(registry)


@pytest.mark.usefixtures("pieces")
def test_a_piece_that_broke_off_is_sent_again(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(once(cut, "^PATCH ", times=2))

    remote.push(name)

    check_arrived(registry)


@pytest.mark.usefixtures("pieces")
def test_a_piece_whose_answer_was_lost_is_not_added_twice(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    def take_and_go(handler: scripted_registry.Handler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        upload = handler.path.rpartition("/")[2]
        handler.registry.uploads[upload] += body
        scripted_registry._hang_up(handler)

    registry.faults.append(once(take_and_go, "^PATCH "))

    remote.push(name)

    check_arrived(registry)


@pytest.mark.parametrize("on", ["^PUT .*/uploads/", "^PATCH "])
@pytest.mark.usefixtures("pieces")
def test_an_upload_that_the_registry_forgot_begins_anew(
    remote: Remote, registry: ScriptedRegistry, name: str, on: str
):
    registry.faults.append(refused(404, on, said=error("BLOB_UPLOAD_UNKNOWN", "unknown")))

    remote.push(name)

    check_arrived(registry)


def test_a_mount_that_is_refused_becomes_an_upload(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(refused(403, "POST .*mount=", times=9))
    remote.store.rows.add_places(
        [LAYER.digest, IMAGE.config.digest], registry.host, "somewhere/else"
    )

    remote.push(name)

    check_arrived(registry)


def test_a_mount_that_the_registry_cannot_do_goes_on_as_an_upload(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    remote.store.rows.add_places(
        [LAYER.digest, IMAGE.config.digest], registry.host, "somewhere/else"
    )

    remote.push(name)

    check_arrived(registry)
    assert registry.count("POST .*mount=.*from=somewhere%2Felse") == 2


def test_no_right_to_push_is_one_error(remote: Remote, registry: ScriptedRegistry, name: str):
    registry.faults.append(
        refused(403, "^POST ", times=9, said=error("DENIED", "requested access is denied"))
    )

    with pytest.raises(RuntimeFault) as caught:
        remote.push(name)

    assert caught.value.code == "E542"
    assert caught.value.message.startswith(f"push access denied for {registry.host}/mine/web")
    assert caught.value.answered == "DENIED: requested access is denied"
    assert registry.manifests == {}


def test_a_blob_that_the_registry_finds_wrong_is_told_in_its_words(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(
        refused(400, "^PUT .*/uploads/", times=9, said=error("DIGEST_INVALID", "no match"))
    )

    with pytest.raises(RuntimeFault) as caught:
        remote.push(name)

    assert (caught.value.code, caught.value.answered) == ("E546", "DIGEST_INVALID: no match")


def test_an_upload_is_not_sent_where_there_is_no_tls(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    """A registry with TLS that names a plain address on another host for the bytes."""
    repository = client.Repository(
        client.Endpoint("registry.test", "mine/web"),
        client.Client(remote.cancellation),
        remote.cancellation,
    )

    with pytest.raises(RuntimeFault) as caught:
        repository._within("http://192.0.2.1/upload")

    assert caught.value.message.endswith("wants an upload without TLS to 192.0.2.1")
    assert repository._within("http://registry.test/v2/x") == "https://registry.test/v2/x"
