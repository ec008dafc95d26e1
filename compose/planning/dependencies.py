"""Who needs whom: `depends_on` (with what links, namespaces and volumes_from imply), and circles.

Names only, no containers. Order is the file's wherever the graph leaves a choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from compose.errors import ComposeError, Fault, InvalidFile
from compose.model.project import Project
from compose.model.service import Service
from compose.tree import Origin

NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
_WORDS = {
    "network_mode": "network namespace",
    "ipc": "IPC namespace",
    "pid": "PID namespace",
    "uts": "UTS namespace",
    "cgroup": "cgroup namespace",
    "volumes_from": "volume",
}


def closure(services: Mapping[str, Service], names: Iterable[str]) -> tuple[str, ...]:
    """The services, and all that they need, in the file's order. Disabled ones are left out."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in services and name not in found:
            found.add(name)
            waiting.extend(services[name].depends_on)
    return tuple(name for name in services if name in found)


def dependents(
    services: Mapping[str, Service], names: Iterable[str], *, restarting: bool = False
) -> tuple[str, ...]:
    """The services, and all that need them; `restarting`: through `restart: true` alone."""
    found: set[str] = set(names)
    grown = True
    while grown:
        more = {
            name
            for name, service in services.items()
            if name not in found
            and any(
                other in found and (dependency.restart or not restarting)
                for other, dependency in service.depends_on.items()
            )
        }
        found |= more
        grown = bool(more)
    return tuple(name for name in services if name in found)


def in_order(services: Mapping[str, Service]) -> tuple[str, ...]:
    """Dependencies first. Raises InvalidFile for a circle."""
    done: dict[str, None] = {}
    for name in services:
        _visit(services, name, done, ())
    return tuple(done)


def _visit(
    services: Mapping[str, Service], name: str, done: dict[str, None], path: tuple[str, ...]
) -> None:
    if name in done or name not in services:
        return
    if name in path:
        circle = (*path[path.index(name) :], name)
        raise ComposeError(f"dependency cycle detected: {' -> '.join(circle)}", code="E201")
    for other in services[name].depends_on:
        _visit(services, other, done, (*path, name))
    done[name] = None


def check_circles(project: Project) -> None:
    """Raises InvalidFile: the circle, with the line of each of its dependencies."""
    circle = _find_circle(project.all_services)
    if not circle:
        return
    steps = list(pairwise(circle))
    places = [
        (f"`{one}` needs `{other}`:", where)
        for one, other in steps
        if (where := _line_of(project, one, other)) is not None
    ]
    raise InvalidFile(
        Fault(
            "E201",
            f"dependency cycle detected: {' -> '.join(circle)}",
            where=places[0][1] if places else None,
            trail=places,
            hint="remove one of these dependencies",
        )
    )


def _line_of(project: Project, one: str, other: str) -> Origin | None:
    return project.origins.key_of(("services", one, "depends_on", other)) or (
        project.origins.nearest(("services", one, "depends_on"))
    )


def _find_circle(services: Mapping[str, Service]) -> tuple[str, ...]:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if name in path:
            return (*path[path.index(name) :], name)
        if name in done or name not in services:
            return ()
        for other in services[name].depends_on:
            if circle := visit(other, (*path, name)):
                return circle
        done.add(name)
        return ()

    for name in sorted(services):
        if circle := visit(name, ()):
            return circle
    return ()


def shared_with(service: Service) -> Iterator[tuple[str, str]]:
    """(attribute, service): whose containers' namespaces or volumes this one's join."""
    for attribute in NAMESPACES:
        kind, _, name = getattr(service, attribute).partition(":")
        if kind == "service" and name:
            yield attribute, name
    for source in service.volumes_from:
        name = source.partition(":")[0]
        if name != "container":
            yield "volumes_from", name


def words_of(attribute: str) -> str:
    """`network namespace`, for `cannot share network namespace with service x`."""
    return _WORDS[attribute]
