"""A Machine that only reads: `--dry-run` for the verbs that need no project.

Each act is refused where what is there already refuses it, told in Docker's lines, and not done.
What it pretends to remove is gone for the rest of the verb (scheduling/dry_engine.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compose.machine import Machine
from compose.scheduling.dry_engine import DryEngine
from compose.scheduling.events import ResourceEvent
from runtime.engine import Engine
from runtime.errors import AlreadyExists, InUse, NotFound, RuntimeFault
from runtime.values import (
    ContainerRecord,
    ImageRecord,
    LoadedImage,
    Login,
    NetworkOptions,
    NetworkRecord,
    Pruned,
    VolumeOptions,
    VolumeRecord,
)

Tell = Callable[[ResourceEvent], None]


class DryMachine(Machine):
    """What Machine would do. Answers are those of the act, as far as reading tells them."""

    def __init__(self, tell: Tell, *, environment: Mapping[str, str] | None = None) -> None:
        self._tell = tell
        super().__init__(environment=environment)

    def _engine_of(self, project: str) -> Engine:
        """One for all, which remembers what is gone."""
        return self._engine if project else DryEngine(super()._engine_of(""))

    def _would(self, thing: str, doing: str, done: str) -> None:
        self._tell(ResourceEvent(id=thing, text=doing))
        self._tell(ResourceEvent(id=thing, text=done, status="Done"))

    # --- containers

    def _wake(self, project: str, due: Sequence[ContainerRecord]) -> list[RuntimeFault]:
        for record in due:
            self._would(f"Container {record.name}", "Starting", "Started")
        return []

    def _remove_container(self, record: ContainerRecord) -> None:
        super()._remove_container(record)
        self._would(f"Container {record.name}", "Removing", "Removed")

    # --- images

    def import_image(self, source: str, name: str = "", **_rest: Any) -> ImageRecord:
        _check_readable(source)
        self._would(f"Image {name or source}", "Importing", "Imported")
        return ImageRecord(id="", name=name)

    def load_images(self, source: str, **_rest: Any) -> tuple[LoadedImage, ...]:
        _check_readable(source)
        self._would(f"Images {source}", "Loading", "Loaded")
        return ()

    def save_images(self, names: Sequence[str], target: str, *, platform: str = "") -> None:
        for name in names:
            self.image(name)
            self._would(f"Image {name}", "Saving", "Saved")

    def tag_image(self, source: str, target: str) -> None:
        self.image(source)
        self._would(f"Image {target}", "Tagging", "Tagged")

    def remove_image(
        self, reference: str, *, force: bool = False, prune: bool = True, platform: str = ""
    ) -> tuple[str, ...]:
        record = self.image(reference)
        is_last = sum(one.id == record.id for one in self.images()) <= 1
        if is_last and not force and record.id in self.used_images():
            raise InUse(f"image {reference} is used by a container", code="E316")
        self._would(f"Image {reference}", "Removing", "Removed")
        return ()

    def _prune_images(self, ids: Sequence[str]) -> Pruned:
        for image_id in ids:
            self._would(f"Image {image_id}", "Removing", "Removed")
        return Pruned()

    # --- registries

    def login(self, registry: str, login: Login) -> str:
        self._would(f"Login {registry}".rstrip(), "Keeping", "Kept")
        return ""

    def logout(self, registry: str) -> bool:
        is_known = self.known_login(registry) is not None
        if is_known:
            self._would(f"Login {registry}".rstrip(), "Removing", "Removed")
        return is_known

    # --- networks and volumes

    def create_network(self, options: NetworkOptions) -> NetworkRecord:
        if self._engine.network(options.name) is not None:
            raise AlreadyExists(f"network with name {options.name} already exists", code="E304")
        self._would(f"Network {options.name}", "Creating", "Created")
        return super().create_network(options)

    def remove_network(self, name: str) -> None:
        super().remove_network(name)
        self._would(f"Network {name}", "Removing", "Removed")

    def create_volume(self, options: VolumeOptions) -> VolumeRecord:
        is_there = self._engine.volume(options.name) is not None
        record = super().create_volume(options)
        if not is_there:
            self._would(f"Volume {options.name}", "Creating", "Created")
        return record

    def remove_volume(self, name: str) -> None:
        self.volume(name)
        users = ", ".join(one.name for one in self.containers() if name in _volumes_of(one))
        if users:
            raise InUse(f"volume {name} is in use", code="E318", answered=f"mounted by {users}")
        self._would(f"Volume {name}", "Removing", "Removed")


def _check_readable(source: str) -> None:
    """Raises NotFound for a file that the act could not read either."""
    if source != "-" and "://" not in source and not os.access(source, os.R_OK):
        raise NotFound(f"cannot read {source}", code="E526")


def _volumes_of(record: ContainerRecord) -> set[str]:
    mounted = {mount.source for mount in record.options.mounts}
    return mounted | set(record.anonymous_volumes.values())
