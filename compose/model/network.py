"""Top-level networks and their address management. Source: 8.1 and 15.7 of the Compose file
reference."""

from __future__ import annotations

from collections.abc import Mapping

from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.shapes import as_lists, before_equals
from compose.tree import Node


@attributes
class IpamPool:
    """A subnet with the range and gateway that containers get."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux_addresses: Mapping[str, str] = EMPTY
    extensions: Extensions = attribute(default=EMPTY, written=False)


def pools_by_subnet(base: Node, override: Node) -> Node | tuple[Node, Node]:
    """Pools of the same subnet merge key by key, others are added."""
    if not isinstance(base.value, list) or not isinstance(override.value, list):
        return base, override
    pools = list(base.items)
    for pool in override.items:
        _add_pool(pools, pool)
    return base.derived(list(pools))


def _add_pool(pools: list[Node], pool: Node) -> None:
    subnet = pool.get("subnet")
    for index, known in enumerate(pools):
        other = known.get("subnet")
        if subnet is not None and other is not None and subnet.value == other.value:
            pools[index] = known.derived({**known.mapping, **pool.mapping})
            return
    pools.append(pool)


@attributes
class Ipam:
    """Where the addresses of a network come from."""

    driver: str = ""
    config: tuple[IpamPool, ...] = attribute(default=(), of=IpamPool, merge=pools_by_subnet)
    options: Mapping[str, str] = attribute(default=EMPTY, identity=before_equals)
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Network:
    """A network of the project, or an existing one (`external`). `name` is complete after
    loading."""

    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = EMPTY
    ipam: Ipam | None = attribute(default=None, of=Ipam)
    external: bool = False
    internal: bool = False
    attachable: bool = False
    labels: Mapping[str, str] = attribute(default=EMPTY, merge=as_lists, identity=before_equals)
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    extensions: Extensions = attribute(default=EMPTY, written=False)
