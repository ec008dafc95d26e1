"""What a registry keeps that is no image: a manifest of another type, its parts held in memory.

Nothing is stored here, and what the parts mean is their reader's business. Blocking. Source: the
OCI image specification, on artifacts.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from runtime.errors import RuntimeFault
from runtime.images import digests, manifest
from runtime.images.access import Access
from runtime.images.http_client import Cancellation, Cancelled
from runtime.images.reference import Reference, parse_reference
from runtime.images.registry import Fetched, Repository

T = TypeVar("T")

MAX_PARTS = 300


class Part(NamedTuple):
    """One layer of the manifest."""

    media_type: str
    annotations: Mapping[str, str]
    data: bytes


class Artifact(NamedTuple):
    digest: str
    """Of what the name means: the index, where there is one."""
    parts: tuple[Part, ...]


def find_artifact_digest(reference: str, *, seconds: float) -> str:
    """What the name means in its registry now; "" when the registry does not say. Raises
    NotFound, RuntimeFault."""
    name = parse_reference(reference).with_tag
    if name.digest:
        return name.digest
    return _asked(name, lambda repository: repository.find_digest(name.tag), seconds)


def fetch_artifact(
    reference: str, *, type: str, config_type: str, limit: int, seconds: float
) -> Artifact:
    """The artifact that a name means in its registry now, verified.

    Of an index, the entry of that `type`; what knows no types is told by the type of its config.
    A part of more than `limit` bytes is refused, and so is what takes longer than `seconds`.
    Raises NotFound, BadImage, BadDigest, RuntimeFault.
    """
    name = parse_reference(reference).with_tag

    def fetch(repository: Repository) -> Artifact:
        fetched = repository.fetch_manifest(name.digest or name.tag)
        document = _document(fetched)
        if "manifests" in document:
            entry = _entry(document, type, name)
            document = _document(repository.fetch_manifest(entry))
        _check_type(document, type, config_type, name)
        parts = tuple(_part(repository, layer, limit) for layer in _layers(document))
        return Artifact(digest=fetched.digest, parts=parts)

    return _asked(name, fetch, seconds)


def _asked(name: Reference, ask: Callable[[Repository], T], seconds: float) -> T:
    """The answer of the first place that has it: mirrors, then the registry itself."""
    with _bounded(name, seconds) as access:
        for repository in access.sources(name):
            try:
                return ask(repository)
            except Cancelled:
                raise
            except RuntimeFault:
                if not repository.endpoint.is_mirror:
                    raise
    raise AssertionError("the registry itself is the last of its sources")


@contextmanager
def _bounded(name: Reference, seconds: float) -> Iterator[Access]:
    cancellation = Cancellation()
    timer = threading.Timer(seconds, cancellation.cancel)
    timer.daemon = True
    timer.start()
    try:
        with Access(cancellation) as access:
            yield access
    except Cancelled as error:
        raise RuntimeFault(
            f"{name.registry} did not send {name.familiar} within {seconds:g} s", code="E549"
        ) from error
    finally:
        timer.cancel()


def _document(fetched: Fetched) -> Mapping[str, Any]:
    try:
        document = json.loads(fetched.data)
    except (ValueError, RecursionError) as error:
        raise manifest.BadImage("the manifest is no JSON") from error
    if not isinstance(document, dict):
        raise manifest.BadImage("the manifest is no mapping")
    return document


def _entry(document: Mapping[str, Any], type: str, name: Reference) -> str:
    entries = document["manifests"]
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("artifactType") == type:
            return digests.check_digest(entry.get("digest"))
    raise manifest.BadImage(f"{name.familiar} is an index without `{type}`", code="E531")


def _check_type(document: Mapping[str, Any], type: str, config_type: str, name: Reference) -> None:
    config = document.get("config")
    of_config = str(config.get("mediaType", "")) if isinstance(config, dict) else ""
    own = str(document.get("artifactType") or "")
    if own != type and (own or of_config != config_type):
        raise manifest.BadImage(
            f"{name.familiar} is no `{type}`, but `{own or of_config}`", code="E531"
        )


def _layers(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    layers = document.get("layers")
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise manifest.BadImage("the manifest has no list of layers")
    if len(layers) > MAX_PARTS:
        raise manifest.BadImage(f"the artifact has {len(layers)} parts; {MAX_PARTS} are allowed")
    return layers


def _part(repository: Repository, layer: Mapping[str, Any], limit: int) -> Part:
    digest, size = digests.check_digest(layer.get("digest")), layer.get("size")
    if not isinstance(size, int) or not 0 <= size <= limit:
        raise manifest.BadImage(f"a part of the artifact has not at most {limit} bytes")
    annotations = layer.get("annotations")
    return Part(
        media_type=str(layer.get("mediaType", "")),
        annotations={
            str(key): str(value)
            for key, value in (annotations if isinstance(annotations, dict) else {}).items()
        },
        data=repository.fetch_small_blob(digest, size),
    )
