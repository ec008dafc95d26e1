"""Which commands are there? The files below commands/; each is imported when it is called.

`up` is commands/up.py, `network create` commands/network/create.py. A trailing underscore of a file
name is Python's need, not the verb's (`import_.py`), an inner one a hyphen.
"""

import importlib
import os
from types import ModuleType

PACKAGE = "compose.cli.commands"
FOLDER = os.path.join(os.path.dirname(__file__), "commands")
ALIASES = {"list": "ls", "remove": "rm"}
"""Docker's other names, inside groups."""

NOT_YET = {
    "alpha": "",
    "attach": "`pycompose logs -f SERVICE` follows it, `pycompose exec SERVICE sh` goes inside",
    "bridge": "",
    "build": "build it elsewhere, and get it by `pycompose image load` or `pycompose image import`",
    "commit": "change what the image is made from, and load it anew",
    "convert": "its name is `config`",
    "cp": "`pycompose exec -T SERVICE cat PATH > FILE`, or mount a folder under `volumes`",
    "export": "`pycompose exec -T SERVICE tar -c PATH > FILE`",
    "publish": "",
    "watch": "mount the sources under `volumes`: changes are seen at once",
}
"""Verbs of Docker Compose that this version does not have: what to do in their place. One that gets
a file of its own leaves this table (a test looks)."""


def names(group: str = "") -> list[str]:
    """The verbs of a group; groups too at the top."""
    found = []
    with os.scandir(os.path.join(FOLDER, group)) as entries:
        for entry in entries:
            name = entry.name.removesuffix(".py").rstrip("_").replace("_", "-")
            if entry.name.startswith(("_", ".")):
                continue
            if entry.name.endswith(".py") or (not group and is_group(entry.name)):
                found.append(name)
    return sorted(found)


def is_group(name: str) -> bool:
    return os.path.isfile(os.path.join(FOLDER, name, "__init__.py")) and name.isidentifier()


def load(verb: str, group: str = "") -> ModuleType | None:
    """The module of a verb, or None. The name comes from the user: only files of the folder are
    imported."""
    verb = ALIASES.get(verb, verb) if group else verb
    file = _file_of(verb, group)
    if file is None:
        return None
    return importlib.import_module(".".join(part for part in (PACKAGE, group, file) if part))


def summary(verb: str, group: str = "") -> str:
    """The first line of its docstring, without its period; read, not imported: `--help` shows forty
    of them."""
    if group or not is_group(verb):
        path = os.path.join(FOLDER, group, f"{_file_of(verb, group)}.py")
    else:
        path = os.path.join(FOLDER, verb, "__init__.py")
    with open(path, encoding="utf-8") as file:
        return file.readline().strip().strip('"').removesuffix(".")


def load_group(name: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{name}")


def _file_of(verb: str, group: str) -> str | None:
    if not verb or not verb.replace("-", "").isalnum():
        return None
    stem = verb.replace("-", "_")
    for candidate in (stem, f"{stem}_"):
        if os.path.isfile(os.path.join(FOLDER, group, f"{candidate}.py")):
            return candidate
    return None
