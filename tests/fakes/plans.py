"""The language of planning tests: YAML now, YAML before and what became of it -> the plan as text.

    plan("services: {web: {image: b}}", before="services: {web: {image: a}}", states="web-1 exited 1")

`before` is a stack that is up; `states` changes or adds containers, one a line: `NAME STATUS [CODE
or HEALTH]`, `NAME absent`, or `NAME STATUS of SERVICE` for one that `before` does not have.
"""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

from compose.model.project import Project
from compose.options import CreateOptions, UpOptions
from compose.planning.converge import converge
from compose.planning.dependencies import NAMESPACES
from compose.planning.networks import network_options
from compose.planning.observed import Observed
from compose.planning.plan import Plan
from compose.planning.volumes import volume_options
from compose.scheduling.container_options import Making, container_options
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    NetworkId,
    NetworkRecord,
    ProjectId,
    ProjectRecord,
    RunState,
    VolumeRecord,
)
from tests.fakes.engine import image
from tests.fakes.projects import project_of

NOTHING = "services: {}"


def plan(
    now: str,
    *,
    before: str = NOTHING,
    states: str = "",
    images: tuple[str, ...] | None = None,
    create: bool = False,
    **wishes: Any,
) -> str:
    """The plan of `up -d` (or `create`) as text, set in as the tests write it."""
    return shown(
        made_plan(now, before=before, states=states, images=images, create=create, **wishes)
    )


def made_plan(
    now: str,
    *,
    before: str = NOTHING,
    states: str = "",
    images: tuple[str, ...] | None = None,
    create: bool = False,
    **wishes: Any,
) -> Plan:
    project = project_of(now)
    observed = observed_after(before, states, images=images, also=project)
    options = CreateOptions(**wishes) if create else UpOptions(**wishes)
    return converge(project, observed, options)


def shown(made: Plan) -> str:
    """Whole texts with a margin, so that they stand in a test as they are printed."""
    lines = [*str(made).splitlines(), *(f"warning: {text}" for text in made.warnings)]
    if not lines:
        return ""
    return textwrap.indent("\n" + "\n".join(lines) + "\n", " " * 12).lstrip(" ") + " " * 8


def observed_after(
    before: str,
    states: str = "",
    *,
    images: tuple[str, ...] | None = None,
    also: Project | None = None,
) -> Observed:
    """What exists once `before` is up and `states` have come to pass."""
    project = project_of(before)
    records: dict[str, ContainerRecord] = {}
    for service in project.services.values():
        for number in range(1, service.replicas + 1):
            name = service.container_name or f"p-{service.name}-{number}"
            records[name] = _record(project, service.name, name, number)
    records = _joined(records, project)
    for line in filter(None, (line.strip() for line in states.splitlines())):
        _apply(records, line)
    projects = [project, *([also] if also else [])]
    known = {s.image for one in projects for s in one.all_services.values()}
    return Observed(
        project=ProjectRecord(id=ProjectId("0000cafe"), name="p", folder="/work"),
        containers=tuple(sorted(records.values(), key=lambda record: record.name)),
        networks={
            network.name: NetworkRecord(id=NetworkId("n"), options=network_options(project, key))
            for key, network in project.networks.items()
        },
        volumes={
            volume.name: VolumeRecord(options=volume_options(project, key))
            for key, volume in project.volumes.items()
        },
        images={name: image(name) for name in (known if images is None else images)},
    )


def _record(project: Project, service: str, name: str, number: int) -> ContainerRecord:
    asked = project.services[service]
    options = container_options(
        project, asked, Making(name=name, number=number, image_id=f"sha256:{asked.image}")
    )
    health = "healthy" if asked.healthcheck else ""
    return ContainerRecord(
        id=ContainerId(f"{name}-id".ljust(64, "0")),
        project_id=ProjectId("0000cafe"),
        options=options,
        image_id=f"sha256:{asked.image}",
        state=RunState(status="running", generation=1, health=health),
    )


def _joined(records: dict[str, ContainerRecord], project: Project) -> dict[str, ContainerRecord]:
    """Namespaces of services become those of their first containers."""
    joined = {}
    for name, record in records.items():
        changes = {}
        for attribute in NAMESPACES:
            kind, _, other = getattr(project.services[record.options.service], attribute).partition(
                ":"
            )
            if kind == "service":
                changes[attribute] = f"container:{records[f'p-{other}-1'].id}"
        options = dataclasses.replace(record.options, **changes)
        joined[name] = dataclasses.replace(record, options=options)
    return joined


def _apply(records: dict[str, ContainerRecord], line: str) -> None:
    short, status, *rest = line.split()
    name = short if short in records else f"p-{short}"
    if status == "absent":
        del records[name]
        return
    if name not in records:
        records[name] = _stranger(name, rest)
        rest = []
    state = RunState(
        status=status,
        generation=1,
        exit_code=int(rest[0]) if rest and rest[0].isdigit() else 0,
        health=rest[0] if rest and not rest[0].isdigit() else "",
    )
    records[name] = dataclasses.replace(records[name], state=state)


def _stranger(name: str, words: list[str]) -> ContainerRecord:
    """`old-1 running of old`, `job-run-1 exited one-off of job`."""
    options = ContainerOptions(
        project="p",
        name=name,
        service=words[-1],
        number=0 if "one-off" in words else 1,
        oneoff="one-off" in words,
        config_hash="unknown",
    )
    return ContainerRecord(
        id=ContainerId(f"{name}-id".ljust(64, "0")),
        project_id=ProjectId("0000cafe"),
        options=options,
    )
