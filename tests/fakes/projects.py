"""A Project from a few lines of YAML, for tests of what comes after loading."""

from __future__ import annotations

from typing import Any

import yaml

from compose.model.deploy import Deploy
from compose.model.files import Config, Secret
from compose.model.lifecycle import Dependency, Healthcheck, Hook, StartHook
from compose.model.mounts import FileReference, Mount, SecretReference
from compose.model.network import Network
from compose.model.ports import Port
from compose.model.project import Project
from compose.model.service import Service
from compose.model.volume import Volume


def project_of(text: str, *, name: str = "p", folder: str = "/work") -> Project:
    said = yaml.safe_load(text) or {}
    services = {key: service_of(key, one or {}) for key, one in said.get("services", {}).items()}
    networks = {
        key: Network(**{"name": f"{name}_{key}", **(one or {})})
        for key, one in said.get("networks", {}).items()
    }
    if any("default" in service.networks for service in services.values()):
        networks.setdefault("default", Network(name=f"{name}_default"))
    return Project(
        name=name,
        working_dir=folder,
        files=(f"{folder}/compose.yaml",),
        services={k: s for k, s in services.items() if not s.profiles},
        disabled_services={k: s for k, s in services.items() if s.profiles},
        networks=networks,
        volumes={
            key: Volume(**{"name": f"{name}_{key}", **(one or {})})
            for key, one in said.get("volumes", {}).items()
        },
        secrets={key: Secret(**one) for key, one in said.get("secrets", {}).items()},
        configs={key: Config(**one) for key, one in said.get("configs", {}).items()},
    )


def service_of(name: str, said: dict[str, Any]) -> Service:
    values = dict(said)
    needs = values.pop("depends_on", {})
    if isinstance(needs, list):
        needs = {other: {} for other in needs}
    needs = {other: Dependency(**(one or {})) for other, one in needs.items()}
    for attribute in ("network_mode", "pid", "ipc"):
        kind, _, other = values.get(attribute, "").partition(":")
        if kind == "service":
            needs.setdefault(other, Dependency(restart=True))
    if "network_mode" not in values:
        values["networks"] = dict.fromkeys(values.get("networks", ["default"]))
    volumes = [_mount(text) for text in values.pop("volumes", [])]
    for key, of in (("pre_stop", Hook), ("post_start", Hook), ("pre_start", StartHook)):
        if key in values:
            values[key] = tuple(of(command=tuple(one)) for one in values[key])
    if "command" in values and isinstance(values["command"], str):
        values["command"] = tuple(values["command"].split())
    if "healthcheck" in values:
        values["healthcheck"] = Healthcheck(test=("CMD", *values["healthcheck"].split()))
    if "deploy" in values:
        values["deploy"] = Deploy(**values["deploy"])
    if "ports" in values:
        values["ports"] = tuple(_port(str(text)) for text in values["ports"])
    if "secrets" in values:
        values["secrets"] = tuple(SecretReference(source=s) for s in values["secrets"])
    if "configs" in values:
        values["configs"] = tuple(FileReference(source=s) for s in values["configs"])
    for key in ("profiles", "links", "volumes_from", "tmpfs"):
        if key in values:
            values[key] = tuple(values[key])
    values.setdefault("image", "host")
    return Service(name=name, depends_on=needs, volumes=tuple(volumes), **values)


def _mount(text: str) -> Mount:
    source, _, target = text.rpartition(":")
    kind = "bind" if source.startswith("/") else "volume"
    return Mount(type=kind, source=source, target=target)


def _port(text: str) -> Port:
    published, _, target = text.rpartition(":")
    return Port(target=int(target), published=published)
