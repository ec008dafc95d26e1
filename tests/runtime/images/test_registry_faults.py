"""A registry that breaks off, stalls, refuses and lies (R30, V50-V54): what still arrives, and what is never believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from runtime.errors import NotFound, RuntimeFault
from runtime.images import digests, http_client, manifest
from runtime.images.http_client import Cancellation, Unreachable
from tests.fakes import layouts, scripted_registry
from tests.fakes.scripted_registry import (
    ScriptedRegistry,
    broken_after,
    error,
    once,
    redirected,
    refused,
    replaced,
    stalled_after,
    without_ranges,
)
from tests.runtime.images.remote import Remote, remote
from tests.runtime.images.tars import Tar

__all__ = ["remote"]

NOISE = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(4000))
LARGE = layouts.image(Tar().file("noise", NOISE).bytes, compression="none")
LAYER = LARGE.layers[0].digest
SIZE = len(LARGE.layers[0].data)
BLOB = f"GET .*/blobs/{LAYER}"
TAG = "GET .*/manifests/1$"


class Pauses(Cancellation):
    """Waits for nothing, and remembers how long it should have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def part(self) -> Cancellation:
        return self

    def pause(self, seconds: float) -> None:
        self.check()
        self.seconds.append(seconds)


@pytest.fixture
def registry() -> Iterator[ScriptedRegistry]:
    with scripted_registry.serve() as registry:
        registry.add("shop/web:1", LARGE)
        yield registry


@pytest.fixture
def name(registry: ScriptedRegistry) -> str:
    return f"{registry.host}/shop/web:1"


def refusal(remote: Remote, name: str) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        remote.pull(name)
    assert remote.store.rows.all() == ()
    return caught.value


# --- how many requests


def test_a_first_pull_is_one_request_for_each_part(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    remote.pull(name)

    assert registry.asked == [
        "GET shop/web/manifests/1",
        f"GET shop/web/blobs/{LARGE.config.digest}",
        f"GET shop/web/blobs/{LAYER}",
    ]


def test_a_second_pull_is_one_request(remote: Remote, registry: ScriptedRegistry, name: str):
    remote.pull(name)
    registry.forget()

    assert not remote.pull(name).is_new

    assert registry.asked == ["HEAD shop/web/manifests/1"]


def test_a_second_pull_of_an_index_is_one_request(remote: Remote, registry: ScriptedRegistry):
    name = f"{registry.host}/shop/many:1"
    registry.add("shop/many:1", LARGE, layouts.image(b"\0" * 1024, architecture="arm64"))
    remote.pull(name)
    registry.forget()

    assert not remote.pull(name).is_new

    assert registry.asked == ["HEAD shop/many/manifests/1"]


def test_a_web_page_is_no_manifest(remote: Remote, registry: ScriptedRegistry, name: str):
    page = refused(
        200, TAG, said=b"<html>please log in</html>", Content_Type="text/html; charset=x"
    )
    registry.faults.append(page)

    fault = refusal(remote, name)

    assert (fault.code, fault.message) == (
        "E546",
        f"{registry.host} answers with a web page, and not as a registry",
    )
    assert fault.tried == f"get {name}"


@pytest.mark.parametrize("status", [405, 501])
def test_where_nobody_answers_a_head_the_manifest_itself_tells(
    remote: Remote, registry: ScriptedRegistry, name: str, status: int
):
    remote.pull(name)
    registry.forget()
    registry.faults.append(refused(status, "HEAD .*/manifests/1$", times=9))

    assert not remote.pull(name).is_new
    assert remote.resolve(name) == LARGE.manifest.digest

    assert registry.asked == ["HEAD shop/web/manifests/1", "GET shop/web/manifests/1"] * 2


def test_resolving_a_digest_is_one_request(remote: Remote, registry: ScriptedRegistry, name: str):
    assert remote.resolve(name) == LARGE.manifest.digest
    assert registry.asked == ["HEAD shop/web/manifests/1"]


def test_one_connection_serves_them_all(remote: Remote, registry: ScriptedRegistry, name: str):
    accepted: list[object] = []
    get_request = registry.server.get_request
    registry.server.get_request = lambda: accepted.append(1) or get_request()  # type: ignore[method-assign,func-returns-value]

    remote.pull(name)

    assert len(accepted) == 1


# --- lines that break


@pytest.mark.parametrize("count", [0, 1, 511, SIZE // 2, SIZE - 1])
def test_a_broken_line_goes_on_where_it_broke(
    remote: Remote, registry: ScriptedRegistry, name: str, count: int
):
    registry.faults.append(broken_after(count, BLOB))

    remote.pull(name)

    assert remote.content(name, "noise") == NOISE
    ranges = [one.headers.get("range") for one in registry.requests if LAYER in one.path]
    assert ranges == [None, f"bytes={count}-" if count else None]


def test_a_line_may_break_as_often_as_it_likes_while_something_arrives(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(broken_after(SIZE // 20, BLOB, times=19))

    remote.pull(name)

    assert remote.content(name, "noise") == NOISE
    assert registry.count(BLOB) == 20


def test_five_breaks_in_a_row_without_a_byte_are_the_end_and_what_came_is_kept(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults += [broken_after(1000, BLOB), broken_after(0, BLOB, times=5)]

    fault = refusal(remote, name)

    assert isinstance(fault, Unreachable)
    assert fault.code == "E540"
    assert fault.message == f"{registry.host} broke off"
    assert remote.store.blobs.partial_size(LAYER) == 1000
    registry.faults.clear()
    registry.forget()
    remote.pull(name)
    assert [one.headers.get("range") for one in registry.requests if LAYER in one.path] == [
        "bytes=1000-"
    ]


def test_a_registry_of_this_machine_where_nobody_listens_is_not_waited_for(remote: Remote):
    pauses = Pauses()

    fault = refusal(remote._replace(cancellation=pauses), "127.0.0.1:1/shop/web:1")

    assert (fault.message, fault.answered) == (
        "cannot reach 127.0.0.1:1",
        "ECONNREFUSED (Connection refused)",
    )
    assert pauses.seconds == []


def test_a_registry_of_this_machine_that_is_started_anew_meanwhile_is_waited_for(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    def stop(handler: Any) -> None:
        registry.server.shutdown()
        registry.server.server_close()
        broken_after(1000, BLOB)(handler)

    class Restarted(Pauses):
        def pause(self, seconds: float) -> None:
            super().pause(seconds)
            with self._lock:
                # the line broke, and then nobody listened
                if len(self.seconds) >= 2 and not again:
                    serving = scripted_registry.serve(port=registry.server.server_port)
                    again.append(until.enter_context(serving))
                    again[0].add("shop/web:1", LARGE)

    again: list[ScriptedRegistry] = []
    registry.faults.append(once(stop, BLOB))
    with ExitStack() as until:
        remote._replace(cancellation=Restarted()).pull(name)

    assert remote.content(name, "noise") == NOISE


def test_a_stall_is_given_up_and_gone_on_with(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(stalled_after(5000, BLOB))

    remote._replace(idle_seconds=0.2).pull(name)

    assert remote.content(name, "noise") == NOISE


def test_a_registry_that_stalls_at_first_is_not_taken_for_one_with_tls(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(once(lambda handler: handler.registry.released.wait(0.6), TAG))

    remote._replace(idle_seconds=0.3).pull(name)

    assert remote.content(name, "noise") == NOISE


def test_a_registry_without_ranges_sends_all_of_it_again(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults += [broken_after(1000, BLOB), without_ranges(BLOB)]

    remote.pull(name)

    assert remote.content(name, "noise") == NOISE


def test_a_range_that_cannot_be_begins_anew(remote: Remote, registry: ScriptedRegistry, name: str):
    registry.faults += [broken_after(1000, BLOB), refused(416, BLOB)]

    remote.pull(name)

    assert remote.content(name, "noise") == NOISE


def test_another_range_than_was_asked_for_is_refused(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    wrong = {"Content-Range": f"bytes 900-{SIZE - 1}/{SIZE}"}
    registry.faults += [
        broken_after(1000, BLOB),
        once(lambda handler: handler.reply(206, handler.content()[900:], wrong), BLOB),
    ]

    fault = refusal(remote, name)

    assert fault.code == "E546"
    assert fault.message.endswith("answers with another part of a blob than was asked for")


def test_a_manifest_that_breaks_off_is_asked_for_again(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    def half(handler: scripted_registry.Handler) -> None:
        handler.head(200, 1000, {"Content-Type": manifest.OCI_MANIFEST})
        handler.wfile.write(b"{")
        handler.close_connection = True

    registry.faults.append(once(half, TAG, times=4))

    assert remote.pull(name).is_new


def test_a_manifest_that_trickles_without_end_is_given_up(
    remote: Remote, registry: ScriptedRegistry, name: str, monkeypatch: pytest.MonkeyPatch
):
    """Each byte comes in time, and there is always one more."""
    monkeypatch.setattr(http_client, "SMALL_SECONDS", 0.0)

    def trickle(handler: scripted_registry.Handler) -> None:
        handler.head(200, 1000, {"Content-Type": manifest.OCI_MANIFEST})
        handler.wfile.write(b" ")
        handler.wfile.flush()
        handler.registry.released.wait()

    registry.faults.append(once(trickle, TAG, times=99))

    assert refusal(remote, name).message == "an answer does not come to its end"


# --- a registry that is busy


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_for_again(
    remote: Remote, registry: ScriptedRegistry, name: str, status: int
):
    registry.faults += [refused(status, TAG, times=2), refused(status, BLOB, times=2)]

    assert remote.pull(name).is_new


def test_five_attempts_are_enough(remote: Remote, registry: ScriptedRegistry, name: str):
    said = error("UNKNOWN", "the disk is full")
    registry.faults.append(refused(500, TAG, times=99, said=said))

    fault = refusal(remote, name)

    assert registry.count(TAG) == 5
    assert (fault.code, fault.message) == ("E540", f"{registry.host} cannot answer")
    assert fault.answered == "UNKNOWN: the disk is full"


def test_pauses_double_and_are_never_the_same_for_all(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    pauses = Pauses()
    registry.faults.append(refused(503, TAG, times=4))

    remote._replace(cancellation=pauses).pull(name)

    assert pauses.seconds == [0.0005, 0.001, 0.002, 0.004]


def test_retry_after_is_obeyed_in_seconds_and_as_a_date(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    pauses = Pauses()
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    registry.faults += [
        refused(429, TAG, Retry_After="7"),
        refused(503, BLOB, Retry_After=soon),
    ]

    remote._replace(cancellation=pauses).pull(name)

    seconds, date = pauses.seconds
    assert seconds == 7.0
    assert 30 < date <= 60


def test_a_rate_limit_of_hours_is_said_at_once_with_the_registry_s_words(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    said = error("TOOMANYREQUESTS", "You have reached your pull rate limit")
    registry.faults.append(refused(429, TAG, times=99, said=said, Retry_After="21600"))

    fault = refusal(remote, name)

    assert registry.count(TAG) == 1
    assert fault.code == "E544"
    assert fault.message == f"{registry.host} lets us fetch no more for now"
    assert fault.answered == "TOOMANYREQUESTS: You have reached your pull rate limit"
    assert fault.hint == (
        f"it says to come back after 6 hours; a login may have a larger share: `pycompose login {registry.host}`"
    )


def test_one_layer_s_trouble_does_not_stop_the_others(remote: Remote, registry: ScriptedRegistry):
    image = layouts.image(*(Tar().file(f"f{number}", NOISE[:9999]).bytes for number in range(6)))
    registry.add("shop/six:1", image)
    trouble = f"GET .*/blobs/{image.layers[2].digest}"
    registry.faults += [refused(503, trouble, times=2), broken_after(50, trouble)]

    remote.pull(f"{registry.host}/shop/six:1")

    assert all(registry.count(f"GET .*/blobs/{layer.digest}") == 1 for layer in image.layers[3:])


# --- a registry that lies


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data + b"x", id="longer"),
        pytest.param(lambda data: data[:-1], id="shorter"),
        pytest.param(lambda data: b"", id="empty"),
    ],
)
def test_a_blob_of_another_length_is_refused(
    remote: Remote, registry: ScriptedRegistry, name: str, change: Callable[[bytes], bytes]
):
    registry.faults.append(replaced(change, BLOB, times=99))

    fault = refusal(remote, name)

    assert (type(fault), fault.code) == (digests.BadDigest, "E511")
    assert fault.message.endswith(f"sends a blob that has not the {SIZE} bytes announced")


def test_a_blob_with_another_digest_is_fetched_once_more_and_then_refused(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(replaced(lambda data: b"X" + data[1:], BLOB, times=2))

    fault = refusal(remote, name)

    assert (type(fault), fault.code) == (digests.BadDigest, "E511")
    assert registry.count(BLOB) == 2
    assert not remote.store.blobs.has(LAYER)
    assert remote.pull(name).is_new


def test_a_blob_that_was_damaged_once_is_whole_at_the_second_try(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(replaced(lambda data: b"X" + data[1:], BLOB))

    remote.pull(name)

    assert remote.content(name, "noise") == NOISE


@pytest.mark.parametrize("part", ["manifest", "config"])
def test_a_document_with_another_digest_is_refused(
    remote: Remote, registry: ScriptedRegistry, part: str
):
    if part == "config":
        registry.blobs[LARGE.config.digest] = b'{"os":"linux"}'.ljust(len(LARGE.config.data), b" ")
    name = f"{registry.host}/shop/web@{LARGE.manifest.digest}"
    if part == "manifest":
        changed = LARGE.manifest.data.replace(b"}", b" }", 1)
        registry.manifests[f"shop/web@{LARGE.manifest.digest}"] = (changed, manifest.OCI_MANIFEST)

    assert refusal(remote, name).code == "E511"


def with_manifest(registry: ScriptedRegistry, document: object, media_type: str = "") -> str:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    registry.put("shop/odd", "1", data, media_type or manifest.OCI_MANIFEST)
    return f"{registry.host}/shop/odd:1"


def base(**more: object) -> dict[str, object]:
    document: dict[str, object] = json.loads(LARGE.manifest.data)
    return {**document, **more}


AMBIGUOUS = {
    "both kinds (V51)": base(manifests=[]),
    "neither kind (V51)": {"schemaVersion": 2},
    "calls itself another than it is sent as (V51)": base(mediaType=manifest.DOCKER_MANIFEST),
    "an index that calls itself a manifest (V51)": {
        "schemaVersion": 2,
        "mediaType": manifest.OCI_MANIFEST,
        "manifests": [],
    },
    "a key twice (V51)": b'{"schemaVersion":2,"layers":[],"layers":[],"config":{}}',
    "no JSON": b"<html>",
    "a list": b"[]",
}


@pytest.mark.parametrize("document", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_manifest_that_can_be_read_in_two_ways_is_refused(
    remote: Remote, registry: ScriptedRegistry, document: object
):
    assert refusal(remote, with_manifest(registry, document)).code == "E530"


@pytest.mark.parametrize(
    "digest",
    ["sha256:../../x", "sha256:" + "A" * 64, "sha256:abc", "md5:" + "a" * 32, "", 7],
)
def test_a_digest_that_is_none_never_becomes_a_path(
    remote: Remote, registry: ScriptedRegistry, digest: object
):
    layer = {**LARGE.layers[0].descriptor, "digest": digest}

    fault = refusal(remote, with_manifest(registry, base(layers=[layer])))

    assert fault.code == "E510"
    assert registry.count("/blobs/") == 0


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_a_foreign_layer_is_refused_and_its_addresses_are_never_asked(
    remote: Remote, registry: ScriptedRegistry, media_type: str
):
    with scripted_registry.serve() as elsewhere:
        layer = {
            **LARGE.layers[0].descriptor,
            "mediaType": media_type,
            "urls": [f"{elsewhere.url}/v2/x/blobs/{LAYER}"],
        }

        fault = refusal(remote, with_manifest(registry, base(layers=[layer])))

        assert fault.code == "E533"
        assert elsewhere.requests == []


def test_what_is_no_container_image_is_refused(remote: Remote, registry: ScriptedRegistry):
    config = {**LARGE.config.descriptor, "mediaType": "application/vnd.cncf.helm.config.v1+json"}

    fault = refusal(remote, with_manifest(registry, base(config=config)))

    assert fault.code == "E531"
    assert "its config is of type `application/vnd.cncf.helm.config.v1+json`" in fault.message


def test_docker_schema_1_is_refused(remote: Remote, registry: ScriptedRegistry):
    document = {"schemaVersion": 1, "name": "x", "fsLayers": [], "history": []}
    media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws"

    assert refusal(remote, with_manifest(registry, document, media_type)).code == "E532"


def test_indexes_within_indexes_have_an_end(remote: Remote, registry: ScriptedRegistry):
    platform = {"os": "linux", "architecture": "amd64"}
    entry = {**LARGE.manifest.descriptor, "platform": platform}
    for _ in range(6):
        data = layouts.dump({"schemaVersion": 2, "manifests": [entry]})
        digest = registry.put("shop/deep", "1", data, manifest.OCI_INDEX)
        entry = {
            "mediaType": manifest.OCI_INDEX,
            "digest": digest,
            "size": len(data),
            "platform": platform,
        }

    fault = refusal(remote, f"{registry.host}/shop/deep:1")

    assert fault.message == "indexes within indexes without end"


# --- a registry that floods (V54)


def test_a_manifest_is_read_up_to_its_limit(remote: Remote, registry: ScriptedRegistry):
    name = with_manifest(registry, b" " * (manifest.MAX_MANIFEST + 1))

    fault = refusal(remote, name)

    assert (fault.code, fault.message) == ("E546", "the answer has more than 4194304 bytes")


def test_an_endless_manifest_is_read_up_to_its_limit(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    def endless(handler: scripted_registry.Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while not handler.registry.released.is_set():
                handler.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        except OSError:
            handler.close_connection = True

    registry.faults.append(once(endless, TAG))

    assert refusal(remote, name).code == "E546"


def test_a_config_is_refused_by_its_size_alone(remote: Remote, registry: ScriptedRegistry):
    config = {**LARGE.config.descriptor, "size": manifest.MAX_CONFIG + 1}

    fault = refusal(remote, with_manifest(registry, base(config=config)))

    assert fault.code == "E512"
    assert registry.count("/blobs/") == 0


def test_more_space_than_there_is_is_said_before_anything_comes(
    remote: Remote, registry: ScriptedRegistry
):
    size = 1 << 60
    layer = {**LARGE.layers[0].descriptor, "size": size}

    fault = refusal(remote, with_manifest(registry, base(layers=[layer])))

    assert fault.code == "E524"
    assert f"{size} bytes or more are needed" in fault.message
    assert registry.count(BLOB) == 0


# --- a registry that sends us elsewhere (V50)


@pytest.fixture
def elsewhere() -> Iterator[ScriptedRegistry]:
    with scripted_registry.serve() as registry:
        registry.add("shop/web:1", LARGE)
        yield registry


def log_in(remote: Remote, registry: ScriptedRegistry) -> None:
    """The user has a login for the registry, and for it alone."""
    registry.login = "anna:secret"
    from runtime.images.credentials import Credentials
    from runtime.values import Login

    Credentials(remote.environment).store(registry.host, Login(username="anna", password="secret"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_the_login(
    remote: Remote,
    registry: ScriptedRegistry,
    elsewhere: ScriptedRegistry,
    name: str,
    status: int,
):
    log_in(remote, registry)
    target = f"{elsewhere.url}/v2/shop/web/blobs/{LAYER}?signature=x"
    registry.faults.append(redirected(target, BLOB, status=status))

    remote.pull(name)

    assert remote.content(name, "noise") == NOISE
    assert [one.path for one in elsewhere.requests] == [f"/v2/shop/web/blobs/{LAYER}?signature=x"]
    assert "authorization" not in elsewhere.requests[0].headers
    assert "authorization" in registry.requests[-1].headers


def test_the_place_of_a_redirect_gets_no_login_however_it_asks_for_one(
    remote: Remote, registry: ScriptedRegistry, elsewhere: ScriptedRegistry, name: str
):
    log_in(remote, registry)
    elsewhere.login = "nobody:knows"
    registry.faults.append(redirected(f"{elsewhere.url}/v2/shop/web/blobs/{LAYER}", BLOB, times=99))

    fault = refusal(remote, name)

    assert fault.code == "E542"
    assert [one.headers.get("authorization") for one in elsewhere.requests] == [None]


def test_after_a_redirect_that_broke_off_the_registry_is_asked_again(
    remote: Remote, registry: ScriptedRegistry, elsewhere: ScriptedRegistry, name: str
):
    """Addresses of a store behind a registry are good for minutes only."""
    log_in(remote, registry)
    registry.faults.append(redirected(f"{elsewhere.url}/v2/shop/web/blobs/{LAYER}", BLOB, times=99))
    elsewhere.faults.append(broken_after(1000, BLOB))

    remote.pull(name)

    assert [one.headers.get("range") for one in elsewhere.requests] == [None, "bytes=1000-"]
    assert all("authorization" not in one.headers for one in elsewhere.requests)
    assert registry.count(BLOB) == 2


def test_a_redirect_in_a_circle_ends(remote: Remote, registry: ScriptedRegistry, name: str):
    here = f"{registry.url}/v2/shop/web/blobs/{LAYER}"
    registry.faults.append(redirected(here, BLOB, times=99))

    fault = refusal(remote, name)

    assert (fault.code, fault.message) == (
        "E546",
        f"{registry.host}/shop/web redirects without end",
    )
    assert registry.count(BLOB) == 6


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://x/", "http://", ""])
def test_a_redirect_to_no_web_address_is_refused(
    remote: Remote, registry: ScriptedRegistry, name: str, target: str
):
    registry.faults.append(redirected(target, BLOB, times=99))

    assert refusal(remote, name).code == "E546"


# --- who we are


def test_a_login_is_sent_after_the_question_and_then_with_each_request(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    log_in(remote, registry)

    remote.pull(name)

    assert ["authorization" in one.headers for one in registry.requests] == [
        False,
        True,
        True,
        True,
    ]


def test_denied_says_what_the_registry_said(remote: Remote, registry: ScriptedRegistry, name: str):
    registry.login = "anna:other"

    fault = refusal(remote, name)

    assert fault.code == "E542"
    assert fault.message == (
        f"pull access denied for {name}: it does not exist, or needs another login"
    )
    assert fault.answered == "UNAUTHORIZED: authentication required"
    assert fault.hint == f"log in with `pycompose login {registry.host}`"


def test_a_wrong_login_is_tried_once(remote: Remote, registry: ScriptedRegistry, name: str):
    log_in(remote, registry)
    registry.login = "anna:changed"

    fault = refusal(remote, name)

    assert fault.code == "E542"
    assert len(registry.requests) == 2


def test_a_token_is_fetched_with_the_login_and_shared_by_all_requests(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    log_in(remote, registry)
    registry.realm = f"{registry.url}/token"

    remote.pull(name)

    questions = [one for one in registry.requests if one.path.startswith("/token")]
    assert [one.path for one in questions] == [
        "/token?service=tests&scope=repository%3Ashop%2Fweb%3Apull"
    ]
    assert questions[0].headers["authorization"].startswith("Basic ")
    used = {one.headers.get("authorization") for one in registry.requests} - {None}
    assert used - {questions[0].headers["authorization"]} == {"Bearer token-0"}


def test_a_token_without_a_login_is_fetched_too(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.realm = f"{registry.url}/token"

    assert remote.pull(name).is_new


@pytest.mark.parametrize("uses", [4, 6])
def test_a_token_that_ends_in_the_middle_is_renewed(
    remote: Remote, registry: ScriptedRegistry, uses: int
):
    log_in(remote, registry)
    registry.realm = f"{registry.url}/token"
    registry.uses_of_a_token = uses
    image = layouts.image(*(Tar().file(f"f{number}", NOISE[:9999]).bytes for number in range(6)))
    registry.add("shop/six:1", image)

    assert remote.pull(f"{registry.host}/shop/six:1").is_new


def test_an_identity_token_is_exchanged(remote: Remote, registry: ScriptedRegistry, name: str):
    from runtime.images.credentials import Credentials
    from runtime.values import Login

    registry.login = "identity"
    registry.realm = f"{registry.url}/token"
    Credentials(remote.environment).store(
        registry.host, Login(username="anna", identity_token="identity")
    )

    assert remote.pull(name).is_new
    assert registry.count("^POST /token") == 1


def test_a_refused_login_says_what_the_token_server_said(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    log_in(remote, registry)
    registry.realm = f"{registry.url}/token"
    registry.login = "anna:changed"

    fault = refusal(remote, name)

    assert (fault.code, fault.answered) == ("E542", "incorrect username or password")


def test_a_token_server_elsewhere_gets_nothing(
    remote: Remote, registry: ScriptedRegistry, elsewhere: ScriptedRegistry, name: str
):
    """On another host and without TLS: not even the question goes there."""
    log_in(remote, registry)
    registry.realm = f"http://localhost:{elsewhere.port}/token"

    fault = refusal(remote, name)

    assert fault.code == "E543"
    assert elsewhere.requests == []


def test_a_token_server_that_redirects_is_not_followed(
    remote: Remote, registry: ScriptedRegistry, elsewhere: ScriptedRegistry, name: str
):
    log_in(remote, registry)
    registry.realm = f"{registry.url}/token"
    registry.faults.append(redirected(f"{elsewhere.url}/token", "/token", times=99))

    fault = refusal(remote, name)

    assert fault.code == "E543"
    assert fault.message.endswith("not to be trusted: it redirects to another place")
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"token": 7}', b'{"token": "a\\r\\nX-Evil: 1"}']
)
def test_a_token_that_is_none_is_refused(
    remote: Remote, registry: ScriptedRegistry, name: str, answer: bytes
):
    registry.realm = f"{registry.url}/token"
    registry.faults.append(refused(200, "/token", times=99, said=answer))

    assert refusal(remote, name).code == "E543"


def test_a_token_is_read_up_to_its_limit(remote: Remote, registry: ScriptedRegistry, name: str):
    registry.realm = f"{registry.url}/token"
    registry.faults.append(refused(200, "/token", times=99, said=b" " * ((1 << 20) + 1)))

    assert refusal(remote, name).code == "E546"


def test_a_token_server_that_is_busy_is_asked_again(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.realm = f"{registry.url}/token"
    registry.faults.append(refused(503, "/token", times=2))

    assert remote.pull(name).is_new


# --- no such thing


def test_a_layer_that_the_registry_lost_is_named(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    del registry.blobs[LAYER]

    fault = refusal(remote, name)

    assert isinstance(fault, NotFound)
    assert fault.message == (
        f"a part of {registry.host}/shop/web, {LAYER[:19]}, is not in the registry"
    )


def test_control_characters_of_an_answer_reach_nobody_s_terminal(
    remote: Remote, registry: ScriptedRegistry, name: str
):
    registry.faults.append(
        refused(404, TAG, said=error("X", "\x1b[2J\x07 cleared")),
    )

    assert refusal(remote, name).answered == "X: [2J cleared"
