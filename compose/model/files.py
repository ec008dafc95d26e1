"""Top-level configs and secrets. Source: 12.2, 12.4 and 15.7 of the Compose file reference."""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.shapes import SourcePath
from compose.tree import Node, Refused


@attributes
class Secret:
    """Where a secret comes from: `file`, `environment` or outside. `content` is filled from the
    variable."""

    name: str = ""
    file: SourcePath = ""
    environment: str = ""
    content: str | None = attribute(default=None, written=False)
    external: bool = False
    labels: Mapping[str, str] = EMPTY
    driver: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    template_driver: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Config:
    """Where a config comes from: `file`, `environment`, `content` or outside."""

    name: str = ""
    file: SourcePath = ""
    environment: str = ""
    content: str | None = None
    external: bool = False
    labels: Mapping[str, str] = EMPTY
    template_driver: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


def check_config(config: Node, _path: Path) -> None:
    """Exactly one source."""
    _check_sources(config, ("file", "environment", "content"))


def check_secret(secret: Node, _path: Path) -> None:
    """Exactly one source."""
    _check_sources(secret, ("file", "environment"))


def _check_sources(node: Node, sources: tuple[str, ...]) -> None:
    external = node.get("external")
    found = [name for name in sources if name in node.mapping]
    words = " and ".join(f"`{name}`" for name in found)
    if len(found) > 1:
        second = node.mapping[found[1]]
        raise Refused(f"{words} exclude each other", Node(None, second.named_at), code="E095")
    if not found and external is None and "driver" not in node.mapping:
        choice = [f"`{name}`" for name in sources]
        raise Refused(
            f"one of {', '.join(choice)} is needed",
            Node(None, node.named_at),
            code="E096",
            hint=f"add {choice[0]}",
        )
