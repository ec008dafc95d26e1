"""A service that starts from another: in the same document, or in a file of its own.

Source: 7.2 of the Compose file reference. The base is copied, freed of what `!reset` names, and
merged with the service by the usual rules; it keeps its origins, and every value says through which
service it came.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from compose.errors import Fault, InvalidFile, Path, nearest
from compose.loading.canonical import lengthen
from compose.loading.merge import merge, remove
from compose.loading.paths import absolute, resolve
from compose.loading.remote_names import is_remote
from compose.loading.report import Report
from compose.model import copies
from compose.model.attribute import Attribute
from compose.model.project import ROOT
from compose.tree import Node, Origin, Step

ReadServices = Callable[[tuple[str, ...], Node], "tuple[Node | None, list[Path]]"]
"""(absolute paths of the files behind one name, node that says it) -> their whole interpolated
tree, and the paths that it resets."""
LONGEST_CHAIN = 100
"""Services that extend each other, one after the other."""


class Extending:
    """Resolves the `extends` of one document."""

    def __init__(self, report: Report, read: ReadServices, working_dir: str, home: str) -> None:
        self.report = report
        self.read = read
        self.working_dir = working_dir
        self.home = home
        self.sources: dict[str, _Source] = {}
        """Other files by name."""

    def document(self, root: Node, file: str, replaced: list[Path]) -> None:
        """Resolve every service of a document in place. Raises InvalidFile."""
        services = root.get("services")
        if services is None or not isinstance(services.value, dict):
            return
        source = _Source(root, file, self.working_dir, replaced)
        circles: set[frozenset[str]] = set()
        for name in services.value:
            try:
                self.service(name, source, ())
            except _Circle as circle:
                if circle.members not in circles:  # told once, not from each of its services
                    circles.add(circle.members)
                    self.report.faults.extend(circle.faults)
            except InvalidFile as invalid:
                self.report.faults.extend(invalid.faults)
        self.report.finish()
        services.value = {name: source.done[name] for name in services.value}

    def service(self, name: str, source: _Source, chain: tuple[_Link, ...]) -> Node:
        """The service with its base taken in."""
        if name not in source.done:
            source.done[name] = self._extended(name, source, chain)
        return source.done[name]

    def _extended(self, name: str, source: _Source, chain: tuple[_Link, ...]) -> Node:
        node = source.services[name]
        extends = node.get("extends")
        if extends is None:
            return node
        if len(chain) > LONGEST_CHAIN:
            message = f"more than {LONGEST_CHAIN} services extend each other"
            raise InvalidFile(Fault("E015", message, where=extends.named_at))
        wanted, file = _reference(extends, name)
        self.report.warn_ignored(extends, ("service", "file"), ("services", name, "extends"))
        chain = (*chain, _Link(source.file, name, extends))
        base_source = self._source_of(file, source)
        self._refuse_circle(wanted, base_source, chain)
        if wanted.text not in base_source.services:
            raise _unknown(wanted, base_source, name, file)
        base = self.service(wanted.text, base_source, chain)
        if base.value is None:
            return node
        return self._joined(name, node, extends, base, source, base_source)

    def _source_of(self, file: Node | None, source: _Source) -> _Source:
        if file is None:
            return source
        remote = self.report.remote
        if is_remote(file.text):
            paths = remote.files_of(file.text, file.origin)
        else:
            paths = (remote.join(source.folder, file.text, file.origin),)
        path = paths[0]
        if path not in self.sources:
            root, replaced = self.read(paths, file)
            self.sources[path] = _Source(root, path, os.path.dirname(path), replaced)
        return self.sources[path]

    def _refuse_circle(self, wanted: Node, source: _Source, chain: tuple[_Link, ...]) -> None:
        for index, link in enumerate(chain):
            if (link.file, link.name) == (source.file, wanted.text):
                circle = chain[index:]
                names = " -> ".join([*(link.name for link in circle), wanted.text])
                trail = tuple(("extends at", link.node.origin) for link in circle[1:])
                fault = Fault(
                    "E061",
                    f"services extend each other in a circle: {names}",
                    where=circle[0].node.named_at,
                    path=("services", circle[0].name, "extends"),
                    trail=trail,
                    hint="take one `extends` of the circle away",
                )
                raise _Circle(fault, frozenset(link.name for link in circle))

    def _joined(
        self,
        name: str,
        node: Node,
        extends: Node,
        base: Node,
        source: _Source,
        base_source: _Source,
    ) -> Node:
        shape = _service_shape()
        base = base.through(Step("extends", f"services.{name}", extends.named_at))
        if base_source is not source:
            base = lengthen(base, shape, self.report, ("services", name))
            if copies.top_of(base_source.folder):
                join = absolute(base_source.folder, self.home)
            else:
                join = _relative(os.path.relpath(base_source.folder, source.folder), self.home)
            resolve(base, shape, join, self.report, base=base_source.folder)
        for path in source.replaced:
            if path[:2] == ("services", name):
                remove(base, path[2:])
        own = node.derived({k: v for k, v in node.mapping.items() if k != "extends"})
        merged = merge(base, own, shape, self.report, ("services", name))
        return Node(merged.value, node.origin, node.key)


class _Circle(InvalidFile):
    """Services that extend each other."""

    def __init__(self, fault: Fault, members: frozenset[str]) -> None:
        super().__init__(fault)
        self.members = members


class _Source:
    """A document whose services may be extended. `folder` is the base of the paths in it."""

    def __init__(self, root: Node | None, file: str, folder: str, replaced: list[Path]) -> None:
        services = root.get("services") if root is not None else None
        self.services: Mapping[str, Node] = services.mapping if services is not None else {}
        self.file = file
        self.folder = folder
        self.replaced = replaced
        self.done: dict[str, Node] = {}
        """The services whose base is taken in."""


class _Link:
    """One service of a chain."""

    def __init__(self, file: str, name: str, node: Node) -> None:
        self.file = file
        self.name = name
        self.node = node


def _service_shape() -> Attribute:
    services = ROOT.inside("services")
    shape = services.inside("") if services is not None else None
    assert shape is not None
    return shape


def _relative(folder: str, home: str) -> Callable[[str], str]:
    """Paths stay relative to the project's directory, which completes them later."""
    if folder == os.curdir:
        return lambda path: path
    return absolute(folder, home)


def _reference(extends: Node, name: str) -> tuple[Node, Node | None]:
    """The service and file that an `extends` names."""
    if isinstance(extends.value, str):
        return extends, None
    path = ("services", name, "extends")
    if not isinstance(extends.value, dict):
        message = "`extends` takes the name of a service, or a mapping of `service` and `file`"
        raise InvalidFile(Fault("E031", message, where=extends.origin, path=path))
    service, file = extends.get("service"), extends.get("file")
    if service is None:
        message = "`extends` needs a `service`"
        raise InvalidFile(Fault("E034", message, where=extends.named_at, path=path))
    for word, node in (("service", service), ("file", file)):
        if node is not None and not isinstance(node.value, str):
            message = f"`{word}` must be text"
            raise InvalidFile(Fault("E031", message, where=node.origin, path=(*path, word)))
    return service, file


def _unknown(wanted: Node, source: _Source, name: str, file: Node | None) -> InvalidFile:
    near = nearest(wanted.text, source.services)
    where = f" in {file.text}" if file is not None else ""
    hint = f"did you mean `{near}`?" if near else ""
    if not hint and file is None and wanted.text.endswith((".yaml", ".yml")):
        hint = f"for a service of another file: {{file: {wanted.text}, service: {name}}}"
    if not hint and not source.services:
        hint = "that file has no services"
    elif not hint and file is None:
        hint = "a service of another file needs `file` beside `service`"
    elif not hint:
        hint = f"that file has {', '.join(list(source.services)[:10])}"
    message = f"the service `{wanted.text}` to extend does not exist{where}"
    path = ("services", name, "extends")
    return InvalidFile(Fault("E050", message, where=wanted.origin, path=path, hint=hint))


__all__ = ["Extending", "Origin"]
