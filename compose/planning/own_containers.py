"""Services that live in the namespaces of another service: how they name it, and when they go on.

People write `network_mode: container:vpn` beside a service with `container_name: vpn`. Docker can
take that name as it stands, since its engine looks for the container only when the other one
starts; but once `vpn` was recreated, the other one is left in a network that is gone. Here the name
of a container of this very project means its service: it is made first, and what becomes of it
concerns who lives with it. A new start is such a thing, too, whatever `depends_on` says of
`restart`: the namespaces end with the old one.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.model.attribute import replace
from compose.model.lifecycle import Dependency
from compose.model.project import Project
from compose.model.service import Service
from compose.planning.dependencies import NAMESPACES, shared_with


def join_own_containers(project: Project) -> Project:
    """For planning; `config` prints what the file says. Active services alone: a container of a
    disabled one is whatever runs under that name."""
    owners = {
        service.container_name or f"{project.name}-{name}-1": name
        for name, service in project.services.items()
    }
    services = {
        name: _bound(_renamed(service, owners)) for name, service in project.services.items()
    }
    return replace(project, services=services)


def _renamed(service: Service, owners: Mapping[str, str]) -> Service:
    """`container:NAME` -> `service:SERVICE`, and `SERVICE` among the volumes' sources."""
    changed: dict[str, object] = {}
    for attribute in NAMESPACES:
        kind, _, name = getattr(service, attribute).partition(":")
        if kind == "container" and name in owners:
            changed[attribute] = f"service:{owners[name]}"
    sources = tuple(_source(text, owners) for text in service.volumes_from)
    if sources != service.volumes_from:
        changed["volumes_from"] = sources
    return replace(service, **changed) if changed else service


def _source(text: str, owners: Mapping[str, str]) -> str:
    kind, _, rest = text.partition(":")
    name, colon, mode = rest.partition(":")
    return f"{owners[name]}{colon}{mode}" if kind == "container" and name in owners else text


def _bound(service: Service) -> Service:
    """It depends on whom it shares with, and is restarted with whom it lives with."""
    needed = dict(service.depends_on)
    for attribute, name in shared_with(service):
        known = needed.get(name, Dependency())
        needed[name] = replace(known, restart=True) if attribute in NAMESPACES else known
    return service if needed == service.depends_on else replace(service, depends_on=needed)
