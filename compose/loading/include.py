"""Other models, resolved whole before they are taken in. Source: 7.1 of the Compose file
reference.

What is here and in an included file is merged, and the including file wins, as in the Docker
Compose of today: public stacks change their included services that way. The specification and
Docker Compose 2.40 refuse it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from compose.errors import Fault, InvalidFile, Path, nearest
from compose.loading.discover import read_env_files
from compose.loading.environment import Environment
from compose.loading.hints import HINTS
from compose.loading.merge import merge, remove
from compose.loading.remote_names import is_remote
from compose.loading.report import Report
from compose.model.attribute import attribute, attributes
from compose.model.project import ROOT
from compose.tree import Node, Step

SECTIONS = ("services", "networks", "volumes", "secrets", "configs", "models")


@attributes
class Inclusion:
    """One item of `include`: absolute files with who names them, the directory of its project, and
    its environment."""

    node: Node = attribute()
    files: tuple[str, ...] = attribute()
    named_by: tuple[Node, ...] = attribute()
    working_dir: str = attribute()
    environment: Environment = attribute()


ReadModel = Callable[[Inclusion], Node]


def take_in(
    root: Node,
    working_dir: str,
    environment: Environment,
    read: ReadModel,
    report: Report,
    *,
    replaced: Sequence[Path] = (),
) -> None:
    """Replace the `include` of a document by what it names, in place. `replaced`: what the document
    resets or overrides. Raises InvalidFile, with the faults of every item."""
    include = root.get("include")
    if include is None:
        return
    del root.mapping["include"]
    faults: list[Fault] = []
    for index, item in enumerate(_items(include)):
        try:
            inclusion = _inclusion(item, index, working_dir, environment, report)
            model = read(inclusion)
        except InvalidFile as invalid:
            faults += invalid.faults  # kept apart: the next item is read as if there were none
            continue
        step = Step("include", "", inclusion.node.origin)
        imported = model.through(step)
        for path in replaced:
            remove(imported, path)
        _import(root, imported, report)
    report.faults += faults
    report.finish()


def _items(include: Node) -> list[Node]:
    if include.value is None:
        return []
    if not isinstance(include.value, list):
        message = "`include` takes a list"
        hint = f"write it as a list: include: [{include.text}]" if include.text else ""
        raise InvalidFile(
            Fault("E031", message, where=include.origin, path=("include",), hint=hint)
        )
    return include.items


def _inclusion(
    item: Node, index: int, working_dir: str, environment: Environment, report: Report
) -> Inclusion:
    path = ("include", index)
    if not isinstance(item.value, str | dict):
        message = "an item of `include` is a path, or a mapping with `path`"
        raise InvalidFile(Fault("E031", message, where=item.origin, path=path))
    paths = item if isinstance(item.value, str) else item.get("path")
    if paths is None or not list(_texts(paths)):
        message = "an item of `include` needs a `path`"
        near = nearest("path", item.mapping)
        hint = f"did you mean it by `{near}`?" if near else ""
        raise InvalidFile(Fault("E034", message, where=item.origin, path=path, hint=hint))
    report.warn_ignored(item, ("path", "project_directory", "env_file"), path)
    named = [(file, part) for part in _texts(paths) for file in _files(part, working_dir, report)]
    files = tuple(file for file, _ in named)
    directory = item.get("project_directory")
    folder = os.path.dirname(files[0])
    if directory is not None and directory.text:
        folder = os.path.normpath(os.path.join(working_dir, directory.text))
    inner = environment.copy()
    read_env_files(_env_files(item, working_dir, folder, report), inner, report, item.origin)
    return Inclusion(
        node=item,
        files=files,
        named_by=tuple(part for _, part in named),
        working_dir=folder,
        environment=inner,
    )


def _files(name: Node, working_dir: str, report: Report) -> tuple[str, ...]:
    if is_remote(name.text):
        return report.remote.files_of(name.text, name.origin)
    return (report.remote.join(working_dir, name.text, name.origin),)


def _texts(node: Node) -> Iterator[Node]:
    return (part for part in node.items or [node] if part.text)


def _env_files(item: Node, working_dir: str, folder: str, report: Report) -> list[str]:
    given = item.get("env_file")
    if given is None:
        path = os.path.join(folder, ".env")
        return [path] if os.path.isfile(path) else []
    paths = []
    for part in given.items or [given]:
        if not part.text or part.text == os.devnull:
            continue
        path = report.remote.join(working_dir, part.text, part.origin)
        if not os.path.isfile(path):
            message = f"the env file {part.text} does not exist"
            hint = HINTS["E003"]
            raise InvalidFile(
                Fault("E003", message, where=part.origin, path=("include",), hint=hint)
            )
        paths.append(path)
    return paths


def _import(root: Node, model: Node, report: Report) -> None:
    for section in SECTIONS:
        imported = model.get(section)
        if imported is None or not imported.mapping:
            continue
        own = root.get(section)
        if own is None or own.value is None:
            root.mapping[section] = imported
            continue
        if isinstance(own.value, dict):
            _import_section(section, own.value, imported.mapping, report)


def _import_section(
    section: str, own: dict[str, Node], imported: dict[str, Node], report: Report
) -> None:
    shape = ROOT.inside(section)
    for name, node in imported.items():
        known = own.get(name)
        if known is None:
            own[name] = node
        elif known.plain != node.plain:
            inside = shape.inside(name) if shape else None
            own[name] = merge(node, known, inside, report, (section, name))
