"""The host ports that a service's containers will ask for, and who else has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compose.errors import ComposeError
from compose.model.project import Project
from compose.model.service import Service
from compose.scheduling.container_options import published_ports
from runtime.errors import PortTaken
from runtime.values import ContainerRecord, PortBinding, PublishedPort


def fixed_ports(project: Project, service: Service) -> tuple[PortBinding, ...]:
    """Those that must be this one number: no range, not any free one."""
    return tuple(
        port
        for port in published_ports(project, service)
        if port.host_port and not port.host_port_end
    )


def check_distinct(wanted: Iterable[tuple[str, PortBinding]]) -> None:
    """Raises ComposeError when two containers, given by name, want the same port."""
    first: dict[tuple[int, str], list[tuple[str, PortBinding]]] = {}
    for name, port in wanted:
        rivals = first.setdefault(key(port), [])
        for other, theirs in rivals:
            if not _meet(port.host_ip, theirs.host_ip):
                continue
            origins = {f" (asked for at {port.origin})", f" (asked for at {theirs.origin})"}
            raise ComposeError(
                f"{other} and {name} both publish port {port.host_port}/{port.protocol}"
                + "".join(sorted(origins) if port.origin else ()),
                code="E642",
                hint="publish a range, as in `8080-8089:80`, or the container's port alone"
                if len(origins) == 1
                else "publish another host port for one of them",
            )
        rivals.append((name, port))


def _meet(one: str, other: str) -> bool:
    every = ("", "0.0.0.0", "::")
    return one == other or one in every or other in every


def key(port: PortBinding | PublishedPort) -> tuple[int, str]:
    """What cannot be had twice, on one address."""
    return port.host_port, port.protocol


def without_own(
    wanted: Iterable[tuple[str, PortBinding]], containers: Iterable[ContainerRecord]
) -> list[tuple[str, PortBinding]]:
    """Those that the containers that want them, given by name, do not hold already."""
    held = {(record.name, key(port)) for record in containers for port in record.state.ports}
    return [(name, port) for name, port in wanted if (name, key(port)) not in held]


def with_holder(
    error: PortTaken, asked: Sequence[PortBinding], containers: Iterable[ContainerRecord]
) -> PortTaken:
    """The same with the name of the container of ours that publishes the port, if one does: its
    supervisor, which listens, says nothing to anybody."""
    numbers = {key(port) for port in asked if str(port.host_port) in str(error)}
    for record in containers:
        if any(key(port) in numbers for port in record.state.ports):
            project = record.options.project
            return PortTaken(
                error.message,
                code=error.code,
                tried=error.tried,
                answered=f"container {record.name} of project {project} publishes it",
                hint=f"`pycompose -p {project} stop {record.options.service}`, or publish another"
                " host port",
            )
    return error
