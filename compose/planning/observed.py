"""What exists for a project, as the engine said it: collected once, lossless, no choice made.

Built by the Stack from the engine's reads; the planners ask it questions and get records.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.frozen import dataclass, field
from runtime.values import (
    ContainerRecord,
    ImageRecord,
    NetworkRecord,
    ProjectRecord,
    VolumeRecord,
)

GONE = ("exited", "dead")
UP = ("running", "paused", "restarting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is there.

    `networks` and `volumes` are those of the project, and of everybody with a name that the project
    uses; `images` those that were asked for and are here. `file_digests` are of the files behind
    secrets and configs (path -> sha256), since a changed file changes its container.
    """

    project: ProjectRecord | None = None
    containers: tuple[ContainerRecord, ...] = ()
    networks: Mapping[str, NetworkRecord] = field(default_factory=dict)
    volumes: Mapping[str, VolumeRecord] = field(default_factory=dict)
    images: Mapping[str, ImageRecord] = field(default_factory=dict)
    file_digests: Mapping[str, str] = field(default_factory=dict)
    missing_paths: frozenset[str] = frozenset()
    """Files and folders of the host that the project names and that are not there."""
    same_folders: frozenset[str] = frozenset()
    """Folders that containers were started from, and that are no other than the project's: by
    another name, or not there any more."""

    def replicas(self, service: str) -> tuple[ContainerRecord, ...]:
        """The service's own containers by number: no one-offs, none that was not made by a
        model."""
        found = (record for record in self.containers if record.options.service == service)
        return tuple(
            sorted(
                (record for record in found if is_replica(record)),
                key=lambda record: record.options.number,
            )
        )

    def one_offs(self, service: str) -> tuple[ContainerRecord, ...]:
        return tuple(
            record
            for record in self.containers
            if record.options.service == service and record.options.oneoff
        )


def is_replica(record: ContainerRecord) -> bool:
    """One-offs and the containers of hooks are none."""
    return not record.options.oneoff and bool(record.options.config_hash)


def is_up(record: ContainerRecord) -> bool:
    """It runs, is paused, or is on its way back."""
    return record.state.status in UP


def is_orphan(record: ContainerRecord, services: Mapping[str, object]) -> bool:
    """Its service is not in the model (active or not), or it is a one-off that has ended."""
    if record.options.oneoff:
        return record.state.status in GONE
    return record.options.service not in services
