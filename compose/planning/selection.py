"""Naming a service on the command line turns it on, whatever its profiles say; it alone.

Its dependencies must be active, or turned on by a profile of the named service's. Source: reference
cli.md 4.
"""

from __future__ import annotations

from collections.abc import Iterable

from compose.errors import ComposeError, NotFound, nearest
from compose.model.attribute import replace
from compose.model.project import Project
from compose.options import Services


def with_named(project: Project, services: Services) -> Project:
    """The project with these services active. Raises ComposeError for a required dependency that
    no profile turns on."""
    asleep = [name for name in services if name in project.disabled_services]
    if not asleep:
        return project
    profiles = {profile for name in asleep for profile in project.disabled_services[name].profiles}
    active = dict(project.services)
    waiting = list(asleep)
    while waiting:
        name = waiting.pop()
        service = project.all_services[name]
        active[name] = service
        for other, needed in service.depends_on.items():
            if other in active:
                continue
            found = project.disabled_services.get(other)
            if found is not None and profiles & set(found.profiles):
                waiting.append(other)
            elif needed.required:
                raise ComposeError(
                    f'service "{other}" is required by "{name}" but is disabled',
                    code="E214",
                    where=project.origins.nearest(("services", name, "depends_on", other)),
                    hint=f"turn its profile on: `--profile {found.profiles[0]}`"
                    if found is not None and found.profiles
                    else "turn its profile on with `--profile`",
                )
    order = {name: active[name] for name in project.all_services if name in active}
    asleep_still = {k: s for k, s in project.disabled_services.items() if k not in active}
    return replace(project, services=order, disabled_services=asleep_still)


def check_services(project: Project, services: Services) -> None:
    """Raises NotFound for the first that is neither active nor disabled."""
    known = project.all_services
    for name in services:
        if name not in known:
            raise NotFound(f"no such service: {name}", code="E202", hint=meant(name, known))


def meant(name: str, known: Iterable[str]) -> str:
    """`did you mean web?`, or nothing."""
    found = nearest(name, known)
    return f"did you mean `{found}`?" if found else ""
