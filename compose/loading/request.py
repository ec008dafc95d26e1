"""What to load, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from compose.errors import Fault
from compose.loading.environment import Environment
from compose.loading.remote import Remote
from compose.model.attribute import attribute, attributes
from compose.model.project import Project
from compose.tree import Node


@attributes
class LoadRequest:
    """Which project, and how far to take it.

    Empty means: found as Compose finds it. `environment` None is the process's own, `cwd` empty the
    current folder. `services` narrows to these and what they depend on. `profiles` None:
    COMPOSE_PROFILES. The switches are those of `config`; verbs that need no env files set
    `resolve_environment` False. `remote` knows how remote files are
    fetched, and keeps what was fetched for another loading.
    """

    files: tuple[str, ...] = ()
    project_name: str = ""
    profiles: tuple[str, ...] | None = None
    env_files: tuple[str, ...] = ()
    project_directory: str = ""
    environment: Mapping[str, str] | None = None
    cwd: str = ""
    services: tuple[str, ...] = ()
    all_resources: bool = True
    interpolate: bool = True
    normalize: bool = True
    resolve_paths: bool = True
    consistency: bool = True
    resolve_environment: bool = True
    remote: Remote | None = None

    @property
    def shell(self) -> Mapping[str, str]:
        """The variables of the caller, before any file is read."""
        return os.environ if self.environment is None else self.environment


@attributes
class Loaded:
    """A project with what was noticed on the way.

    `tree` is the model before binding (with `x-` keys and origins); `warnings` are faults that stop
    nothing.
    """

    project: Project = attribute()
    tree: Node = attribute()
    warnings: tuple[Fault, ...] = ()
    environment: Environment = attribute()


@attributes
class LoadedTree:
    """A model before binding, and its project's name; what `config --no-interpolate` prints."""

    name: str = attribute()
    tree: Node = attribute()
    warnings: tuple[Fault, ...] = ()
    environment: Environment = attribute()
