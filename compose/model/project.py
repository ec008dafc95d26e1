"""A loaded project: its services and resources, and where each value was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Attribute, Extensions, attribute, attributes
from compose.model.files import Config, Secret, check_config, check_secret
from compose.model.models import Model
from compose.model.network import Network
from compose.model.service import Service
from compose.model.shapes import external_names
from compose.model.volume import Volume, check_volume
from compose.tree import Node, Origin, find, walk

RESOURCES = ("networks", "volumes", "secrets", "configs", "models")
"""The top-level mappings that services refer to by name."""


@attributes
class ComposeFile:
    """The top level of a file, for the walkers of loading/."""

    version: str = ""
    name: str = ""
    services: Mapping[str, Service] = attribute(default=EMPTY, of=Service)
    networks: Mapping[str, Network] = attribute(default=EMPTY, of=Network, canonical=external_names)
    volumes: Mapping[str, Volume] = attribute(
        default=EMPTY, of=Volume, canonical=external_names, check=check_volume
    )
    secrets: Mapping[str, Secret] = attribute(
        default=EMPTY, of=Secret, canonical=external_names, check=check_secret
    )
    configs: Mapping[str, Config] = attribute(
        default=EMPTY, of=Config, canonical=external_names, check=check_config
    )
    models: Mapping[str, Model] = attribute(default=EMPTY, of=Model)
    extensions: Extensions = attribute(default=EMPTY, written=False)


ROOT: Attribute = attribute(of=ComposeFile)
"""Where the walkers begin: the whole of a file."""
ROOT.declare("", "ComposeFile")


class Origins(Mapping[Path, Origin]):
    """Path -> where its value was written, for the tree as it was before binding."""

    def __init__(self, tree: Node | None = None) -> None:
        self._tree = tree
        self._added: dict[Path, Origin] = {}

    def add(self, path: Path, origin: Origin) -> None:
        """A value that came after the tree: read from an env file."""
        self._added[path] = origin

    def __getitem__(self, path: Path) -> Origin:
        if path in self._added:
            return self._added[path]
        node = find(self._tree, path)
        if node is None:
            raise KeyError(path)
        return node.origin

    def __iter__(self) -> Iterator[Path]:
        return iter(()) if self._tree is None else (path for path, _ in walk(self._tree))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return "Origins()"

    def key_of(self, path: Path) -> Origin | None:
        """Where the key of a path stands, or its item begins; None when no file says anything about
        it."""
        node = find(self._tree, path)
        return None if node is None else node.named_at

    def nearest(self, path: Path) -> Origin | None:
        """The origin of the path, or of what encloses it."""
        while path:
            found = self.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return None


@attributes
class Project:
    """What the files say, resolved: canonical, normalised, checked.

    `services` are those that profiles and selection leave; `disabled_services` the others. `files`
    are absolute. `environment` is the project environment (variables of the shell and `.env`).
    """

    name: str = attribute(written=False)
    working_dir: str = attribute(default="", written=False)
    files: tuple[str, ...] = attribute(default=(), written=False)
    services: Mapping[str, Service] = EMPTY
    disabled_services: Mapping[str, Service] = attribute(default=EMPTY, written=False)
    networks: Mapping[str, Network] = EMPTY
    volumes: Mapping[str, Volume] = EMPTY
    secrets: Mapping[str, Secret] = EMPTY
    configs: Mapping[str, Config] = EMPTY
    models: Mapping[str, Model] = EMPTY
    profiles: tuple[str, ...] = attribute(default=(), written=False)
    environment: Mapping[str, str] = attribute(default=EMPTY, written=False, compared=False)
    origins: Origins = attribute(default=Origins(), written=False, compared=False)
    extensions: Extensions = attribute(default=EMPTY, written=False)

    @property
    def all_services(self) -> Mapping[str, Service]:
        """Active services and disabled ones."""
        return {**self.services, **self.disabled_services}
