"""What `config` prints of a model in lines: names of services, networks, profiles, images, hashes,
variables.

Pure: a Project or tree in, lines out. Source: 17.5 of the Compose file reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from compose.loading.variables import names_in
from compose.model.dependencies import dependencies_of
from compose.model.project import Project
from compose.output.columns import align
from compose.output.json_text import to_json
from compose.output.yaml_text import to_yaml
from compose.planning.divergence import fingerprint, hash_of
from compose.planning.images import image_of
from compose.planning.own_containers import join_own_containers
from compose.tree import Node, walk


def services(project: Project) -> list[str]:
    """The names of the active services, each after those that it depends on."""
    edges = dependencies_of(project.services)
    ordered: dict[str, None] = {}
    waiting = [(name, False) for name in sorted(edges, reverse=True)]
    entered: set[str] = set()
    while waiting:
        name, is_left = waiting.pop()
        if is_left:
            ordered[name] = None
        elif name not in entered:
            entered.add(name)
            waiting.append((name, True))
            waiting.extend((other, False) for other in sorted(edges[name], reverse=True))
    return list(ordered)


def profiles(project: Project) -> list[str]:
    """Every profile that a service names, active or not."""
    return sorted({name for service in project.all_services.values() for name in service.profiles})


def images(project: Project) -> list[str]:
    """The image of each service, in the order of `services`; several may share one."""
    return [image_of(project, project.services[name]) for name in services(project)]


def models(project: Project) -> list[str]:
    """The artifact of each model."""
    return [model.model for model in project.models.values()]


def environment(project: Project) -> list[str]:
    """`NAME=value` of the variables that files are interpolated with."""
    return [f"{name}={value}" for name, value in sorted(project.environment.items())]


LISTS: dict[str, Callable[[Project], Iterable[str]]] = {
    "services": services,
    "volumes": lambda project: project.volumes,
    "networks": lambda project: project.networks,
    "models": models,
    "profiles": profiles,
    "images": images,
    "environment": environment,
}
"""What `config --NAME` prints, line by line."""


def hashes(project: Project, names: Iterable[str], digests: Mapping[str, str]) -> list[str]:
    """`SERVICE HASH`: the hash that a container made now would carry as its label.

    `digests` are those of the files behind secrets and configs.
    """
    services = join_own_containers(project).services
    return [
        f"{name} {hash_of(fingerprint(services[name], project, digests))}" for name in sorted(names)
    ]


# ---- variables
# ----------------------------------------------------------------------------------


class Mentioned(NamedTuple):
    """A variable that the files mention: what stands for it when it is unset, or set."""

    name: str
    required: bool
    default: str
    alternate: str


def variables(tree: Node) -> list[Mentioned]:
    """The variables of a tree that is not interpolated, by name; the first mention that says more
    than the name wins."""
    found: dict[str, Mentioned] = {}
    for _path, node in walk(tree):
        for name, operator, word in names_in(node.text):
            one = _mentioned(name, operator, word)
            if name not in found or found[name] == Mentioned(name, False, "", ""):
                found[name] = one
    return [found[name] for name in sorted(found)]


def _mentioned(name: str, operator: str, word: str) -> Mentioned:
    kind = operator[-1:]
    return Mentioned(name, kind == "?", word if kind == "-" else "", word if kind == "+" else "")


def variables_table(found: list[Mentioned]) -> list[str]:
    """Docker's table."""
    rows = [("NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE")]
    rows += [
        (one.name, "true" if one.required else "false", one.default, one.alternate) for one in found
    ]
    return align(rows, minimum=20, padding=3)


_FIELDS = ("Name", "DefaultValue", "PresenceValue", "Required")
"""Docker's names of what is known about a variable."""


def variables_json(found: list[Mentioned]) -> str:
    """By name, in Docker's form."""
    return to_json({one.name: dict(zip(_FIELDS, _values(one), strict=True)) for one in found})


def variables_yaml(found: list[Mentioned]) -> str:
    """The same with small letters, as Docker's YAML has them."""
    names = [name.lower() for name in _FIELDS]
    return to_yaml({one.name: dict(zip(names, _values(one), strict=True)) for one in found})


def _values(one: Mentioned) -> tuple[str, str, str, bool]:
    return (one.name, one.default, one.alternate, one.required)
