"""The verbs that need no project: what exists on this machine, and what brings it back after a
boot.

As Stack: reads are plain, acts run in this thread; nothing is printed.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from compose.errors import NotFound
from compose.options import PruneOptions
from runtime import tasks
from runtime.engine import Engine
from runtime.errors import AlreadyExists, RuntimeFault
from runtime.frozen import replace
from runtime.paths import Paths, find_paths
from runtime.values import (
    ContainerRecord,
    DiskUsage,
    ImageDetails,
    ImageRecord,
    LoadedImage,
    Login,
    NetworkOptions,
    NetworkRecord,
    Progress,
    ProjectRecord,
    Pruned,
    VolumeOptions,
    VolumeRecord,
)

OnProgress = Callable[[Progress], None]


class ProjectRow(NamedTuple):
    """A project and its containers, one-offs too; for `ls`."""

    project: ProjectRecord
    containers: tuple[ContainerRecord, ...]

    @property
    def statuses(self) -> Mapping[str, int]:
        """Status -> how many, the most frequent words first: `running(2), exited(1)`."""
        found: dict[str, int] = {}
        for record in self.containers:
            found[record.state.status] = found.get(record.state.status, 0) + 1
        return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))

    @property
    def is_up(self) -> bool:
        return any(record.is_running for record in self.containers)


class PrunedSystem(NamedTuple):
    """What `system prune` removed: ids of containers, names of networks and volumes."""

    containers: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...]
    images: Pruned
    reclaimed: int


class Machine:
    """Everything of one root, whatever the project."""

    def __init__(
        self,
        *,
        paths: Paths | None = None,
        environment: Mapping[str, str] | None = None,
        open_engine: Callable[[str], Engine] | None = None,
    ) -> None:
        self._paths = paths or find_paths(os.environ if environment is None else environment)
        self._open_engine = open_engine
        self._engine = self._engine_of("")

    def _engine_of(self, project: str) -> Engine:
        if self._open_engine is not None:
            return self._open_engine(project)
        return Engine(self._paths, project=project)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.close()

    # --- projects

    def ls(self, *, all: bool = False) -> tuple[ProjectRow, ...]:
        """Projects by name; those of which something runs, unless `all`."""
        by_project: dict[str, list[ContainerRecord]] = {}
        for record in self._engine.containers():
            by_project.setdefault(record.project_id, []).append(record)
        rows = (
            ProjectRow(project, tuple(by_project.get(project.id, ())))
            for project in self._engine.projects()
        )
        return tuple(row for row in rows if row.is_up or (all and row.containers))

    def boot(self, *, on_project: Callable[[str], None] = lambda name: None) -> tuple[str, ...]:
        """Start what restart policies say should run (R14); the names of the projects that were
        woken. What cannot be started does not keep the others down: the first such is raised at the
        end."""
        woken, failures = [], []
        for project in self._engine.projects():
            records = self._engine.containers(project.name)
            due = [record for record in records if _starts_at_boot(record)]
            if due:
                on_project(project.name)
                failures += self._wake(project.name, due)
                woken.append(project.name)
        if failures:
            raise failures[0]
        return tuple(woken)

    def _wake(self, project: str, due: Sequence[ContainerRecord]) -> list[RuntimeFault]:
        return tasks.run(_start, self._engine_of(project), due)

    # --- containers

    def containers(self) -> tuple[ContainerRecord, ...]:
        """Of every project, one-offs too."""
        return self._engine.containers()

    # --- images

    def images(self) -> tuple[ImageRecord, ...]:
        return self._engine.images()

    def image(self, reference: str) -> ImageRecord:
        """Raises NotFound."""
        found = self._engine.image(reference)
        if found is None:
            raise NotFound(f"no such image: {reference}", code="E500")
        return found

    def image_details(self, reference: str, *, platform: str = "") -> ImageDetails:
        """Raises NotFound."""
        return self._engine.image_manager.details(reference, platform=platform)

    def used_images(self) -> frozenset[str]:
        """Ids of images that a container is made from or mounts."""
        return self._engine.image_manager.used_ids()

    def import_image(
        self,
        source: str,
        name: str = "",
        *,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str = "",
        on_progress: OnProgress | None = None,
    ) -> ImageRecord:
        """A root file system in a tar (a path, an URL or `-`) becomes an image of one layer."""
        return self._engine.image_manager.import_tar(
            source,
            name,
            changes=changes,
            message=message,
            platform=platform,
            on_progress=on_progress,
        )

    def load_images(
        self, source: str, *, platform: str = "", on_progress: OnProgress | None = None
    ) -> tuple[LoadedImage, ...]:
        """What `docker save` or `image save` wrote, or an OCI layout: a file, a folder or `-`."""
        return self._engine.image_manager.load(source, platform=platform, on_progress=on_progress)

    def save_images(self, names: Sequence[str], target: str, *, platform: str = "") -> None:
        """Into a file, a folder or, with `-`, stdout. Raises NotFound."""
        self._engine.image_manager.save(names, target, platform=platform)

    def tag_image(self, source: str, target: str) -> None:
        """Raises NotFound."""
        self._engine.image_manager.tag(source, target)

    def remove_image(
        self, reference: str, *, force: bool = False, prune: bool = True, platform: str = ""
    ) -> tuple[str, ...]:
        """Lines that say what went. Raises NotFound; InUse while a container needs it."""
        return self._engine.image_manager.remove(
            reference, force=force, prune=prune, platform=platform
        )

    def prune_images(self, options: PruneOptions) -> Pruned:
        """Images that no container needs: those without a name, or `all`; and blobs and layers that
        belong to none."""
        used = self._engine.image_manager.used_ids()
        named = {record.id for record in self.images() if record.name}
        doomed = {
            record.id
            for record in self.images()
            if record.id not in used
            and (options.all or record.id not in named)
            and _is_meant(options, record.created_at, record.config.labels)
        }
        return self._prune_images(sorted(doomed))

    def _prune_images(self, ids: Sequence[str]) -> Pruned:
        return self._engine.image_manager.prune(ids)

    def disk_usage(self) -> DiskUsage:
        return self._engine.image_manager.usage()

    def pull_image(
        self,
        reference: str,
        *,
        platform: str = "",
        on_progress: Callable[[Progress], None] | None = None,
    ) -> ImageRecord:
        """Have what the name means in its registry now. Raises NotFound, RuntimeFault."""
        return tasks.run(
            functools.partial(
                self._engine.ensure_image,
                reference,
                policy="always",
                platform=platform,
                on_progress=on_progress,
            )
        )

    def remote_tags_of(self, name: str) -> tuple[str, ...]:
        """The names with a tag that a repository has in its registry. Raises NotFound,
        RuntimeFault."""
        return tasks.run(self._engine.list_tags, name)

    def tags_of(self, name: str) -> tuple[str, ...]:
        """The names with a tag that a repository has here. Raises NotFound."""
        found = [image.name for image in self.images() if image.name.rpartition(":")[0] == name]
        if not found:
            raise NotFound(f"no such image: {name}", code="E500")
        return tuple(found)

    def push_image(
        self, reference: str, *, on_progress: Callable[[Progress], None] | None = None
    ) -> tuple[str, int]:
        """Send it to the registry of its name; (digest, size) of its manifest. Raises NotFound,
        RuntimeFault."""
        return tasks.run(
            functools.partial(self._engine.push_image, reference, on_progress=on_progress)
        )

    # --- registries

    def known_login(self, registry: str) -> Login | None:
        """Who we are to a registry, as far as it is kept. Raises RuntimeFault."""
        return self._engine.known_login(registry)

    def login(self, registry: str, login: Login) -> str:
        """Try it with the registry and keep it; the file in which it lies unencrypted, if it does.
        Raises RuntimeFault."""
        return tasks.run(self._engine.login, registry, login)

    def logout(self, registry: str) -> bool:
        """Forget it; False when there was none. Raises RuntimeFault."""
        return self._engine.logout(registry)

    def pinned_image(self, reference: str) -> str:
        """`docker.io/library/nginx:1.27@sha256:...`: what the name means in its registry now.

        What is built in stays. Raises NotFound, RuntimeFault.
        """
        if reference == "host" or reference.startswith(("dir:", "oci:")):
            return reference
        return tasks.run(self._engine.pin_image, reference)

    # --- networks

    def networks(self) -> tuple[NetworkRecord, ...]:
        return self._engine.networks()

    def network(self, name: str) -> NetworkRecord:
        """By its name, its id, or what only its id begins with. Raises NotFound."""
        found = self._engine.network(name)
        if found is not None:
            return found
        begun = [record for record in self._engine.networks() if record.id.startswith(name)]
        if len(begun) == 1 and name:
            return begun[0]
        if name and begun:
            raise NotFound(
                f"network {name} is ambiguous: {len(begun)} ids begin so",
                code="E317",
                hint="write more of the id, or the name",
            )
        raise NotFound(f"network {name} not found", code="E317")

    def create_network(self, options: NetworkOptions) -> NetworkRecord:
        """One that belongs to no project: for `external: true`. Raises AlreadyExists."""
        return tasks.run(self._engine.create_network, options)

    def remove_network(self, name: str) -> None:
        """Raises NotFound; InUse while a container is on it."""
        record = self.network(name)
        tasks.run(self._owner(record.options.project).remove_network, record.name)

    def prune_networks(self, options: PruneOptions) -> tuple[str, ...]:
        """Remove those that no container is on; their names."""
        names = tuple(network.name for network in self._unused_networks(options))
        for name in names:
            self.remove_network(name)
        return names

    # --- volumes

    def volumes(self) -> tuple[VolumeRecord, ...]:
        return self._engine.volumes()

    def volume(self, name: str) -> VolumeRecord:
        """Raises NotFound."""
        found = self._engine.volume(name)
        if found is None:
            raise NotFound(f"no such volume: {name}", code="E313")
        return found

    def create_volume(self, options: VolumeOptions) -> VolumeRecord:
        """One that belongs to no project: for `external: true`. One that is there already is the
        answer, as Docker's, unless it was made otherwise. Raises AlreadyExists."""
        there = self._engine.volume(options.name)
        if there is None:
            return tasks.run(self._engine.create_volume, options)
        known = there.options
        if options.driver == known.driver and options.driver_opts in ({}, known.driver_opts):
            return there
        raise AlreadyExists(
            f"volume {options.name} is there already, with other options",
            code="E305",
            hint=f"`pycompose volume inspect {options.name}` shows them; choose another name",
        )

    def remove_volume(self, name: str) -> None:
        """Raises NotFound; InUse while a container mounts it."""
        tasks.run(self._engine.remove_volume, name)

    def prune_volumes(self, options: PruneOptions) -> tuple[tuple[str, ...], int]:
        """Remove those that no container has, anonymous ones unless `all`: names, and bytes."""
        volumes = self._unused_volumes(options)
        sizes = self.disk_usage().volumes if volumes else {}
        for volume in volumes:
            self.remove_volume(volume.name)
        names = tuple(volume.name for volume in volumes)
        return names, sum(sizes.get(name, 0) for name in names)

    # --- all of it

    def prune(self, options: PruneOptions) -> PrunedSystem:
        """What nothing uses: stopped containers first, then what they alone were using."""
        sizes = self.disk_usage()
        containers = [
            record
            for record in self.containers()
            if record.state.status in ("created", "exited", "dead")
            and _is_meant(options, record.created_at, record.options.labels)
        ]
        for record in containers:
            self._remove_container(record)
        networks = self.prune_networks(options)
        volumes: tuple[str, ...] = ()
        in_volumes = 0
        if options.volumes:  # `all` speaks of images here
            volumes, in_volumes = self.prune_volumes(replace(options, all=False))
        images = self.prune_images(options)
        freed = sum(sizes.containers.get(record.id, 0) for record in containers)
        freed += in_volumes
        return PrunedSystem(
            tuple(record.id for record in containers),
            networks,
            volumes,
            images,
            freed + images.reclaimed,
        )

    def _remove_container(self, record: ContainerRecord) -> None:
        tasks.run(self._owner(record.options.project).remove_container, record.id)

    def _unused_networks(self, options: PruneOptions) -> list[NetworkRecord]:
        used = {
            endpoint.network
            for record in self.containers()
            for endpoint in record.options.endpoints
        }
        return [
            network
            for network in self.networks()
            if network.name not in used
            and _is_meant(options, network.created_at, network.options.labels)
        ]

    def _unused_volumes(self, options: PruneOptions) -> list[VolumeRecord]:
        used = {
            name
            for record in self.containers()
            for name in (
                *record.anonymous_volumes.values(),
                *(mount.source for mount in record.options.mounts),
            )
        }
        return [
            volume
            for volume in self.volumes()
            if (options.all or volume.options.anonymous)
            and volume.name not in used
            and _is_meant(options, volume.created_at, volume.options.labels)
        ]

    def _owner(self, project: str) -> Engine:
        """The engine of the project that a resource belongs to: its supervisor has to act."""
        return self._engine_of(project) if project else self._engine


def _is_meant(options: PruneOptions, created_at: float, labels: Mapping[str, str]) -> bool:
    return (
        (options.until is None or created_at < options.until)
        and all(_has(labels, wanted) for wanted in options.labels)
        and not any(_has(labels, unwanted) for unwanted in options.without_labels)
    )


def _has(labels: Mapping[str, str], text: str) -> bool:
    key, equals, value = text.partition("=")
    return key in labels and (not equals or labels[key] == value)


async def _start(engine: Engine, records: Sequence[ContainerRecord]) -> list[RuntimeFault]:
    failures = []
    try:
        await engine.open()
        for record in records:
            try:
                await engine.start_container(record.id)
            except RuntimeFault as fault:
                failures.append(fault)
    finally:
        await engine.aclose()
    return failures


def _starts_at_boot(record: ContainerRecord) -> bool:
    """D60: `always` means also what was stopped by hand; `on-failure` is not for this."""
    policy, desired = record.options.restart.name, record.desired
    wanted = {"always": ("running", "stopped"), "unless-stopped": ("running",)}
    return not record.is_running and desired in wanted.get(policy, ())
