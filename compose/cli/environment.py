"""COMPOSE_* variables of the project's .env count as if the shell had set them; the shell's own
win.

So a .env may set COMPOSE_FILE, COMPOSE_PROFILES or COMPOSE_REMOVE_ORPHANS. Which .env that is, and
its grammar, are the loader's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from compose.cli.remote_stack import names_remote

if TYPE_CHECKING:
    from compose.cli.context import Context


_LONGEST = 1 << 20


def promote(context: Context) -> None:
    """Take over what .env says and the environment does not. A file that cannot be read is the
    loader's to report."""
    for path in _files(context):
        if not os.path.isfile(path):
            continue
        for name, value in _read(path, context).items():
            if name.startswith("COMPOSE_") and name not in context.environment:
                context.environment[name] = value
                context.promoted += (name,)


def _files(context: Context) -> tuple[str, ...]:
    flags = context.flags
    if flags.env_files:
        return flags.env_files
    if named := context.setting("COMPOSE_ENV_FILES"):
        return tuple(name for name in named.split(",") if name)
    if context.switch("COMPOSE_DISABLE_ENV_FILE"):
        return ()
    folder = flags.project_directory
    first = flags.files[0] if flags.files else "-"
    if not folder and first != "-" and not names_remote(first):
        folder = os.path.dirname(first)
    return (os.path.join(folder, ".env"),)


def _read(path: str, context: Context) -> dict[str, str]:
    """The variables of a dotenv file; none of one that cannot be read. Most name no COMPOSE_*: no
    grammar then."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LONGEST)
    except (OSError, ValueError):
        return {}
    if "COMPOSE_" not in text:
        return {}
    from compose.errors import InvalidFile
    from compose.loading.dotenv import parse_dotenv
    from compose.position import File

    try:
        found = parse_dotenv(File(path, text), context.environment.get, lambda *_: None)
    except InvalidFile:
        return {}
    return {name: variable.value for name, variable in found.items()}
