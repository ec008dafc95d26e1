"""`develop.watch`: what happens when a source file changes. Source: 15.10 of the Compose file
reference."""

from __future__ import annotations

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.lifecycle import Hook
from compose.model.shapes import WatchedPath, one_or_many
from compose.tree import Node, Refused


@attributes
class Watch:
    """One rule: when `path` changes do `action` (rebuild, restart, sync, sync+restart,
    sync+exec)."""

    path: WatchedPath = attribute()
    action: str = attribute()
    target: str = ""
    exec: Hook | None = attribute(default=None, of=Hook)
    include: tuple[str, ...] = attribute(default=(), canonical=one_or_many)
    ignore: tuple[str, ...] = attribute(default=(), canonical=one_or_many)
    initial_sync: bool = attribute(default=False, text=False)
    extensions: Extensions = attribute(default=EMPTY, written=False)


def check_watch(rule: Node, _path: Path) -> None:
    """The path is not blank."""
    path = rule.get("path")
    if path is not None and path.value == "":
        raise Refused("the `path` of a watch rule is empty", path, code="E084")


@attributes
class Develop:
    """The whole of `develop`."""

    watch: tuple[Watch, ...] = attribute(default=(), of=Watch, check=check_watch)
    extensions: Extensions = attribute(default=EMPTY, written=False)
