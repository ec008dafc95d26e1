"""`build`: how the image of a service is made. Source: 10, 12 and 15.8 of the Compose file
reference."""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import Path
from compose.model.attachments import Hosts
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.mounts import FileReference, long_references
from compose.model.resources import Ulimit, merged_ulimits
from compose.model.shapes import (
    ContextPath,
    as_lists,
    as_set,
    as_text,
    before_equals,
    one_or_many,
)
from compose.model.units import Bytes, print_scalar
from compose.tree import Node, Refused

SshKeys = Mapping[str, str]
"""Id -> socket or key file; `default` alone has an empty path."""


def build_form(node: Node, _path: Path) -> Node:
    """Text -> {context}."""
    if not isinstance(node.value, str):
        return node
    return node.derived({"context": Node(node.value, node.origin)})


def merged_build(base: Node, override: Node) -> tuple[Node, Node]:
    """Text becomes a mapping; then key by key."""
    return build_form(base, ()), build_form(override, ())


def context_map(node: Node, _path: Path) -> Node:
    """`NAME=PATH` items -> a mapping."""
    if not isinstance(node.value, list):
        return node
    pairs = {}
    for item in node.items:
        name, equals, _ = item.text.partition("=")
        if not equals:
            raise Refused(f"`{print_scalar(item.plain)}` is no NAME=CONTEXT", item, code="E083")
        pairs[name] = Node(item.text[len(name) + 1 :], item.origin, item.origin)
    return node.derived(pairs)


def ssh_map(node: Node, _path: Path) -> Node:
    """`ID[=PATH]` items -> a mapping; only `default` needs no path."""
    if isinstance(node.value, str):
        node = node.derived([Node(node.value, node.origin)])
    if not isinstance(node.value, list):
        return node
    pairs = {}
    for item in node.items:
        name, equals, path = item.text.partition("=")
        if not equals and name != "default":
            raise Refused(f"`{item.text}` is no ssh key: its path is missing", item, code="E083")
        pairs[name] = Node(path if equals else None, item.origin, item.origin)
    return node.derived(pairs)


def as_word(node: Node, _path: Path) -> Node:
    """true -> "true"."""
    if node.value is None or node.mapping or node.items:
        return node
    return node.derived(print_scalar(node.value))


@attributes
class Build:
    """The whole of `build`. `context` is a folder, a URL or empty when nothing was said about
    it."""

    context: ContextPath = attribute(default="", implied=".")
    dockerfile: str = ""
    dockerfile_inline: str = ""
    entitlements: tuple[str, ...] = ()
    args: Mapping[str, str | None] = attribute(
        default=EMPTY, merge=as_lists, identity=before_equals
    )
    provenance: str = attribute(default="", canonical=as_word)
    sbom: str = attribute(default="", canonical=as_word)
    ssh: SshKeys = attribute(default=EMPTY, canonical=ssh_map)
    labels: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = attribute(default=(), canonical=one_or_many)
    additional_contexts: Mapping[str, ContextPath] = attribute(
        default=EMPTY, canonical=context_map, merge=as_lists, identity=before_equals
    )
    pull: bool = False
    extra_hosts: Hosts = attribute(default=EMPTY, merge=as_set)
    isolation: str = ""
    network: str = ""
    target: str = ""
    secrets: tuple[FileReference, ...] = attribute(
        default=(), of=FileReference, canonical=long_references
    )
    shm_size: Bytes | None = None
    tags: tuple[str, ...] = attribute(default=(), identity=as_text)
    ulimits: Mapping[str, Ulimit] = attribute(default=EMPTY, of=Ulimit, merge=merged_ulimits)
    platforms: tuple[str, ...] = ()
    privileged: bool = False
    extensions: Extensions = attribute(default=EMPTY, written=False)
