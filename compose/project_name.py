"""Name, folder and files of a project, without the loader and without YAML: 1 ms instead of 60.

For verbs that need nothing else, and so that the engine can start while the files are still being
read. A file whose `name:` is anything but a plain word, or a `.env` that speaks of files and names,
is left to the loader: then there is no answer. The full rules are loading/discover.py's and
loading/naming.py's. Source: sections 5.1 and 5.4 of the Compose file reference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from compose.options import StackOptions
from compose.position import current_folder

FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
OVERRIDES = tuple(
    name.replace(".y", ".override.y")
    for name in ("compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml")
)
_NAME = re.compile(rb"^name[ \t]*:(.*)$", re.MULTILINE)
_PLAIN = re.compile(rb"[ \t]+(?:([A-Za-z0-9][\w-]*)|'([\w-]+)'|\"([\w-]+)\")[ \t\r]*(?:[ \t]#.*)?")
_UNUSUAL = re.compile(rb"""^(?:["']name["']\s*:|\{|\?|<<)""", re.MULTILINE)
"""Forms of YAML in which a name would look different."""
_VARIABLE = re.compile(rb"COMPOSE_(?:PROJECT_NAME|FILE|PATH_SEPARATOR|ENV_FILES)")
_MAYBE_REMOTE = re.compile(r"://|^github\.com/|@.*:")
_NORMAL = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Place(NamedTuple):
    """Which project, and where it is written."""

    name: str
    folder: str
    files: tuple[str, ...]


class _Unclear(Exception):
    """The loader has to say."""


def find_place(options: StackOptions, environment: Mapping[str, str]) -> Place | None:
    """None: ask the loader."""
    try:
        return _find(options, environment)
    except (_Unclear, OSError):
        return None


def _find(options: StackOptions, environment: Mapping[str, str]) -> Place:
    cwd = os.path.abspath(options.folder or current_folder())
    said = options.project_name or environment.get("COMPOSE_PROJECT_NAME", "")
    if said and not _NORMAL.fullmatch(said):
        raise _Unclear
    files = tuple(_files(options, environment, cwd))
    folder = _home(options, cwd, files[0] if files else "")
    if said:
        return Place(said, folder, files)
    if not files or "-" in files or options.env_files or environment.get("COMPOSE_ENV_FILES"):
        raise _Unclear
    if _VARIABLE.search(_read_if_there(os.path.join(folder, ".env"))):
        raise _Unclear
    name = _written(files) or os.path.basename(folder)
    normal = re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")
    if not normal:
        raise _Unclear
    return Place(normal, folder, files)


def _files(options: StackOptions, environment: Mapping[str, str], cwd: str) -> Iterator[str]:
    separator = environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
    variable = environment.get("COMPOSE_FILE", "")
    named = options.files or (tuple(variable.split(separator)) if variable else ())
    if named:
        for name in named:
            if _MAYBE_REMOTE.search(name):
                raise _Unclear
            yield name if name == "-" else os.path.normpath(os.path.join(cwd, name))
    else:
        yield from _nearest(_home(options, cwd, ""))


def _home(options: StackOptions, cwd: str, first: str) -> str:
    if options.project_directory:
        return os.path.normpath(os.path.join(cwd, options.project_directory))
    return os.path.dirname(first) if first and first != "-" else cwd


def _nearest(folder: str) -> Iterator[str]:
    """The file of the nearest folder that has one, with its override."""
    while True:
        present = _present(folder, FILES)
        if present:
            yield present[0]
            yield from _present(folder, OVERRIDES)[:1]
            return
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def _present(folder: str, names: tuple[str, ...]) -> list[str]:
    paths = (os.path.join(folder, name) for name in names)
    return [path for path in paths if os.path.exists(path)]


def _written(files: tuple[str, ...]) -> str:
    """The last plain `name:` of the files."""
    name = ""
    for path in files:
        with open(path, "rb") as file:
            text = file.read()
        if _UNUSUAL.search(text):
            raise _Unclear
        for line in _NAME.finditer(text):
            found = _PLAIN.fullmatch(line[1])
            if found is None:
                raise _Unclear
            name = (found[1] or found[2] or found[3]).decode()
    return name


def _read_if_there(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
