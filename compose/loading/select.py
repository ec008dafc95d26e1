"""Which services are active: profiles, services named by the caller, what they depend on.

Source: 13.3 and 17.1 of the Compose file reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from compose.errors import NotFound, nearest
from compose.model.attribute import replace
from compose.model.dependencies import closure
from compose.model.project import Project
from compose.model.service import Service


def apply_profiles(project: Project, profiles: tuple[str, ...], named: Iterable[str]) -> Project:
    """Put the services that no active profile asks for aside; naming a service activates its
    profiles."""
    every = project.all_services
    wanted = set(profiles)
    for name in named:
        if name in every:
            wanted.update(every[name].profiles)
    active = {name: s for name, s in every.items() if _is_active(s, wanted)}
    aside = {name: s for name, s in every.items() if name not in active}
    return replace(project, services=active, disabled_services=aside, profiles=tuple(profiles))


def _is_active(service: Service, profiles: set[str]) -> bool:
    return not service.profiles or "*" in profiles or not profiles.isdisjoint(service.profiles)


def select_services(project: Project, names: tuple[str, ...]) -> Project:
    """Narrow to the named services and what they depend on. Raises NotFound for an unknown name."""
    if not names:
        return project
    for name in names:
        if name not in project.services:
            raise _unknown(name, project)
    needed = closure(names, {name: _needs(s) for name, s in project.services.items()})
    kept = {name: s for name, s in project.services.items() if name in needed}
    rest = {name: s for name, s in project.all_services.items() if name not in kept}
    return replace(project, services=kept, disabled_services=rest)


def _needs(service: Service) -> tuple[str, ...]:
    return tuple(service.depends_on)


def _unknown(name: str, project: Project) -> NotFound:
    near = nearest(name, project.all_services)
    hint = f"did you mean `{near}`?" if near else _choice(project.services)
    return NotFound(f"no such service: {name}", code="E050", hint=hint)


def _choice(services: Mapping[str, Service]) -> str:
    return f"there are {', '.join(sorted(services)[:10])}" if services else ""


# ---- resources
# -------------------------------------------------------------------------------------------


def drop_unused(project: Project) -> Project:
    """Without the networks, volumes, secrets, configs and models that no active service uses."""
    services = project.services.values()
    return replace(
        project,
        networks=_used(project.networks, (n for s in services for n in s.networks)),
        volumes=_used(project.volumes, (v for s in services for v in volumes_of(s))),
        secrets=_used(project.secrets, (n for s in services for n in secrets_of(s))),
        configs=_used(project.configs, (c.source for s in services for c in s.configs)),
        models=_used(project.models, (m for s in services for m in s.models)),
    )


def _used(resources: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    used = set(names)
    return {name: resource for name, resource in resources.items() if name in used}


def volumes_of(service: Service) -> Iterator[str]:
    """The top-level volumes that a service mounts."""
    return (m.source for m in service.volumes if m.type == "volume" and m.source)


def secrets_of(service: Service) -> Iterator[str]:
    """The secrets of a service and of its build."""
    yield from (reference.source for reference in service.secrets)
    if service.build is not None:
        yield from (reference.source for reference in service.build.secrets)


def drop_missing_dependencies(project: Project) -> Project:
    """Without dependencies on services that are not active (only optional ones are left by
    then)."""
    services = {name: _trimmed(s, project.services) for name, s in project.services.items()}
    return replace(project, services=services)


def _trimmed(service: Service, services: Mapping[str, Service]) -> Service:
    if all(name in services for name in service.depends_on):
        return service
    kept = {name: d for name, d in service.depends_on.items() if name in services}
    return replace(service, depends_on=kept)
