"""A Compose project that was published to a registry, as `docker compose publish` does it.

Each Compose file is a layer of its own, in the order of merging; files that `extends` or `env_file`
name lie beside them. They are kept as files of their own here, so that an error names the right one
and its line. Source: Docker Compose's media types and annotations.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

from compose.errors import Fault, InvalidFile
from compose.loading.parse import MOST_BYTES

if TYPE_CHECKING:
    from compose.loading.remote import Registry

PROJECT = "application/vnd.docker.compose.project"
EMPTY_CONFIG = "application/vnd.docker.compose.config.empty.v1+json"
"""Of the config, in registries that know no types of artifacts."""
COMPOSE_FILE = "application/vnd.docker.compose.file+yaml"
ENV_FILE = "application/vnd.docker.compose.envfile"

_FILE = "com.docker.compose.file"
_EXTENDED = "com.docker.compose.extends"
_ENV_FILE = "com.docker.compose.envfile"
_ORDER = ".order"
"""Names of the Compose files of a copy, a line each."""


def fetch(reference: str, folder: str, registry: Registry, seconds: float) -> tuple[str, ...]:
    """The Compose files of the copy that the reference means now, below `folder`. Raises
    ComposeError, OSError."""
    digest = registry.find_digest(reference, seconds=seconds)
    top = os.path.join(folder, digest.partition(":")[2]) if digest else ""
    if not top or not os.path.isdir(top):
        found = registry.fetch(reference, limit=MOST_BYTES, seconds=seconds)
        top = os.path.join(folder, found.digest.partition(":")[2])
        _keep(found, folder, top)
    with open(os.path.join(top, _ORDER), encoding="utf-8") as file:
        return tuple(os.path.join(top, name) for name in file.read().splitlines())


def _keep(artifact: Any, folder: str, top: str) -> None:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    work = tempfile.mkdtemp(prefix="new-", dir=folder)
    try:
        os.chmod(work, 0o755)  # mounted into containers whose user may be any
        order = _write_parts(artifact, work)
        _write(work, _ORDER, "".join(f"{name}\n" for name in order).encode())
        try:
            os.rename(work, top)
        except OSError:
            if not os.path.isdir(top):  # another process was not faster, either
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_parts(artifact: Any, folder: str) -> list[str]:
    order: list[str] = []
    for part in artifact.parts:
        if part.media_type == COMPOSE_FILE:
            name = part.annotations.get(_FILE, "compose.yaml")
            if _EXTENDED not in part.annotations:
                name = _free(name, order)
                order.append(name)
        elif part.media_type == ENV_FILE:
            name = part.annotations.get(_ENV_FILE, "")
        else:
            continue
        _write(folder, _checked(name), part.data)
    if not order:
        raise InvalidFile(Fault("E007", "the artifact holds no Compose file"))
    return order


def _free(name: str, taken: list[str]) -> str:
    """Files of different folders may have had the same name."""
    number, free = 2, name
    while free in taken:
        free, number = f"{number}-{name}", number + 1
    return free


def _checked(name: str) -> str:
    """All files of an artifact lie in one folder."""
    if name in ("", ".", "..", _ORDER) or "/" in name or "\\" in name or not name.isprintable():
        message = f"the artifact names a file `{name}`, which cannot lie in its folder"
        raise InvalidFile(Fault("E006", message))
    return name


def _write(folder: str, name: str, data: bytes) -> None:
    path = os.path.join(folder, name)
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:  # what two files extend is published twice
        with open(path, "rb") as file:
            if file.read() != data:
                message = f"the artifact holds two files `{name}`"
                raise InvalidFile(Fault("E006", message)) from None
