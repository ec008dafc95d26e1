"""What a container may use: block I/O, limits, devices, GPUs.

Plain numbers (cpus, mem_limit ...) stand in service.py; the cluster's form is in deploy.py. Source:
10 and 15.6.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.units import Bytes, Natural, print_scalar
from compose.tree import Node, Refused


@attributes
class WeightDevice:
    """The share of one device's I/O, 10 to 1000."""

    path: str = ""
    weight: Natural | None = attribute(default=None, text=False)


@attributes
class ThrottleDevice:
    """The most that one device may do: bytes a second (bps) or operations a second (iops)."""

    path: str = ""
    rate: Bytes | None = None


@attributes
class BlkioConfig:
    """Limits of block I/O."""

    weight: Natural | None = attribute(default=None, text=False)
    weight_device: tuple[WeightDevice, ...] = attribute(default=(), of=WeightDevice)
    device_read_bps: tuple[ThrottleDevice, ...] = attribute(default=(), of=ThrottleDevice)
    device_read_iops: tuple[ThrottleDevice, ...] = attribute(default=(), of=ThrottleDevice)
    device_write_bps: tuple[ThrottleDevice, ...] = attribute(default=(), of=ThrottleDevice)
    device_write_iops: tuple[ThrottleDevice, ...] = attribute(default=(), of=ThrottleDevice)


@attributes
class Ulimit:
    """A limit of the kernel for processes, -1 for none. `single`: the file gives one number for
    both."""

    soft: int = 0
    hard: int = 0
    single: bool = attribute(default=False, written=False)
    extensions: Extensions = attribute(default=EMPTY, written=False)


@attributes
class Device:
    """A device of the host; `source` may be a CDI name (`vendor/class=name`)."""

    source: str = attribute()
    target: str = ""
    permissions: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


def _device_count(request: Node) -> object:
    return None if request.get("device_ids") is not None else "all"


@attributes
class DeviceRequest:
    """Devices asked for by capability. `count` -1 is all; it excludes `device_ids`."""

    capabilities: tuple[str, ...] = ()
    driver: str = ""
    count: DeviceCount | None = attribute(default=None, implied=_device_count)
    device_ids: tuple[str, ...] = ()
    options: Mapping[str, str] = EMPTY
    extensions: Extensions = attribute(default=EMPTY, written=False)


DeviceCount = int
"""A number; `all` in a file is -1."""


def merged_ulimits(base: Node, override: Node) -> Node:
    """Each limit of the override replaces the one of the base."""
    if not isinstance(base.value, dict) or not isinstance(override.value, dict):
        return base if override.value is None else override
    return base.derived({**base.mapping, **override.mapping})


def long_devices(node: Node, _path: Path) -> Node:
    """`SOURCE[:TARGET[:PERMISSIONS]]` -> {source, target, permissions}."""
    if not isinstance(node.value, list):
        return node
    return node.derived([_long_device(item) for item in node.items])


def _long_device(item: Node) -> Node:
    if not isinstance(item.value, str):
        return item
    fields = item.value.split(":")
    if len(fields) > 3:
        raise Refused(
            f"`{item.value}` is no device: it has too many colons",
            item,
            code="E082",
            hint="write it as a mapping of source, target and permissions",
        )
    source, target, permissions = (*fields, "", "", "")[:3]
    values = {"source": source, "target": target or source, "permissions": permissions or "rwm"}
    return item.derived({name: Node(value, item.origin) for name, value in values.items()})


def device_key(item: Node, _path: Path) -> object:
    """The target."""
    if isinstance(item.value, str):
        fields = item.value.split(":")
        return fields[1] if len(fields) > 1 else fields[0]
    target = item.get("target")
    if target is None:
        raise Refused("a device needs a `target`", item, code="E034")
    return id(item) if target.items else target.value


def all_gpus(node: Node, _path: Path) -> Node:
    """`all` -> one request for all."""
    if node.value != "all":
        return node
    count = Node("all", node.origin)
    return node.derived([Node({"count": count}, node.origin)])


def check_request(request: Node, _path: Path) -> None:
    """`count` and `device_ids` exclude each other."""
    count, ids = request.get("count"), request.get("device_ids")
    if count is not None and ids is not None and not _is_empty(count):
        raise Refused("`count` and `device_ids` exclude each other", count, code="E093")


def _is_empty(node: Node) -> bool:
    return print_scalar(node.value) == "" if not node.items else False
