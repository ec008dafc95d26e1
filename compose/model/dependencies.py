"""Which services need which: the closure of a selection, and a circle if there is one. Pure.

An edge leads from a service to what must be there before it: depends_on, which after normalising
holds links, shared namespaces and volumes_from as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compose.model.service import Service

Edges = Mapping[str, Iterable[str]]


def dependencies_of(services: Mapping[str, Service]) -> dict[str, tuple[str, ...]]:
    """Service -> the services that it depends on, as far as they are among `services`."""
    return {
        name: tuple(other for other in service.depends_on if other in services)
        for name, service in services.items()
    }


def closure(names: Iterable[str], edges: Edges) -> set[str]:
    """The names and all that they lead to."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(edges.get(name, ()))
    return found


def find_circle(edges: Edges) -> tuple[str, ...]:
    """The services of a circle in its order, the first again at the end; empty when there is
    none."""
    finished: set[str] = set()
    for start in sorted(edges):
        circle = _search(start, edges, finished)
        if circle:
            return circle
    return ()


def _search(start: str, edges: Edges, finished: set[str]) -> tuple[str, ...]:
    """Depth first without recursion: a chain may be longer than Python's stack."""
    path: list[str] = []
    on_path: set[str] = set()
    waiting: list[tuple[str, bool]] = [(start, False)]
    while waiting:
        name, leaving = waiting.pop()
        if leaving:
            path.pop()
            on_path.discard(name)
            finished.add(name)
        elif name in on_path:
            return (*path[path.index(name) :], name)
        elif name not in finished:
            path.append(name)
            on_path.add(name)
            waiting.append((name, True))
            waiting.extend((other, False) for other in sorted(edges.get(name, ()), reverse=True))
    return ()
