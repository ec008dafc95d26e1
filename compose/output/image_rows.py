"""Images, their history and what they take, as the fields of `--format`. Pure.

Names of the fields are Docker's, as in rows.py.
"""

from __future__ import annotations

from typing import ClassVar

from compose.output import humanise
from compose.output.columns import shorten
from compose.output.rows import Row, short_id
from runtime.values import HistoryLine, ImageRecord

NONE = "<none>"


class ImageRow(Row):
    """An image in `image ls`, under one of its names."""

    headers: ClassVar[dict[str, str]] = {
        "ID": "IMAGE ID",
        "Repository": "REPOSITORY",
        "Tag": "TAG",
        "Digest": "DIGEST",
        "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT",
        "Size": "SIZE",
        "Containers": "CONTAINERS",
        "VirtualSize": "SIZE",
        "SharedSize": "SHARED SIZE",
        "UniqueSize": "UNIQUE SIZE",
    }
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))
    Containers = SharedSize = UniqueSize = "N/A"

    def __init__(self, record: ImageRecord, now: float, *, truncate: bool = True) -> None:
        self.record = record
        self.now = now
        self.truncate = truncate

    @property
    def ID(self) -> str:
        return short_id(self.record.id) if self.truncate else self.record.id

    @property
    def Repository(self) -> str:
        return split_name(self.record.name)[0] or NONE

    @property
    def Tag(self) -> str:
        return split_name(self.record.name)[1] or NONE

    @property
    def Digest(self) -> str:
        return self.record.digest or NONE

    @property
    def CreatedSince(self) -> str:
        return humanise.ago(self.record.created_at, self.now) if self.record.created_at else "N/A"

    @property
    def CreatedAt(self) -> str:
        return humanise.go_time(self.record.created_at)

    @property
    def Size(self) -> str:
        return humanise.size(self.record.size, digits=3)

    @property
    def VirtualSize(self) -> str:
        return humanise.size(self.record.size)


class HistoryRow(Row):
    """A step in `image history`; the topmost one carries the image's id."""

    headers: ClassVar[dict[str, str]] = {
        "ID": "IMAGE",
        "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT",
        "CreatedBy": "CREATED BY",
        "Size": "SIZE",
        "Comment": "COMMENT",
    }
    fields: ClassVar[tuple[str, ...]] = tuple(sorted(headers))

    def __init__(
        self,
        line: HistoryLine,
        now: float,
        *,
        image_id: str = "",
        truncate: bool = True,
        human: bool = True,
    ) -> None:
        self.line = line
        self.now = now
        self.image_id = image_id
        self.truncate = truncate
        self.human = human

    @property
    def ID(self) -> str:
        if not self.image_id:
            return "<missing>"
        return short_id(self.image_id) if self.truncate else self.image_id

    @property
    def CreatedSince(self) -> str:
        if not self.human:
            return self.CreatedAt
        return humanise.ago(self.line.created_at, self.now) if self.line.created_at else "N/A"

    @property
    def CreatedAt(self) -> str:
        return humanise.timestamp(self.line.created_at)[:19] + "Z"

    @property
    def CreatedBy(self) -> str:
        text = self.line.created_by.replace("\t", " ")
        return shorten(text, 45) if self.truncate else text

    @property
    def Size(self) -> str:
        size = self.line.size
        return humanise.size(size, digits=3) if self.human else str(size)

    @property
    def Comment(self) -> str:
        return self.line.comment


def split_name(name: str) -> tuple[str, str]:
    """`registry:5000/web:1` -> its repository and its tag; `dir:` and `oci:` paths and digests stay
    whole."""
    if name.startswith(("dir:", "oci:")):
        return name, ""
    base, _, _digest = name.partition("@")
    head, colon, tag = base.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (base, "")
