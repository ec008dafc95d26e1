"""Where each value of a model came from: what `config --origin` prints.

The model in the form of `config`, as YAML whose comments say file, line and column of every value
and how it came from there: variables, extends, include, overrides, env files. The output can be
loaded like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from compose.errors import NotFound, Path, nearest, path_text
from compose.model.project import Origins, Project
from compose.output import documents
from compose.output.yaml_text import Noted, to_yaml
from compose.tree import Origin, Step

_SECTIONS = ("services", "networks", "volumes", "secrets", "configs", "models")
_INDEX = re.compile(r"\[?(\d+)\]?(?:\.|(?=\[)|$)")


def annotated(project: Project, places: Iterable[str] = ()) -> str:
    """The whole model, or the parts at some places (`services.web.environment.DEBUG`, or the name
    of a service). Raises NotFound for a place where nothing is."""
    plain = documents.plain(project)
    origins = project.origins
    paths = [find_path(plain, place) for place in places]
    if not paths:
        return to_yaml(_noted(plain, (), origins))
    return "".join(_part(plain, path, origins) for path in paths)


def _part(plain: Any, path: Path, origins: Origins) -> str:
    value = plain
    for step in path:
        value = value[step]
    noted = _noted(value, path, origins)
    return to_yaml({path_text(path): noted})


def _noted(value: Any, path: Path, origins: Origins) -> Any:
    if isinstance(value, Mapping) and value:
        return {name: _noted(child, (*path, name), origins) for name, child in value.items()}
    if isinstance(value, list) and value:
        return [_noted(item, (*path, index), origins) for index, item in enumerate(value)]
    origin = origins.nearest(path)
    if isinstance(value, str):
        value = documents.escape_dollars(value)
    return Noted(value, describe(origin) if origin is not None else "given to this command")


def describe(origin: Origin) -> str:
    """`compose.yaml:7:14, ${DEBUG} from .env:3:1`: the place and the way from there, in order."""
    return ", ".join(dict.fromkeys([str(origin), *(_step(step) for step in origin.how)]))


def _step(step: Step) -> str:
    place = str(step.where) if step.where is not None else "the shell"
    name, _, state = step.text.partition(", ")
    return {
        "variable": f"{name} is unset" if state else f"{name} from {place}",
        "environment": f"{name} from {place}",
        "extends": f"extended by {step.text} at {place}",
        "include": f"included at {place}",
        "override": f"in place of {place}",
        "env_file": f"env_file of {place}",
        "default": "implied",
    }[step.kind]


# ---- places
# ----------------------------------------------------------------------------------


def find_path(plain: Mapping[str, Any], place: str) -> Path:
    """The path that a person means. Raises NotFound with the nearest name."""
    services = plain.get("services", {})
    if place.partition(".")[0] not in plain and _fitting(services, place):
        place = f"services.{place}"
    return tuple(_steps(plain, place, place))


def _fitting(names: Iterable[str], rest: str) -> str:
    """The longest of the names that `rest` begins with as a step: names may hold dots."""
    for name in sorted(names, key=len, reverse=True):
        if rest == name or rest.startswith((f"{name}.", f"{name}[")):
            return name
    return ""


def _steps(value: Any, rest: str, place: str) -> Iterator[str | int]:
    while rest:
        key, rest = _longest_key(value, rest, place)
        yield key
        value = value[key]


def _longest_key(value: Any, rest: str, place: str) -> tuple[str | int, str]:
    """The next step and what is left."""
    if isinstance(value, Mapping):
        if key := _fitting(value, rest):
            return key, rest[len(key) :].removeprefix(".")
    elif isinstance(value, list):
        found = _INDEX.match(rest)
        if found and int(found[1]) < len(value):
            return int(found[1]), rest[found.end() :].removeprefix(".")
    raise _nothing_there(value, rest, place)


def _nothing_there(value: Any, rest: str, place: str) -> NotFound:
    before = place[: len(place) - len(rest)].rstrip(".")
    names = list(value) if isinstance(value, Mapping) else []
    near = nearest(rest.partition(".")[0], names)
    hint = ""
    if near:
        hint = f"did you mean `{before}.{near}`?" if before else f"did you mean `{near}`?"
    elif names:
        hint = f"there are {', '.join(names[:10])}"
    return NotFound(f"the model has no `{place}`", code="E216", hint=hint)
