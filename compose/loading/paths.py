"""Paths of the host become absolute, by the annotation of their attribute. Source: 12.3.

The base is the project directory (of an extends file: its own folder, and then relative to the
project's).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from compose.errors import Path
from compose.loading.remote_names import is_remote, leads_out
from compose.loading.report import Report
from compose.model import copies
from compose.model.attribute import Attribute, Somewhere
from compose.model.units import print_scalar
from compose.tree import Node

Join = Callable[[str], str]

_REMOTE = ("service:", "https://", "http://", "git://", "ssh://", "github.com/", "git@")
_WINDOWS = re.compile(r"[a-zA-Z]:[\\/]|\\\\")


def absolute(base: str, home: str) -> Join:
    """How a path is completed: `~` is `home`, what is relative lies below `base`."""

    def join(path: str) -> str:
        if path == "~" or path.startswith("~/"):
            path = home + path[1:]
        return path if path.startswith("/") else os.path.normpath(os.path.join(base, path))

    return join


def followed(path: str) -> str:
    """The path with its first link replaced by what that leads to."""
    parts = path.split("/")
    for count in range(2, len(parts) + 1):
        begin = "/".join(parts[:count])
        if begin and os.path.islink(begin):
            return "/".join((os.path.realpath(begin), *parts[count:]))
    return path


def resolve(root: Node, shape: Attribute, join: Join, report: Report, *, base: str = "") -> None:
    """Complete every path of a tree in place. What a remote file says lies in the copy that `base`
    is in."""
    _Paths(join, report, copies.top_of(base)).visit(root, shape, None, ())
    report.finish()


class _Paths:
    def __init__(self, join: Join, report: Report, copy: str) -> None:
        self.join = join
        self.report = report
        self.copy = copy

    def visit(self, node: Node, shape: Attribute, parent: Node | None, path: Path) -> None:
        kind = _KINDS.get(shape.annotation)
        if kind is not None:
            for leaf in (node, *node.items, *node.mapping.values()):
                self._leaf(leaf, kind, parent, path)
        elif shape.annotation == _VOLUMES:
            for volume in node.mapping.values():
                self._local_bind(volume)
        if shape.of is None:
            return
        for name, child in node.mapping.items():
            inside = shape.inside(name)
            if inside is not None and _has_paths(inside):
                self.visit(child, inside, node, (*path, name))
        for index, item in enumerate(node.items):
            inside = shape.inside(index)
            if inside is not None and _has_paths(inside):
                self.visit(item, inside, node, (*path, index))

    def _leaf(self, leaf: Node, kind: str, parent: Node | None, path: Path) -> None:
        text = leaf.value
        if kind == "context" and isinstance(text, int | float):
            text = print_scalar(text)  # a folder with such a name
        if not isinstance(text, str):
            return
        if kind == "compose" and is_remote(text):
            return
        if kind == "context" and ("://" in text or text.startswith(_REMOTE)):
            return
        if kind == "source" and not self._is_bind(leaf, parent, path):
            return
        if kind in ("file", "source"):
            if not _WINDOWS.match(text):
                leaf.value = self._joined(leaf, text, kind, path)
        elif text:
            joined = self._joined(leaf, text, kind, path)
            leaf.value = followed(joined) if kind == "watched" else joined

    def _joined(self, leaf: Node, text: str, kind: str, path: Path) -> str:
        joined = self.join(text)
        is_read = kind in ("path", "file")  # by us; a mount may show any folder
        is_relative = text[:1] not in ("/", "~")
        if self.copy and is_read and is_relative and copies.top_of(joined) != self.copy:
            (fault,) = leads_out(text, leaf.origin).faults
            self.report.refuse(fault.code, fault.message, leaf.origin, path, hint=fault.hint)
        return joined

    def _is_bind(self, leaf: Node, parent: Node | None, path: Path) -> bool:
        mount = parent.get("type") if parent is not None else None
        return mount is not None and mount.value == "bind"

    def _local_bind(self, volume: Node) -> None:
        """The `device` of a volume that is a bind mount of the local driver."""
        driver, options = volume.get("driver"), volume.get("driver_opts")
        if driver is None or driver.value != "local" or options is None:
            return
        mode, device = options.get("o"), options.get("device")
        if mode is not None and mode.value == "bind" and device is not None and device.text:
            device.value = self.join(device.text)


_KINDS = {
    "ComposePath": "compose",
    "HostPath": "path",
    "tuple[HostPath, ...]": "path",
    "SourcePath": "file",
    "WatchedPath": "watched",
    "SshKeys": "file",
    "ContextPath": "context",
    "Mapping[str, ContextPath]": "context",
    "BindSource": "source",
}
"""Annotation -> which of its values are paths."""
_VOLUMES = "Mapping[str, Volume]"
_has_paths = Somewhere(lambda shape: shape.annotation in _KINDS or shape.annotation == _VOLUMES)
