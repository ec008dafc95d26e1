"""Published ports: short and long syntax, and which entries mean the same port.

Source: 8.2, 10.1 and 15.4 of the Compose file reference.
"""

from __future__ import annotations

import re

from compose.errors import Path
from compose.model.attribute import EMPTY, Extensions, attribute, attributes
from compose.model.units import Natural, print_scalar
from compose.tree import Node, Refused

PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST = 65535
MOST_ENTRIES = 70_000
"""Every port once, and some: a list of ranges must not fill the memory."""
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}", re.ASCII)


@attributes
class Port:
    """One published port. `published` is text: a port, a range, or empty for any free one.

    `mode` is ingress or host; `host_ip` empty means all addresses.
    """

    target: Natural = attribute()
    published: str = ""
    host_ip: str = ""
    protocol: str = attribute(default="", implied="tcp")
    mode: str = attribute(default="", implied="ingress")
    name: str = ""
    app_protocol: str = ""
    extensions: Extensions = attribute(default=EMPTY, written=False)


def long_ports(node: Node, _path: Path) -> Node:
    """Each entry -> no, one or several long entries, in the order of the list."""
    if not isinstance(node.value, list):
        return node
    entries: list[Node] = []
    for item in node.items:
        entries += _long_entries(item)
        if len(entries) > MOST_ENTRIES:
            raise Refused(
                f"these ranges make more than {MOST_ENTRIES} entries",
                item,
                code="E015",
                hint="a service that needs all ports can use `network_mode: host`",
            )
    return node.derived(list(entries))


def _long_entries(item: Node) -> list[Node]:
    if isinstance(item.value, dict):
        return [item]
    if isinstance(item.value, bool) or not isinstance(item.value, int | str):
        raise Refused(f"`{print_scalar(item.plain)}` is no port", item, code="E080")
    return [_entry(item, fields) for fields in parse_short(str(item.value), item)]


def _entry(item: Node, fields: dict[str, str | int]) -> Node:
    return item.derived({name: Node(value, item.origin) for name, value in fields.items()})


def parse_short(text: str, item: Node) -> list[dict[str, str | int]]:
    """`[[IP]:][HOST[-HOST]:]CONTAINER[-CONTAINER][/PROTOCOL]` -> long entries, sorted as text."""
    rest, slash, protocol = text.rpartition("/") if "/" in text else (text, "", "")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        raise _refused(text, item, f"unknown protocol `{protocol}`")
    address, host, container = _split(rest)
    if not container:
        raise _refused(text, item, "the container's port is missing")
    containers = _range(container, text, item, "container")
    hosts = _range(host, text, item, "host") if host else []
    base = {"mode": "ingress", "protocol": protocol} | _address(address, text, item)
    pairs = _pairs(containers, hosts, text, item)
    pairs.sort(key=lambda pair: str(pair[0]))
    return [_fields(base, target, published) for target, published in pairs]


def _fields(base: dict[str, str], target: int, published: str) -> dict[str, str | int]:
    fields: dict[str, str | int] = {**base, "target": target}
    if published:
        fields["published"] = published
    return fields


def _split(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) == 1:
        return "", "", parts[0]
    if len(parts) == 2:
        return "", parts[0], parts[1]
    return ":".join(parts[:-2]), parts[-2], parts[-1]


def _address(address: str, text: str, item: Node) -> dict[str, str]:
    if not address:
        return {}
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not is_address(bare):
        raise _refused(text, item, f"`{bare}` is no IP address")
    return {"host_ip": bare}


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    if _IPV4.fullmatch(text):
        return all(len(part) < 2 or part[0] != "0" for part in text.split("."))
    if ":" not in text:
        return False
    import ipaddress  # 8 ms that few files need

    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _range(text: str, whole: str, item: Node, side: str) -> list[int]:
    first, dash, last = text.partition("-")
    start = _number(first, whole, item, side)
    stop = _number(last, whole, item, side) if dash else start
    if stop < start:
        raise _refused(whole, item, f"the {side} range `{text}` runs backwards")
    return list(range(start, stop + 1))


def _number(text: str, whole: str, item: Node, side: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > _HIGHEST:
        raise _refused(whole, item, f"`{text}` is no {side} port (0 to {_HIGHEST})")
    return int(text)


def _pairs(containers: list[int], hosts: list[int], text: str, item: Node) -> list[tuple[int, str]]:
    if not hosts:
        return [(target, "") for target in containers]
    if len(containers) == len(hosts):
        return [(target, str(host)) for target, host in zip(containers, hosts, strict=True)]
    if len(containers) == 1:
        return [(containers[0], f"{hosts[0]}-{hosts[-1]}")]
    raise _refused(
        text,
        item,
        f"{len(hosts)} host ports cannot be paired with {len(containers)} of the container",
    )


def _refused(text: str, item: Node, why: str) -> Refused:
    return Refused(
        f"`{text}` is no port mapping: {why}",
        item,
        code="E080",
        hint="the short form is [IP:][HOST:]CONTAINER[/PROTOCOL], as in 127.0.0.1:8080:80/tcp",
    )


def port_key(item: Node, _path: Path) -> object:
    """Host address, published, target and protocol; the text itself for a short entry."""
    if not isinstance(item.value, dict):
        return print_scalar(item.value)
    if {"target", "published", "protocol", "mode"}.isdisjoint(item.value):
        return id(item)  # the schema knows what it should be
    if "target" not in item.value:
        raise Refused("a port needs a `target`", item, code="E034")
    found = {name: child.value for name, child in item.value.items()}
    published = found.get("published")
    # The reference prints a number differently from text here: 80 and "80" stay two entries.
    shown = f"%{published}" if isinstance(published, int) else f"{published}"
    address = found.get("host_ip", "0.0.0.0")
    return f"{address}:{shown}:{found['target']}/{found.get('protocol', 'tcp')}"


def check_port(node: Node, _path: Path) -> None:
    """`host_ip` is an address."""
    address = node.get("host_ip")
    if address is not None and address.text and not is_address(address.text):
        raise Refused(f"`{address.text}` is no IP address", address, code="E080")
