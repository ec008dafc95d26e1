"""Published and exposed ports as the PORTS column shows them. Pure.

`0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 9000-9002/tcp`: neighbours become a range where host and
container use the same numbers. Source: what `docker ps` prints.
"""

from __future__ import annotations

from typing import NamedTuple

from runtime.values import ContainerRecord


class Port(NamedTuple):
    """One row of `Publishers`; without a URL the port is exposed and not published."""

    URL: str
    TargetPort: int
    PublishedPort: int
    Protocol: str

    def as_json(self) -> dict[str, object]:
        return self._asdict()


def ports_of(record: ContainerRecord) -> tuple[Port, ...]:
    """What a container publishes, and what it exposes besides; nothing once it has ended."""
    if not record.is_running:
        return ()
    published = [
        Port(one.host_ip, one.container_port, one.host_port, one.protocol)
        for one in record.state.ports
    ]
    taken = {(port.TargetPort, port.Protocol) for port in published}
    exposed = {
        key
        for text in (*record.options.expose, *record.image.exposed_ports)
        for key in _exposed(text)
        if key not in taken
    }
    found = [*published, *(Port("", number, 0, protocol) for number, protocol in exposed)]
    return tuple(sorted(found, key=_order))


def show_ports(ports: tuple[Port, ...]) -> str:
    groups: dict[tuple[str, str], tuple[int, int]] = {}
    ended, mapped = [], []
    for port in ports:
        if port.URL and port.PublishedPort != port.TargetPort:
            mapped.append(f"{_joined(port)}->{port.TargetPort}/{port.Protocol}")
            continue
        key = (port.URL, port.Protocol)
        first, last = groups.get(key, (port.TargetPort, port.TargetPort - 1))
        if port.TargetPort != last + 1:
            ended.append(_group(key, first, last))
            first = port.TargetPort
        groups[key] = (first, port.TargetPort)
    return ", ".join([*ended, *(_group(key, *ends) for key, ends in groups.items()), *mapped])


def _exposed(text: str) -> list[tuple[int, str]]:
    """`80`, `80/tcp`, `8000-8002/udp`; what is no number is left out."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        return []
    return [(number, protocol or "tcp") for number in range(int(first), int(last or first) + 1)]


def _order(port: Port) -> tuple[object, ...]:
    return (port.TargetPort, ":" in port.URL, port.URL, port.PublishedPort, port.Protocol)


def _joined(port: Port) -> str:
    return f"{_host(port.URL)}:{port.PublishedPort}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _group(key: tuple[str, str], first: int, last: int) -> str:
    address, protocol = key
    numbers = str(first) if first == last else f"{first}-{last}"
    shown = f"{_host(address)}:{numbers}->{numbers}" if address else numbers
    return f"{shown}/{protocol}"
