"""What indexes, manifests and image configs say. Pure: bytes in, values out; nothing is fetched.

OCI and Docker schema 2, which differ in media types alone. Refused clearly: schema 1, foreign
layers, a document that could be read as two kinds (V51), what is no container image.
Sources: the OCI image specification, Docker's schema 2 page.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runtime.errors import NotFound, RuntimeFault
from runtime.images import digests
from runtime.values import HealthOptions, ImageConfig

MAX_MANIFEST = 4 << 20
MAX_CONFIG = 8 << 20
MAX_LAYERS = 500

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
ACCEPTED = (*MANIFESTS, *INDEXES)
_LAYERS = frozenset(
    (
        OCI_LAYER,
        f"{OCI_LAYER}+gzip",
        f"{OCI_LAYER}+zstd",
        DOCKER_LAYER,
        f"{DOCKER_LAYER}.gzip",
        f"{DOCKER_LAYER}.zstd",
    )
)


class BadImage(RuntimeFault):
    """A document that is no image that can be run here."""

    def __init__(self, message: str, *, code: str = "E530", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)


class Platform(NamedTuple):
    """`linux/arm64/v8`."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class Descriptor(NamedTuple):
    """What a document says of another blob."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = {}

    @property
    def is_attestation(self) -> bool:
        return "vnd.docker.reference.type" in self.annotations


class Index(NamedTuple):
    manifests: tuple[Descriptor, ...]


class Manifest(NamedTuple):
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = {}


class History(NamedTuple):
    """One line of `image history`."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    is_empty: bool = False
    """It changed the config alone: no layer belongs to it."""


class Config(NamedTuple):
    """An image config: what containers get from it, and what identifies the layers."""

    image: ImageConfig
    diff_ids: tuple[str, ...]
    history: tuple[History, ...]

    @property
    def platform(self) -> Platform:
        return platform_of(self.image)


def parse_manifest(data: bytes, media_type: str = "") -> Index | Manifest:
    """`media_type` is what the sender called it; the document must not say otherwise (V51)."""
    document = _load(data, MAX_MANIFEST, "manifest")
    kind = _kind_of(document, media_type.partition(";")[0].strip())
    if kind in INDEXES:
        entries = _list(document, "manifests")
        return Index(tuple(_descriptor(entry) for entry in entries))
    layers = tuple(_descriptor(entry) for entry in _list(document, "layers"))
    if len(layers) > MAX_LAYERS:
        raise BadImage(f"the image has {len(layers)} layers; {MAX_LAYERS} are allowed")
    for layer in layers:
        _check_layer(layer)
    config = _descriptor(document.get("config"))
    if config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        raise BadImage(
            f"this is no container image: its config is of type `{config.media_type}`",
            code="E531",
            hint="it may be a chart, a policy or another artifact kept in a registry",
        )
    return Manifest(kind, config, layers, _texts(document.get("annotations")))


def _kind_of(document: Mapping[str, Any], sent_as: str) -> str:
    own = document.get("mediaType", "")
    if document.get("schemaVersion") == 1:
        raise BadImage(
            "the image is in Docker's schema 1, which nobody writes any more",
            code="E532",
            hint="pull it with an old Docker and push it again",
        )
    has_manifests, has_layers = "manifests" in document, "layers" in document
    if has_manifests == has_layers or (has_manifests and "config" in document):
        raise BadImage("the manifest is neither clearly an image nor clearly an index")
    known = INDEXES if has_manifests else MANIFESTS
    if sent_as in ACCEPTED and own and own != sent_as:
        raise BadImage(f"the manifest was sent as `{sent_as}` and calls itself `{own}`")
    kind = own or (sent_as if sent_as in ACCEPTED else known[0])
    if kind not in known:
        raise BadImage(f"a manifest of type `{kind}` with the content of another one")
    return str(kind)


def _check_layer(layer: Descriptor) -> None:
    if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
        raise BadImage(
            "the image has a foreign layer, which its registry is not allowed to keep",
            code="E533",
            hint="such images are for Windows; use one for linux",
        )
    if layer.media_type not in _LAYERS:
        raise BadImage(
            f"the image has a layer of type `{layer.media_type}`, which no root can be made of",
            code="E531",
        )


def choose(index: Index, wanted: Platform, *, name: str = "image") -> Descriptor:
    """The manifest for a platform. Raises NotFound, with the platforms that there are."""
    candidates = [
        (rank, entry)
        for entry in index.manifests
        if entry.media_type in ACCEPTED
        and not entry.is_attestation
        and (rank := _rank(entry.platform, wanted)) is not None
    ]
    if not candidates:
        names = sorted({str(entry.platform) for entry in index.manifests if _is_real(entry)})
        raise NotFound(
            f"{name} is not made for {wanted}",
            code="E534",
            answered=f"it is made for {', '.join(names) or 'nothing'}",
            hint="choose another tag, or give one of these as `platform:`",
        )
    return min(candidates, key=lambda candidate: candidate[0])[1]


def check_platform(offered: Platform, wanted: Platform, *, name: str) -> None:
    """For an image that comes without an index. Raises NotFound."""
    if not runs_on(offered, wanted):
        raise NotFound(
            f"{name} is not made for {wanted}",
            code="E534",
            answered=f"it is made for {offered}",
            hint="choose another tag, or give that as `platform:`",
        )


def runs_on(offered: Platform, wanted: Platform) -> bool:
    return _rank(offered, wanted) is not None


def platform_of(image: ImageConfig) -> Platform:
    return Platform(image.os, image.architecture, image.variant)


def _is_real(entry: Descriptor) -> bool:
    return not entry.is_attestation and entry.platform is not None


def _rank(offered: Platform | None, wanted: Platform) -> int | None:
    """0 is the best; None does not run there."""
    if offered is None:
        return 1000
    if (offered.os, offered.architecture) != (wanted.os, wanted.architecture):
        return None
    have, want = _level(offered), _level(wanted)
    return want - have if have <= want else None


# A processor runs what was made for a lower level. The unnamed level is the usual one
_USUAL = {"arm": 7, "arm64": 8, "amd64": 1}


def _level(platform: Platform) -> int:
    digits = platform.variant.removeprefix("v").partition(".")[0]
    is_level = digits.isdecimal() and len(digits) < 4
    return int(digits) if is_level else _USUAL.get(platform.architecture, 0)


_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "i386": "386",
    "i686": "386",
}


def parse_platform(text: str, machine: Platform) -> Platform:
    """`linux/arm64/v8`, `linux`, `arm64`; what is missing is the machine's. Raises BadImage."""
    if not text:
        return machine
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(
        part.replace("_", "").replace("-", "").isalnum() for part in parts
    ):
        raise BadImage(
            f"`{text}` is no platform", code="E535", hint="write OS/ARCHITECTURE, as linux/arm64"
        )
    if len(parts) == 1 and parts[0] != machine.os:
        parts = [machine.os, parts[0]]
    if len(parts) == 1:
        return machine
    architecture = _ARCHITECTURES.get(parts[1], parts[1])
    variant = parts[2] if len(parts) == 3 else ""
    if not variant and parts[1] == "armel":
        variant = "v6"
    return Platform(parts[0], architecture, variant)


def parse_config(data: bytes, digest: str) -> Config:
    """The config of an image; `digest` is its own, and becomes the image's id."""
    document = _load(data, MAX_CONFIG, "config")
    root = _mapping(document.get("rootfs"))
    diff_ids = tuple(digests.check_digest(text) for text in _list(root, "diff_ids"))
    history = tuple(_history(entry) for entry in _list(document, "history"))
    image = _image_config(document, _mapping(document.get("config")), digest)
    return Config(image, diff_ids, history)


def _image_config(
    document: Mapping[str, Any], options: Mapping[str, Any], digest: str
) -> ImageConfig:
    return ImageConfig(
        id=digest,
        entrypoint=_words(options.get("Entrypoint")),
        command=_words(options.get("Cmd")),
        # V33: `FOO` alone would take the value of the engine's own environment
        environment=tuple(pair for pair in _words(options.get("Env")) if _is_pair(pair)),
        user=_text(options.get("User")),
        working_dir=_text(options.get("WorkingDir")),
        exposed_ports=tuple(sorted(_port(text) for text in _mapping(options.get("ExposedPorts")))),
        volumes=tuple(sorted(_path(text) for text in _mapping(options.get("Volumes")))),
        stop_signal=_text(options.get("StopSignal")),
        healthcheck=_health(options.get("Healthcheck")),
        shell=_words(options.get("Shell")),
        labels=_texts(options.get("Labels")),
        architecture=_text(document.get("architecture")),
        os=_text(document.get("os")) or "linux",
        variant=_text(document.get("variant")),
        created=_text(document.get("created")),
    )


def _is_pair(text: str) -> bool:
    return text.find("=") > 0


def _path(text: str) -> str:
    if "\0" in text:
        raise BadImage("the image has a volume whose path holds a NUL character")
    return text


def _port(text: str) -> str:
    return text if "/" in text else f"{text}/tcp"


def _health(value: Any) -> HealthOptions | None:
    """Nanoseconds become seconds; 0 means that the image does not say."""
    options = _mapping(value)
    if not options:
        return None

    def seconds(key: str) -> float | None:
        number = options.get(key)
        return number / 1e9 if isinstance(number, int) and number > 0 else None

    retries = options.get("Retries")
    return HealthOptions(
        test=_words(options.get("Test")) or None,
        interval=seconds("Interval"),
        timeout=seconds("Timeout"),
        retries=retries if isinstance(retries, int) and retries > 0 else None,
        start_period=seconds("StartPeriod"),
        start_interval=seconds("StartInterval"),
    )


def _history(entry: Any) -> History:
    line = _mapping(entry)
    return History(
        _text(line.get("created")),
        _text(line.get("created_by")),
        _text(line.get("comment")),
        bool(line.get("empty_layer")),
    )


def seconds_of(created: str) -> float:
    """Seconds since the epoch of a time as configs write it; 0.0 when it is none."""
    try:
        moment = datetime.datetime.fromisoformat(_short_fraction(created))
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()


def _short_fraction(text: str) -> str:
    """Go writes nanoseconds, Python reads microseconds."""
    whole, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return f"{whole}.{digits[:6]}{rest[len(digits) :]}" if dot else text


# --- documents that may hold anything

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def _load(data: bytes, limit: int, what: str) -> Mapping[str, Any]:
    if len(data) > limit:
        raise BadImage(f"a {what} of {len(data)} bytes; {limit} are allowed", code="E512")
    try:
        document = json.loads(data, object_pairs_hook=_without_doubles)
        if _HALF.search(data):
            document = _whole(document)
    except (ValueError, RecursionError) as error:
        raise BadImage(f"the {what} is no JSON document: {error}") from error
    if not isinstance(document, dict):
        raise BadImage(f"the {what} is no JSON object")
    return document


def _whole(document: Any) -> Any:
    """Half a character, which JSON can write and nothing else, becomes U+FFFD, as Go has it."""
    text = json.dumps(document, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers could see two different documents (V51)."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands twice")
    return document


def _descriptor(value: Any) -> Descriptor:
    entry = _mapping(value)
    size = entry.get("size")
    if not isinstance(size, int) or size < 0:
        raise BadImage("a descriptor without a size")
    platform = entry.get("platform")
    return Descriptor(
        _text(entry.get("mediaType")),
        digests.check_digest(entry.get("digest")),
        size,
        _platform(_mapping(platform)) if platform else None,
        _texts(entry.get("annotations")),
    )


def _platform(value: Mapping[str, Any]) -> Platform:
    return Platform(
        _text(value.get("os")), _text(value.get("architecture")), _text(value.get("variant"))
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadImage("a field of the document has the wrong type")
    return value


def _texts(value: Any) -> dict[str, str]:
    return {str(key): _text(text) for key, text in _mapping(value).items()}


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadImage(f"`{key}` of the document is no list")
    return value


def _words(value: Any) -> tuple[str, ...]:
    """A list of words; old images have a single text."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise BadImage("a field of the config has the wrong type")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadImage("a field of the document has the wrong type")
    return value
