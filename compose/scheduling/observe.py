"""The engine's reads, put together as Observed. Takes everything, chooses nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from compose.errors import Fault, InvalidFile
from compose.model.project import Project
from compose.model.security import seccomp_file
from compose.planning import images, labels
from compose.planning.observed import Observed
from runtime.engine import Engine
from runtime.errors import RuntimeFault
from runtime.values import ContainerRecord, ImageRecord, NetworkRecord, VolumeRecord

INVALID_REFERENCE = "E503"
"""The engine's code for what is no name of an image."""


def observe(engine: Engine, project: Project, *, names: Iterable[str] | None = None) -> Observed:
    """All of the project; images and files of secrets for the services in `names` (all: None)."""
    wanted = tuple(project.services) if names is None else tuple(names)
    containers = engine.containers(project.name)
    return Observed(
        project=engine.find_project(project.name),
        containers=containers,
        same_folders=_same_folders(project, containers),
        networks=_networks(engine, project),
        volumes=_volumes(engine, project),
        images=_images(engine, project, wanted),
        file_digests=file_digests(project, wanted),
        missing_paths=_missing_paths(project, wanted),
    )


def observe_by_name(engine: Engine, name: str) -> Observed:
    """What labels say, for a project whose files are not read."""
    return Observed(
        project=engine.find_project(name),
        containers=engine.containers(name),
        networks={record.name: record for record in engine.networks(name)},
        volumes={
            record.name: record for record in engine.volumes(name) if not record.options.anonymous
        },
    )


def _networks(engine: Engine, project: Project) -> Mapping[str, NetworkRecord]:
    found = {record.name: record for record in engine.networks(project.name)}
    for network in project.networks.values():
        if network.name not in found and (record := engine.network(network.name)) is not None:
            found[network.name] = record
    return found


def _volumes(engine: Engine, project: Project) -> Mapping[str, VolumeRecord]:
    found = {record.name: record for record in engine.volumes(project.name)}
    for volume in project.volumes.values():
        if volume.name not in found and (record := engine.volume(volume.name)) is not None:
            found[volume.name] = record
    return found


def _images(engine: Engine, project: Project, names: tuple[str, ...]) -> Mapping[str, ImageRecord]:
    found = (
        (reference, _image(engine, project, names, reference, platform))
        for reference, platform in images.references(project, names).items()
    )
    return {reference: record for reference, record in found if record is not None}


def _image(
    engine: Engine, project: Project, names: tuple[str, ...], reference: str, platform: str
) -> ImageRecord | None:
    """Raises InvalidFile, with its place, for what is no name of an image."""
    try:
        return engine.image(reference, platform=platform)
    except RuntimeFault as error:
        if error.code != INVALID_REFERENCE:
            raise
        for name in names:
            service, path = project.all_services[name], ("services", name, "image")
            if images.image_of(project, service) == reference and service.image:
                where = project.origins.nearest(path)
                unset = where.unset_variable if where is not None else ""
                hint = f"the variable `{unset}` is not set" if unset else error.hint
                fault = Fault(error.code, error.message, where=where, path=path, hint=hint)
                raise InvalidFile(fault) from error
        raise


def file_digests(project: Project, names: tuple[str, ...]) -> Mapping[str, str]:
    """Of the files behind secrets and configs; a file that is not there has none."""
    paths = _files(project, names)
    return {path: digest for path in paths if path and (digest := _digest(path))}


def _missing_paths(project: Project, names: tuple[str, ...]) -> frozenset[str]:
    """Of what must be there: those files, profiles, folders of volumes, and binds that are not to
    be made."""
    binds = {
        mount.source
        for name in names
        for mount in project.all_services[name].volumes
        if mount.type == "bind" and not (mount.bind and mount.bind.create_host_path)
    }
    profiles = {
        seccomp_file(entry, project.working_dir)
        for name in names
        for entry in project.all_services[name].security_opt
    }
    bound = {
        volume.driver_opts.get("device", "")
        for volume in project.volumes.values()
        if {"bind", "rbind"} & set(volume.driver_opts.get("o", "").split(","))
    }
    needed = {*binds, *profiles, *bound, *_files(project, names)} - {""}
    return frozenset(path for path in needed if not os.path.lexists(path))


def _same_folders(project: Project, containers: Iterable[ContainerRecord]) -> frozenset[str]:
    folders = {record.options.labels.get(labels.WORKING_DIR, "") for record in containers}
    others = folders - {"", project.working_dir}
    own = os.path.realpath(project.working_dir)
    return frozenset(
        path for path in others if not os.path.isdir(path) or os.path.realpath(path) == own
    )


def _files(project: Project, names: tuple[str, ...]) -> Iterable[str]:
    paths: dict[str, None] = {}
    for name in names:
        service = project.all_services[name]
        for secret in service.secrets:
            paths[project.secrets[secret.source].file] = None
        for config in service.configs:
            paths[project.configs[config.source].file] = None
    return paths


def _digest(path: str) -> str:
    if not os.path.isfile(path):
        return ""
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
