"""What is mounted into a container: volumes, tmpfs, devices as files, configs and secrets.

Source: 8.2, 10.2 and 15.3 of the Compose file reference.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.shapes import BindSource, as_lists, before_equals
from compose.model.units import Bytes, Natural, print_scalar
from compose.tree import Node, Refused

_PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
_LABELS = ("z", "Z")
_DRIVE = re.compile(r"[a-zA-Z]:(?:\\|/[^:]*:[\\/])")
"""A drive of Windows. `v:/a` is none but the volume `v`: the reference takes any letter for a
drive, which leaves a target that no engine mounts (18.3)."""


# ---- classes
# ---------------------------------------------------------------------------------------------


@attributes
class BindOptions:
    """How a folder or file of the host is mounted.

    A long entry that does not ask for `create_host_path` leaves it False: a missing source is then
    an error.
    """

    propagation: str = ""
    create_host_path: bool = False
    recursive: str = ""
    selinux: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class VolumeOptions:
    """How a volume is mounted: `nocopy` keeps a fresh one empty, `subpath` is a folder inside
    it."""

    nocopy: bool = False
    subpath: str = ""
    labels: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class TmpfsOptions:
    """Size and mode of a tmpfs mount."""

    size: Bytes | None = None
    mode: Natural | None = attribute(default=None, text=False)
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class ImageOptions:
    """Which folder of an image is mounted."""

    subpath: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Mount:
    """One mount. `type` is bind, volume, tmpfs, image, npipe or cluster; an anonymous volume has no
    source."""

    type: str = attribute()
    source: BindSource = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind: BindOptions | None = attribute(default=None, of=BindOptions)
    volume: VolumeOptions | None = attribute(default=None, of=VolumeOptions)
    tmpfs: TmpfsOptions | None = attribute(default=None, of=TmpfsOptions)
    image: ImageOptions | None = attribute(default=None, of=ImageOptions)
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class FileReference:
    """A config or secret as a read-only file; `target` empty means `/SOURCE` (configs)."""

    source: str = ""
    target: str = ""
    uid: str = ""
    gid: str = ""
    mode: FileMode | None = None
    extensions: Extensions = attribute(default=EMPTY, written=False)


FileMode = int
"""Permission bits; text in a file is octal."""


def _secret_target(reference: Node) -> object:
    source = reference.get("source")
    return f"/run/secrets/{source.value}" if source is not None else ""


@attributes
class SecretReference:
    """A secret as a read-only file; a relative `target` lies below /run/secrets."""

    source: str = ""
    target: str = attribute(default="", implied=_secret_target)
    uid: str = ""
    gid: str = ""
    mode: FileMode | None = None
    extensions: Extensions = attribute(default=EMPTY, written=False)


# ---- volumes
# ---------------------------------------------------------------------------------------------


def long_mounts(node: Node, _path: Path) -> Node:
    """Short entries -> {type, source, target, read_only, bind, volume}."""
    if not isinstance(node.value, list):
        return node
    return node.derived([_long_mount(item) for item in node.items])


def _long_mount(item: Node) -> Node:
    if isinstance(item.value, dict):
        return item
    if not isinstance(item.value, str):
        raise Refused(f"`{print_scalar(item.plain)}` is no volume", item, code="E081")
    return _tree(parse_short(item.value, item), item)


def _tree(plain: Mapping[str, object], item: Node) -> Node:
    children: dict[str, Node] = {}
    for name, value in plain.items():
        if isinstance(value, dict):
            children[name] = _tree(value, Node(None, item.origin))
        else:
            children[name] = Node(value, item.origin)  # type: ignore[arg-type]
    return item.derived(children)


def parse_short(text: str, item: Node) -> dict[str, object]:
    """`[SOURCE:]TARGET[:OPTIONS]` -> the long form as plain values."""
    if not text:
        raise _refused(text, item, "it is empty")
    if len(text) <= 2:
        return {"type": "volume", "target": text}
    fields = list(_fields(text))
    if "" in fields:
        raise _refused(text, item, "there is nothing between two colons")
    if len(fields) > 3:
        raise _refused(text, item, "it has too many colons")
    if len(fields) == 1:
        return {"type": "volume", "target": clean(fields[0]), "volume": {}}
    source, target = fields[0], clean(fields[1])
    return _mount(source, target, fields[2].split(",") if len(fields) == 3 else [])


def clean(target: str) -> str:
    """The path without `.`, `..` and doubled slashes; empty text is `.`."""
    path = posixpath.normpath(target)
    return path[1:] if path.startswith("//") else path


def _mount(source: str, target: str, options: list[str]) -> dict[str, object]:
    mount: dict[str, object] = {"type": "volume", "source": source, "target": target}
    bind: dict[str, object] = {}
    volume: dict[str, object] = {}
    for option in options:
        if option in ("ro", "rw"):
            mount["read_only"] = option == "ro"
        elif option == "nocopy":
            volume["nocopy"] = True
        elif option in _PROPAGATIONS:
            bind["propagation"] = option
        elif option in _LABELS:
            bind["selinux"] = option
    if is_host_path(source):
        mount["type"] = "bind"
        bind["create_host_path"] = True
    if bind:
        mount["bind"] = bind
    if volume or mount["type"] == "volume":
        mount["volume"] = volume
    if not mount.get("read_only", True):
        del mount["read_only"]
    return mount


def _fields(text: str) -> Iterator[str]:
    """Split at colons, but not inside `${...}` and not behind a drive letter."""
    start, depth = 0, 0
    for index, character in enumerate(text):
        if character == "{" and text[index - 1 : index] == "$":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
        elif character == ":" and not depth and not _is_drive(text, start, index):
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _is_drive(text: str, start: int, colon: int) -> bool:
    return colon == start + 1 and _DRIVE.match(text, start) is not None


def is_host_path(source: str) -> bool:
    """Whether the source of a short entry is a path, and not the name of a volume."""
    return source.startswith((".", "/", "~", "\\\\")) or bool(_DRIVE.match(source))


def _refused(text: str, item: Node, why: str) -> Refused:
    return Refused(
        f"`{text}` is no volume: {why}",
        item,
        code="E081",
        hint="the short form is [SOURCE:]TARGET[:OPTIONS], as in ./data:/var/lib/data:ro",
    )


def mount_key(item: Node, _path: Path) -> object:
    """The target."""
    if isinstance(item.value, str):
        return parse_short(item.value, item)["target"]
    target = item.get("target")
    if target is None and not {"type", "source"}.isdisjoint(item.mapping):
        raise Refused("a mount needs a `target`", item, code="E034")
    return target.value if target is not None and not target.items else id(item)


# ---- configs and secrets
# ---------------------------------------------------------------------------------


def long_references(node: Node, _path: Path) -> Node:
    """Names -> {source}."""
    if not isinstance(node.value, list):
        return node
    return node.derived([_reference(item) for item in node.items])


def _reference(item: Node) -> Node:
    if not isinstance(item.value, str):
        return item
    return item.derived({"source": Node(item.value, item.origin)})


def config_key(item: Node, _path: Path) -> object:
    """The target, by default `/SOURCE`."""
    return _reference_key(item, "/")


def secret_key(item: Node, _path: Path) -> object:
    """The target, by default `/run/secrets/SOURCE`."""
    return _reference_key(item, "/run/secrets/")


def _reference_key(item: Node, folder: str) -> object:
    if isinstance(item.value, str):
        return folder + item.value
    for name, prefix in (("target", ""), ("source", folder)):
        child = item.get(name)
        if child is not None and isinstance(child.value, str):
            return prefix + child.value
    return id(item)
