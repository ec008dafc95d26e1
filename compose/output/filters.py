"""`--filter KEY=VALUE` of the groups: which records are meant. Pure.

Values of one key are alternatives, different keys all hold; Docker's rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from compose.errors import ComposeError
from runtime.values import ContainerRecord, NetworkRecord, VolumeRecord

Record = TypeVar("Record", NetworkRecord, VolumeRecord)
Containers = Callable[[], Sequence[ContainerRecord]]
Tests = Mapping[str, Callable[[Record, str], bool]]


def select_networks(
    records: Sequence[NetworkRecord], filters: Sequence[str], containers: Containers
) -> list[NetworkRecord]:
    """`name id driver label dangling scope type`."""
    tests: Tests[NetworkRecord] = {
        "name": lambda record, value: bool(re.search(value, record.name)),
        "id": lambda record, value: record.id.startswith(value),
        "driver": lambda record, value: record.options.driver == value,
        "label": lambda record, value: _has_label(record.options.labels, value),
        "dangling": lambda record, value: (record.name not in used) == _truth(value),
        "scope": lambda record, value: value == "local",
        "type": lambda record, value: value == "custom",
    }
    used = _used_networks(containers()) if _asks("dangling", filters) else set()
    return _select(records, filters, tests)


def select_volumes(
    records: Sequence[VolumeRecord], filters: Sequence[str], containers: Containers
) -> list[VolumeRecord]:
    """`name driver label dangling`."""
    tests: Tests[VolumeRecord] = {
        "name": lambda record, value: bool(re.search(value, record.name)),
        "driver": lambda record, value: record.options.driver == value,
        "label": lambda record, value: _has_label(record.options.labels, value),
        "dangling": lambda record, value: (record.name not in used) == _truth(value),
    }
    used = used_volumes(containers()) if _asks("dangling", filters) else set()
    return _select(records, filters, tests)


def used_volumes(containers: Sequence[ContainerRecord]) -> set[str]:
    """Names of the volumes that a container has, running or not."""
    return {
        name
        for record in containers
        for name in (
            *record.anonymous_volumes.values(),
            *(mount.source for mount in record.options.mounts if mount.type == "volume"),
        )
    }


def _used_networks(containers: Sequence[ContainerRecord]) -> set[str]:
    return {endpoint.network for record in containers for endpoint in record.options.endpoints}


def _asks(key: str, filters: Sequence[str]) -> bool:
    return any(text.startswith(f"{key}=") for text in filters)


def _select(
    records: Sequence[Record], filters: Sequence[str], tests: Tests[Record]
) -> list[Record]:
    wanted: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in tests:
            known = ", ".join(sorted(tests))
            raise ComposeError(f"invalid filter '{text}'", code="E704", hint=f"known: {known}")
        wanted.setdefault(key, []).append(value)
    try:
        return [
            record
            for record in records
            if all(any(tests[key](record, one) for one in given) for key, given in wanted.items())
        ]
    except re.error as error:
        raise ComposeError(f"invalid filter: {error}", code="E704") from None


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _truth(text: str) -> bool:
    return text.lower() in ("1", "t", "true")
