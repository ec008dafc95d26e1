"""Every tag of a repository, as the registry lists them: for `image pull --all-tags`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from runtime.errors import NotFound, RuntimeFault
from runtime.images import remote as front
from runtime.images.reference import BadReference
from tests.fakes import layouts, registries, scripted_registry
from tests.fakes.scripted_registry import Handler, ScriptedRegistry, once
from tests.runtime.images.remote import Remote, remote
from tests.runtime.images.tars import Tar

__all__ = ["remote"]

IMAGE = layouts.image(Tar().file("a", b"x").bytes)


@pytest.fixture
def registry() -> Iterator[ScriptedRegistry]:
    with scripted_registry.serve() as registry:
        for tag in "1234567":
            registry.add(f"shop/web:{tag}", IMAGE)
        registry.add("shop/other:9", IMAGE)
        yield registry


def test_tags_come_in_pages(remote: Remote, registry: ScriptedRegistry):
    assert remote.tags(f"{registry.host}/shop/web") == ("1", "2", "3", "4", "5", "6", "7")
    assert registry.asked == [
        "GET shop/web/tags/list?n=1000",
        "GET shop/web/tags/list?last=3",
        "GET shop/web/tags/list?last=6",
    ]


def test_a_repository_that_is_not_there_is_named(remote: Remote, registry: ScriptedRegistry):
    with pytest.raises(NotFound) as caught:
        remote.tags(f"{registry.host}/shop/none")
    assert caught.value.message == f"{registry.host}/shop/none is not in the registry"


@pytest.mark.parametrize(
    "sent",
    [
        b"no JSON",
        b"[]",
        b'{"tags": "1"}',
        json.dumps({"tags": ["1", "../../other/manifests/9"]}).encode(),
        json.dumps({"tags": ["1", "9?x=y"]}).encode(),
        json.dumps({"tags": [1]}).encode(),
        json.dumps({"tags": [""]}).encode(),
    ],
)
def test_what_is_no_list_of_tags_is_refused(
    remote: Remote, registry: ScriptedRegistry, sent: bytes
):
    registry.faults += [once(lambda handler: handler.reply(200, sent), on="tags/list")]
    with pytest.raises(RuntimeFault) as caught:
        remote.tags(f"{registry.host}/shop/web")
    assert caught.value.code == "E546"


def test_a_repository_without_tags_has_none(remote: Remote, registry: ScriptedRegistry):
    empty = once(lambda handler: handler.reply(200, b'{"tags": null}'), on="tags/list")
    registry.faults += [empty]
    assert remote.tags(f"{registry.host}/shop/web") == ()


def test_the_next_page_is_asked_of_the_same_registry(remote: Remote, registry: ScriptedRegistry):
    """V50: a link leads nowhere else, whatever host it names."""

    def elsewhere(handler: Handler) -> None:
        link = {"Link": '<http://192.0.2.1:9/v2/shop/other/tags/list?n=1>; rel="next"'}
        handler.reply(200, b'{"tags": ["1"]}', link)

    registry.faults += [once(elsewhere, on="web/tags/list")]
    assert remote.tags(f"{registry.host}/shop/web") == ("1", "9")
    assert registry.asked[-1] == "GET shop/other/tags/list?n=1"


def test_a_list_without_end_is_given_up(
    remote: Remote, registry: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("runtime.images.registry._MAX_PAGES", 5)

    def circle(handler: Handler) -> None:
        handler.reply(200, b'{"tags": ["1"]}', {"Link": f'<{handler.path}>; rel="next"'})

    registry.faults += [once(circle, on="tags/list", times=100)]
    with pytest.raises(RuntimeFault, match="lists its tags without end"):
        remote.tags(f"{registry.host}/shop/web")


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["shop:1", f"shop@sha256:{'0' * 64}"])
async def test_a_name_with_a_tag_means_one_image(name: str):
    with pytest.raises(BadReference, match="every tag is meant, and it names one"):
        await front.list_tags(name)


@pytest.mark.servers
def test_debian_s_registry_lists_its_tags(remote: Remote, tmp_path_factory: pytest.TempPathFactory):
    with registries.serve(tmp_path_factory.mktemp("registry")) as registry:
        for tag in ("1", "2", "latest"):
            registry.add(f"shop/web:{tag}", IMAGE)
        assert sorted(remote.tags(f"{registry.host}/shop/web")) == ["1", "2", "latest"]
