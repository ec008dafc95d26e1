"""Configs and manifests as other tools write them, and as nobody should: read, or refused with a reason."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RuntimeFault
from runtime.images import manifest
from runtime.images.manifest import BadImage, Platform, parse_config, parse_manifest

ID = "sha256:" + "a" * 64
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2020-01-02T03:04:05.123456789Z",
    "config": {
        "Cmd": ["sh"],
        "Env": ["A=1"],
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
        "Labels": {"a": "b"},
        "Shell": ["sh", "-c"],
        "User": "app",
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
    },
    "history": [{"created_by": "x", "empty_layer": True}],
    "rootfs": {"type": "layers", "diff_ids": [ID]},
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": manifest.OCI_MANIFEST,
    "config": {"mediaType": manifest.OCI_CONFIG, "digest": ID, "size": 2},
    "layers": [{"mediaType": manifest.OCI_LAYER, "digest": ID, "size": 3}],
    "annotations": {"a": "b"},
}
INDEX = {
    "schemaVersion": 2,
    "manifests": [
        {
            "mediaType": manifest.OCI_MANIFEST,
            "digest": ID,
            "size": 2,
            "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
        }
    ],
}


def config(**options: Any) -> manifest.Config:
    return parse_config(json.dumps({**CONFIG, "config": options}).encode(), ID)


def test_what_a_config_leaves_out_may_be_null_as_well():
    null = dict.fromkeys(CONFIG["config"])
    assert config(**null).image == config().image
    assert parse_config(json.dumps({**CONFIG, "config": None, "history": None}).encode(), ID)


def test_old_configs_have_a_text_for_a_list_of_words():
    image = config(Entrypoint="/start", Cmd="now").image
    assert (image.entrypoint, image.command) == (("/start",), ("now",))


def test_half_a_character_is_replaced():
    """JSON can write it; no file, no process and no database can hold it."""
    data = json.dumps(
        {**CONFIG, "config": {"Env": ["A=\ud800x"], "Labels": {"\udfff": "\U0001f600"}}}
    )
    image = parse_config(data.encode(), ID).image
    assert image.environment == ("A=\ufffdx",)
    assert image.labels == {"\ufffd": "\U0001f600"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"Volumes": {"/a\0b": {}}}, "the image has a volume whose path holds a NUL character"),
        ({"Env": "A=1 B=2", "Cmd": 1}, "a field of the config has the wrong type"),
        ({"Labels": ["a=b"]}, "a field of the document has the wrong type"),
    ],
)
def test_a_config_that_cannot_be_is_refused(options: dict[str, Any], said: str):
    with pytest.raises(BadImage) as caught:
        config(**options)
    assert caught.value.message == said


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document, from its top."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


ODD = st.sampled_from(
    [None, True, -1, 1.5, 10**40, "", "x", "\ud800", "9" * 5000, [], {}, [None], {"a": None}]
)
DOCUMENTS = [MANIFEST, INDEX, CONFIG]


@given(st.sampled_from(DOCUMENTS), st.data())
def test_whatever_stands_in_a_document_it_is_read_or_refused(document: Any, data: st.DataObject):
    changed = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.sampled_from([place for place in places(changed) if place]))
        parent = changed
        for key in where[:-1]:
            parent = parent[key]
        parent[where[-1]] = copy.deepcopy(data.draw(ODD))
    text = json.dumps(changed).encode()
    with contextlib.suppress(RuntimeFault):
        if document is CONFIG:
            manifest.seconds_of(parse_config(text, ID).image.created)
        elif isinstance(read := parse_manifest(text), manifest.Index):
            manifest.choose(read, Platform("linux", "arm64"))


@pytest.mark.parametrize("variant", ["9" * 5000, "v²", "v", ""])
def test_a_variant_that_names_no_level_is_the_usual_one(variant: str):
    offered = manifest.Platform("linux", "arm64", variant)
    assert manifest.runs_on(offered, manifest.Platform("linux", "arm64", "v8"))
