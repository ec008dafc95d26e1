"""Compose projects as `docker compose publish` leaves them in a registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin
from urllib.request import Request, urlopen

from tests.fakes.registries import Registry
from tests.fakes.scripted_registry import ScriptedRegistry

PROJECT = "application/vnd.docker.compose.project"
YAML = "application/vnd.docker.compose.file+yaml"
ENV = "application/vnd.docker.compose.envfile"
OLD_CONFIG = "application/vnd.docker.compose.config.empty.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"


class Layer(NamedTuple):
    data: bytes
    media_type: str = YAML
    annotations: Mapping[str, str] = {}


def compose_file(text: str, name: str = "compose.yaml", *, extended: bool = False) -> Layer:
    annotations = {"com.docker.compose.version": "2.40.3", "com.docker.compose.file": name}
    if extended:
        annotations["com.docker.compose.extends"] = "true"
    return Layer(text.encode(), YAML, annotations)


def env_file(text: str, name: str) -> Layer:
    return Layer(text.encode(), ENV, {"com.docker.compose.envfile": name})


def manifest(parts: Iterable[Layer], /, *, old: bool = False, **changes: Any) -> bytes:
    """`old`: for registries that know no types of artifacts."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(b"{}", OLD_CONFIG if old else EMPTY),
        "layers": [
            {**_descriptor(layer.data, layer.media_type), "annotations": layer.annotations}
            for layer in parts
        ],
        **({} if old else {"artifactType": PROJECT}),
        **changes,
    }
    return json.dumps(document).encode()


def index(artifact: bytes) -> bytes:
    """As `publish --app` makes it."""
    entry = {**_descriptor(artifact, MANIFEST), "artifactType": PROJECT}
    image = {
        **_descriptor(b"image", MANIFEST),
        "artifactType": "application/vnd.docker.compose.image",
    }
    return json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image, entry]}
    ).encode()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def add(registry: ScriptedRegistry, name: str, *layers: Layer, **changes: Any) -> str:
    """To a scripted registry; `changes` are made to the manifest. Returns the digest."""
    for data in (b"{}", *(layer.data for layer in layers)):
        registry.blobs[digest_of(data)] = data
    repository, _, tag = name.rpartition(":")
    return registry.put(repository, tag, manifest(layers, **changes), MANIFEST)


def publish(
    registry: Registry, name: str, *layers: Layer, old: bool = False, app: bool = False
) -> None:
    """To a real registry, over its own protocol."""
    repository, _, tag = name.rpartition(":")
    base = f"http://{registry.host}/v2/{repository}"
    for data in (b"{}", *(layer.data for layer in layers)):
        started = _send("POST", f"{base}/blobs/uploads/", b"")
        address = urljoin(base, started["Location"])
        joined = "&" if "?" in address else "?"
        _send("PUT", f"{address}{joined}digest={digest_of(data)}", data)
    document = manifest(layers, old=old)
    if app:
        image = manifest((), artifactType="application/vnd.docker.compose.image")
        _send("PUT", f"{base}/manifests/{digest_of(document)}", document, MANIFEST)
        _send("PUT", f"{base}/manifests/{digest_of(image)}", image, MANIFEST)
        listed = json.loads(index(document))
        listed["manifests"][0] |= {"digest": digest_of(image), "size": len(image)}
        _send("PUT", f"{base}/manifests/{tag}", json.dumps(listed).encode(), INDEX)
    else:
        _send("PUT", f"{base}/manifests/{tag}", document, MANIFEST)


def _send(method: str, url: str, data: bytes, kind: str = "application/octet-stream") -> Any:
    with urlopen(
        Request(url, data=data, method=method, headers={"Content-Type": kind}), timeout=60
    ) as answer:
        return answer.headers
