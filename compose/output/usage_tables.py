"""What `system df` and `system prune` print. Pure. Source: Docker's own tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar, Protocol

from compose.output import humanise
from compose.output.filters import used_volumes
from compose.output.image_rows import ImageRow
from compose.output.image_tables import deleted, reclaimed
from compose.output.rows import ContainerRow, Row, VolumeRow
from compose.output.tables import show_rows
from runtime.values import ContainerRecord, DiskUsage, ImageUsage, Pruned, VolumeRecord

USAGE = ("Type", "TotalCount", "Active", "Size", "Reclaimable")
IMAGES = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize")
CONTAINERS = (
    "ID",
    "Image",
    "Command",
    "LocalVolumes",
    "Size",
    "RunningFor",
    "Status",
    "Names",
)
VOLUMES = ("Name", "Links", "Size")


class Removed(Protocol):
    """What `system prune` removed."""

    @property
    def containers(self) -> Sequence[str]: ...

    @property
    def networks(self) -> Sequence[str]: ...

    @property
    def volumes(self) -> Sequence[str]: ...

    @property
    def images(self) -> Pruned: ...

    @property
    def reclaimed(self) -> int: ...


class UsageRow(Row):
    """One kind of thing in `system df`."""

    headers: ClassVar[dict[str, str]] = {
        "Type": "TYPE",
        "TotalCount": "TOTAL",
        "Active": "ACTIVE",
        "Size": "SIZE",
        "Reclaimable": "RECLAIMABLE",
    }
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))

    def __init__(self, kind: str, total: int, active: int, size: int, reclaimable: int) -> None:
        self.Type = kind
        self.TotalCount = str(total)
        self.Active = str(active)
        self.Size = humanise.size(size)
        share = f" ({reclaimable * 100 // size}%)" if size else ""
        self.Reclaimable = f"{humanise.size(reclaimable)}{share}"


class ImageUsageRow(ImageRow):
    """An image in `system df -v`."""

    headers: ClassVar[dict[str, str]] = ImageRow.headers

    def __init__(self, usage: ImageUsage, now: float) -> None:
        super().__init__(usage.record, now)
        self.SharedSize = humanise.size(usage.shared)
        self.UniqueSize = humanise.size(usage.unique)
        self.Containers = str(usage.containers)


class ContainerUsageRow(ContainerRow):
    """A container in `system df -v`."""

    def __init__(self, record: ContainerRecord, now: float, size: int) -> None:
        super().__init__(record, now)
        self.bytes = size

    @property
    def Size(self) -> str:
        return humanise.size(self.bytes, digits=3)


class VolumeUsageRow(VolumeRow):
    """A volume in `system df -v`."""

    headers: ClassVar[dict[str, str]] = {**VolumeRow.headers, "Links": "LINKS", "Size": "SIZE"}
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))

    def __init__(self, record: VolumeRecord, links: int, size: int) -> None:
        super().__init__(record)
        self.Links = str(links)
        self.Size = humanise.size(size)


def show(
    usage: DiskUsage,
    containers: Sequence[ContainerRecord],
    volumes: Sequence[VolumeRecord],
    *,
    format: str,
    verbose: bool = False,
    now: float | None = None,
) -> list[str]:
    """`system df`; with `verbose` a table for each kind."""
    if verbose:
        return _show_each(usage, containers, volumes, time.time() if now is None else now)
    rows = [
        _images(usage),
        _containers(usage, containers),
        _volumes(usage, containers, volumes),
        UsageRow("Build Cache", 0, 0, 0, 0),
    ]
    return show_rows(rows, UsageRow, format=format, columns=USAGE)


def _images(usage: DiskUsage) -> UsageRow:
    used = [image for image in usage.images if image.containers]
    idle = sum(image.unique for image in usage.images if not image.containers)
    size = usage.layers + usage.blobs
    return UsageRow("Images", len(usage.images), len(used), size, idle + usage.leftovers)


def _containers(usage: DiskUsage, containers: Sequence[ContainerRecord]) -> UsageRow:
    running = {record.id for record in containers if record.is_running}
    size = sum(usage.containers.values())
    idle = sum(count for key, count in usage.containers.items() if key not in running)
    return UsageRow("Containers", len(containers), len(running), size, idle)


def _volumes(
    usage: DiskUsage, containers: Sequence[ContainerRecord], volumes: Sequence[VolumeRecord]
) -> UsageRow:
    used = used_volumes(containers) & {volume.name for volume in volumes}
    size = sum(usage.volumes.values())
    idle = sum(count for name, count in usage.volumes.items() if name not in used)
    return UsageRow("Local Volumes", len(volumes), len(used), size, idle)


def _show_each(
    usage: DiskUsage,
    containers: Sequence[ContainerRecord],
    volumes: Sequence[VolumeRecord],
    now: float,
) -> list[str]:
    links = [name for record in containers for name in used_volumes([record])]
    images = [ImageUsageRow(image, now) for image in usage.images]
    made = [
        ContainerUsageRow(record, now, usage.containers.get(record.id, 0)) for record in containers
    ]
    stored = [
        VolumeUsageRow(volume, links.count(volume.name), usage.volumes.get(volume.name, 0))
        for volume in volumes
    ]
    return [
        "Images space usage:",
        "",
        *show_rows(images, ImageUsageRow, format="", columns=(*IMAGES, "Containers")),
        "",
        "Containers space usage:",
        "",
        *show_rows(made, ContainerUsageRow, format="", columns=CONTAINERS),
        "",
        "Local Volumes space usage:",
        "",
        *show_rows(stored, VolumeUsageRow, format="", columns=VOLUMES),
    ]


def prune_warning(*, all: bool, volumes: bool) -> str:
    """Docker's warning, which lists what will go."""
    lines = [
        "This will remove:",
        "  - all stopped containers",
        "  - all networks not used by at least one container",
    ]
    if volumes:
        lines.append("  - all anonymous volumes not used by at least one container")
    lines.append(
        "  - all images without at least one container associated to them"
        if all
        else "  - all dangling images"
    )
    return "\n".join([*lines, ""])


def show_pruned_volumes(names: Sequence[str], freed: int) -> list[str]:
    """`volume prune`."""
    return [*(["Deleted Volumes:", *names, ""] if names else []), reclaimed(freed)]


def show_pruned(removed: Removed) -> list[str]:
    """A section for each kind of which something went."""
    sections = (
        ("Deleted Containers:", removed.containers),
        ("Deleted Networks:", removed.networks),
        ("Deleted Volumes:", removed.volumes),
    )
    lines: list[str] = []
    for head, names in sections:
        if names:
            lines += [head, *names, ""]
    if images := deleted(removed.images):
        lines += [*images, ""]
    return [*lines, reclaimed(removed.reclaimed)]
