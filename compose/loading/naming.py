"""The project's name: -p, COMPOSE_PROJECT_NAME, the last `name:` of the files, the folder. Source:
5.4."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from compose.errors import Fault, InvalidFile
from compose.loading.environment import Environment
from compose.loading.parse import Document
from compose.loading.report import Report
from compose.loading.variables import BadVariable, substitute
from compose.position import Position

_NORMAL = re.compile(r"[a-z0-9][a-z0-9_-]*")


def project_name(
    asked: str,
    environment: Environment,
    documents: Iterable[Document],
    folder: str,
    report: Report,
) -> str:
    """The first that says something. Raises InvalidFile when it is none that can be used."""
    if said := said_name(asked, environment):
        return said
    written = _written(documents, environment)
    name = normal(written or os.path.basename(folder))
    if not written and os.path.basename(os.path.realpath(folder)) != os.path.basename(folder):
        message = (
            "project has been loaded without an explicit name from a symlink."
            f' Using name "{os.path.basename(folder)}"'
        )
        report.warn("W007", message, hint="`name:` in the file holds wherever the link leads")
    if not name:
        raise InvalidFile(
            Fault("E004", "the project has no name", hint="give one with -p, or with `name:`")
        )
    return name


def said_name(asked: str, environment: Environment) -> str:
    """What the command line or the environment says, which needs no file; "" for nothing. Raises
    InvalidFile."""
    if asked:
        return _checked(asked, None)
    variable = environment.get("COMPOSE_PROJECT_NAME", "")
    if variable:
        return _checked(variable, environment.place_of("COMPOSE_PROJECT_NAME"))
    return ""


def normal(name: str) -> str:
    """Lower case, without what cannot stand in a name."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


def _checked(name: str, where: Position | None) -> str:
    if _NORMAL.fullmatch(name):
        return name
    raise InvalidFile(
        Fault(
            "E004",
            f"`{name}` cannot be a project's name: it must consist only of lowercase alphanumeric"
            " characters, hyphens, and underscores, and start with a letter or number",
            where=where,
            hint=f"try `{normal(name)}`" if normal(name) else "",
        )
    )


def _written(documents: Iterable[Document], environment: Environment) -> str:
    name = ""
    for document in documents:
        node = document.root.get("name") if document.root is not None else None
        if node is None or not node.text:
            continue
        try:
            name = substitute(node.text, environment.get, lambda _name: None) or name
        except BadVariable:
            continue  # reported with all others when the file is interpolated
    return name
