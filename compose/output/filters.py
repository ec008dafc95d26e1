"""`--filter KEY=VALUE` of the groups: which records are meant. Pure.

Values of one key are alternatives, but labels, which all hold, as different keys do; Docker's rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from compose.errors import ComposeError
from runtime.values import ContainerRecord, ImageRecord, NetworkRecord, VolumeRecord

Record = TypeVar("Record", NetworkRecord, VolumeRecord, ImageRecord)
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


def select_images(
    records: Sequence[ImageRecord],
    filters: Sequence[str],
    *,
    moment: Callable[[str, str], float | None],
    name: str = "",
) -> list[ImageRecord]:
    """`before since until dangling label reference`; `name` is a repository, with a tag or without.

    `moment` reads a time as flags write it.
    """

    def created(text: str) -> float:
        return next((one.created_at for one in records if _is_named(one, text)), 0.0)

    tests: Tests[ImageRecord] = {
        "before": lambda record, value: record.created_at < created(value),
        "since": lambda record, value: record.created_at > created(value),
        "until": lambda record, value: record.created_at < (moment("--filter until", value) or 0.0),
        "dangling": lambda record, value: (not record.name) == _truth(value),
        "label": lambda record, value: _has_label(record.config.labels, value),
        "reference": lambda record, value: _is_like(record.name, value),
    }
    asked = [text.partition("=") for text in filters]
    for key, _equals, value in asked:
        if key in ("before", "since") and not any(_is_named(one, value) for one in records):
            raise ComposeError(f"no such image: {value}", code="E500")
    found = _select(records, filters, tests)
    return [record for record in found if not name or _is_of(record.name, name)]


def _is_named(record: ImageRecord, text: str) -> bool:
    """By its name, with `latest` where nothing is said, or by the beginning of its id."""
    named = text if ":" in text.rpartition("/")[2] or "@" in text else f"{text}:latest"
    is_id = len(text) >= 4 and record.id.removeprefix("sha256:").startswith(
        text.removeprefix("sha256:")
    )
    return record.name == named or is_id


def _is_of(name: str, wanted: str) -> bool:
    return bool(name) and wanted in (name, _repository(name))


def _repository(name: str) -> str:
    base = name.partition("@")[0]
    head, colon, tag = base.rpartition(":")
    return head if colon and "/" not in tag else base


def _is_like(name: str, pattern: str) -> bool:
    """Docker's: `*` stops at a slash, and the tag may be left out."""
    expression = "".join(_GLOB.get(letter) or re.escape(letter) for letter in pattern)
    wanted = re.compile(expression)
    return bool(name) and any(wanted.fullmatch(text) for text in (name, _repository(name)))


_GLOB = {"*": "[^/]*", "?": "[^/]", "[": "[", "]": "]"}


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
        if key == "dangling" and value.lower() not in _TRUE + _FALSE:
            raise ComposeError(
                f"invalid filter '{text}'", code="E704", hint="it is `true` or `false`"
            )
        wanted.setdefault(key, []).append(value)
    try:
        return [
            record
            for record in records
            if all(
                (all if key == "label" else any)(tests[key](record, one) for one in given)
                for key, given in wanted.items()
            )
        ]
    except re.error as error:
        raise ComposeError(f"invalid filter: {error}", code="E704") from None


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


_TRUE = ("1", "t", "true")
_FALSE = ("0", "f", "false")


def _truth(text: str) -> bool:
    return text.lower() in _TRUE
