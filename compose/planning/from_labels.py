"""A Project from what exists, for verbs that are given a name and no file.

Services, dependencies, networks and volumes are read from labels; conditions that labels do not say
become `running_or_healthy`, and nothing is required, so that a half-gone project can be taken down.
Source: reference cli.md 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compose.model.lifecycle import Dependency
from compose.model.network import Network
from compose.model.project import Project
from compose.model.service import Service
from compose.model.volume import Volume
from compose.planning import labels
from compose.planning.observed import Observed
from runtime.values import ContainerRecord


def project_of(name: str, observed: Observed) -> Project:
    """All that the labels of the project's objects say."""
    services: dict[str, Service] = {}
    for record in observed.containers:
        service = record.options.service
        if service and service not in services:
            services[service] = _service(record, observed)
    return Project(
        name=name,
        working_dir=observed.project.folder if observed.project else "",
        files=observed.project.files if observed.project else (),
        services={
            key: _without_unknown(service, services) for key, service in sorted(services.items())
        },
        networks={
            record.options.key or full: Network(name=full)
            for full, record in observed.networks.items()
        },
        volumes={
            record.options.key or full: Volume(name=full)
            for full, record in observed.volumes.items()
        },
    )


def _service(record: ContainerRecord, observed: Observed) -> Service:
    name = record.options.service
    return Service(
        name=name,
        image=record.options.image,
        depends_on=parse_dependencies(record.options.labels.get(labels.DEPENDS_ON, "")),
        scale=len(observed.replicas(name)),
    )


def _without_unknown(service: Service, known: Iterable[str]) -> Service:
    needs = {name: d for name, d in service.depends_on.items() if name in set(known)}
    return Service(name=service.name, image=service.image, depends_on=needs, scale=service.scale)


def parse_dependencies(label: str) -> Mapping[str, Dependency]:
    """`db:service_healthy:true,cache` -> dependencies."""
    found: dict[str, Dependency] = {}
    for part in filter(None, label.split(",")):
        name, _, rest = part.partition(":")
        condition, _, restart = rest.partition(":")
        found[name] = Dependency(
            condition=condition or "running_or_healthy",
            restart=restart.lower() == "true",
            required=False,
        )
    return found


def print_dependencies(service: Service) -> str:
    """The label's value."""
    return ",".join(
        f"{name}:{dependency.condition}:{str(dependency.restart).lower()}"
        for name, dependency in service.depends_on.items()
    )
