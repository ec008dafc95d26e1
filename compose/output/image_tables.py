"""Images as `images` and the group `image` show them. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from compose.output import humanise
from compose.output.image_rows import HistoryRow, ImageRow, split_name
from compose.output.rows import short_id
from compose.output.tables import show_rows, show_section
from runtime.values import ContainerRecord, ImageDetails, ImageRecord, Pruned

IMAGES = ("Repository", "Tag", "ID", "CreatedSince", "Size")
WITH_DIGESTS = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
HISTORY = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
HEAD = ("CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED")


class Used(Protocol):
    """A container and its image; None when the image is gone."""

    @property
    def container(self) -> ContainerRecord: ...

    @property
    def image(self) -> ImageRecord | None: ...


def show_images(
    records: Sequence[ImageRecord],
    *,
    format: str,
    quiet: bool = False,
    truncate: bool = True,
    digests: bool = False,
    now: float | None = None,
) -> list[str]:
    """`image ls`; one line for each name."""
    now = time.time() if now is None else now
    rows = [ImageRow(record, now, truncate=truncate) for record in records]
    if quiet:
        return [row.ID for row in rows]
    return show_rows(rows, ImageRow, format=format, columns=WITH_DIGESTS if digests else IMAGES)


def show_history(
    details: ImageDetails,
    *,
    format: str,
    quiet: bool = False,
    truncate: bool = True,
    human: bool = True,
    now: float | None = None,
) -> list[str]:
    """`image history`, the last step first."""
    now = time.time() if now is None else now
    rows = [
        HistoryRow(
            line,
            now,
            image_id="" if index else details.record.id,
            truncate=truncate,
            human=human,
        )
        for index, line in enumerate(reversed(details.history))
    ]
    if quiet:
        return [row.ID for row in rows]
    columns = HISTORY if human else tuple(name.replace("Since", "At") for name in HISTORY)
    return show_rows(rows, HistoryRow, format=format, columns=columns)


def show_pruned(pruned: Pruned) -> list[str]:
    """`image prune`."""
    lines = deleted(pruned)
    return [*lines, *([""] if lines else []), reclaimed(pruned.reclaimed)]


def deleted(pruned: Pruned) -> list[str]:
    """The section of images, in the small letters that Docker has here."""
    lines = [line[:1].lower() + line[1:] for line in pruned.lines]
    return ["Deleted Images:", *lines] if lines else []


def reclaimed(count: int) -> str:
    return f"Total reclaimed space: {humanise.size(count)}"


def show_used(
    rows: Sequence[Used], *, format: str, quiet: bool = False, now: float | None = None
) -> list[str]:
    """One row a container, ordered by name; with `quiet` each image id once."""
    now = time.time() if now is None else now
    rows = sorted(rows, key=lambda row: row.container.name)
    if quiet:
        return list(dict.fromkeys(_id(row).removeprefix("sha256:") for row in rows))
    return show_section(
        HEAD,
        [_cells(row, now) for row in rows],
        format=format,
        objects=[_object(row) for row in rows] if format == "json" else (),
    )


def _id(row: Used) -> str:
    return row.image.id if row.image else row.container.image_id


def _cells(row: Used, now: float) -> tuple[str, ...]:
    repository, tag = split_name(_name(row))
    created = _created(row)
    return (
        row.container.name,
        repository or "<none>",
        tag or "<none>",
        _platform(row),
        short_id(_id(row)),
        humanise.size(_size(row), digits=3) if row.image else "N/A",
        humanise.ago(created, now) if created else "N/A",
    )


def _object(row: Used) -> dict[str, Any]:
    repository, tag = split_name(_name(row))
    found: dict[str, Any] = {
        "ID": _id(row),
        "ContainerName": row.container.name,
        "Repository": repository,
        "Tag": tag,
        "Platform": _platform(row),
        "Size": _size(row),
    }
    created = _created(row)
    return {**found, "Created": humanise.timestamp(created)} if created else found


def _name(row: Used) -> str:
    return row.image.name if row.image else row.container.options.image


def _platform(row: Used) -> str:
    config = row.image.config if row.image else row.container.image
    return "/".join(part for part in (config.os, config.architecture, config.variant) if part)


def _size(row: Used) -> int:
    return row.image.size if row.image else row.container.image.size


def _created(row: Used) -> float:
    """Of the image itself where it says so, else when it came here."""
    if row.image is None:
        return 0.0
    return parse_created(row.image.config.created) or row.image.created_at


def parse_created(text: str) -> float:
    """RFC 3339 as images carry it; 0 for none."""
    try:
        seconds = time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return 0.0
    import calendar

    return float(calendar.timegm(seconds))
