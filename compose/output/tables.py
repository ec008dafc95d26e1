"""Rows -> what `ps`, `ls`, `images`, `top`, `volumes` and the groups print: a table, JSON, or a
template. Pure.

Columns and their alignment are Docker's. `--format` is `table`, `json`, `TEMPLATE` or `table
TEMPLATE`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compose.errors import ComposeError
from compose.output.columns import align
from compose.output.rows import ContainerRow, NetworkRow, Row, VolumeRow
from compose.position import printable
from runtime.values import ContainerRecord, NetworkRecord, VolumeRecord

CONTAINERS = ("Name", "Image", "Command", "Service", "RunningFor", "Status", "Ports")
VOLUMES = ("Driver", "Name")
NETWORKS = ("ID", "Name", "Driver", "Scope")


def show_containers(
    records: Sequence[ContainerRecord],
    *,
    format: str,
    truncate: bool = True,
    now: float | None = None,
) -> list[str]:
    """`ps`. The ENGINE column stands there when a container names one."""
    now = time.time() if now is None else now
    rows = [ContainerRow(record, now, truncate=truncate) for record in records]
    columns = (*CONTAINERS, *(("Engine",) if any(row.Engine for row in rows) else ()))
    return show_rows(rows, ContainerRow, format=format, columns=columns)


def show_volumes(records: Sequence[VolumeRecord], *, format: str, quiet: bool = False) -> list[str]:
    """`volumes` and `volume ls`."""
    if quiet:
        return [record.name for record in records]
    rows = [VolumeRow(record) for record in records]
    return show_rows(rows, VolumeRow, format=format, columns=VOLUMES)


def show_networks(
    records: Sequence[NetworkRecord], *, format: str, quiet: bool = False, truncate: bool = True
) -> list[str]:
    """`network ls`."""
    rows = [NetworkRow(record, truncate=truncate) for record in records]
    if quiet:
        return [row.ID for row in rows]
    return show_rows(rows, NetworkRow, format=format, columns=NETWORKS)


def show_rows(
    rows: Sequence[Row], kind: type[Row], *, format: str, columns: Sequence[str]
) -> list[str]:
    """The lines for any `--format`. Raises ComposeError for a template that cannot be read."""
    if format in ("", "table"):
        return _aligned(
            [kind.headers[name] for name in columns],
            [[str(getattr(row, name)) for name in columns] for row in rows],
        )
    if format == "json":
        return [_compact(row.as_json()) for row in rows]
    return _templated(rows, kind, format)


def _templated(rows: Sequence[Row], kind: type[Row], format: str) -> list[str]:
    from compose.output.templates import IN_HEADERS, Template, TemplateError

    is_table = format.startswith("table")
    text = format.removeprefix("table").strip(" ").replace("\\t", "\t").replace("\\n", "\n")
    try:
        template = Template(text, [*kind.headers])
        lines = [template.render(row) for row in rows]
        if not is_table:
            return lines
        head = template.render(_Header(kind.headers), IN_HEADERS)
    except TemplateError as error:
        raise ComposeError(str(error), code="E703") from None
    return _aligned(head.split("\t"), [line.split("\t") for line in lines])


class _Header:
    """Stands for a row in the header line: each field is its column's name."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers

    def __getattr__(self, name: str) -> Any:
        if name == "Label":
            return lambda label: label
        return self.headers.get(name, name)

    def __str__(self) -> str:
        """A whole row has no name."""
        return ""


def _aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    safe = [[printable(cell) for cell in row] for row in rows]
    return align([head, *safe], minimum=10, padding=3)


def show_section(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    format: str,
    objects: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The wider tables of Compose itself (`ls`, `images`): `table`, or one JSON array."""
    if format == "json":
        return [_compact(list(objects))]
    if format not in ("", "table", "pretty"):
        raise ComposeError(f'format value "{format}" could not be parsed', code="E703")
    safe = [[printable(cell) for cell in row] for row in rows]
    return align([head, *safe], minimum=20, padding=3)


def show_processes(rows: Sequence[Sequence[str]]) -> list[str]:
    """`top`: the first row is the header; nothing when nothing runs."""
    if len(rows) < 2:
        return []
    safe = [[printable(cell) for cell in row] for row in rows]
    return align(safe, minimum=4, padding=2)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
