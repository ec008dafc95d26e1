"""How a service is attached to networks, and which names and addresses it knows.

Source: 8.1, 11 and 15.4 of the Compose file reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.shapes import before_equals, one_or_many
from compose.tree import Node

Hosts = Mapping[str, tuple[str, ...]]
"""Host name -> addresses; `host-gateway` stands for the host."""


@attributes
class ServiceNetwork:
    """The service's endpoint on one network.

    `priority`: the order of connecting, higher first. `gw_priority`: the highest owns the default
    route.
    """

    aliases: tuple[str, ...] = attribute(default=(), identity=before_equals)
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = attribute(default=(), identity=before_equals)
    mac_address: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    priority: int = attribute(default=0, text=False)
    gw_priority: int = attribute(default=0, text=False)
    interface_name: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


def addresses(node: Node, path: Path) -> Node:
    """One address or many -> a list without empty entries."""
    node = one_or_many(node, path)
    if not isinstance(node.value, list):
        return node
    return node.derived([item for item in node.items if item.value != ""])
