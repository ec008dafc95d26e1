"""Top-level volumes. Source: 12.2 and 15.7 of the Compose file reference."""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.shapes import as_lists, before_equals
from compose.tree import Node, Refused


@attributes
class Volume:
    """A volume of the project, or an existing one (`external`). `name` is complete after loading.

    `driver_opts` of the local driver: type, o and device, as mount(8) takes them.
    """

    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    external: bool = False
    labels: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    extensions: Extensions = attribute(default=EMPTY, written=False)


def check_volume(volume: Node, _path: Path) -> None:
    """What exists already is not described again."""
    external = volume.get("external")
    if external is None or external.value is not True:
        return
    for name, child in volume.mapping.items():
        if name not in ("name", "external") and not name.startswith("x-"):
            raise Refused(
                f"`external` and `{name}` exclude each other",
                Node(child.value, child.named_at),
                code="E094",
                hint=f"an external volume exists already: remove `{name}`, or `external`",
            )
