"""`--filter` of the prune verbs -> what may go."""

from __future__ import annotations

from compose.cli.moments import parse_moment
from compose.cli.parsing import UsageError
from compose.options import PruneOptions


def parse_prune(
    filters: tuple[str, ...], *, all: bool = False, volumes: bool = False
) -> PruneOptions:
    """`until=24h`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`. Raises UsageError."""
    until: float | None = None
    labels: list[str] = []
    without: list[str] = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or not value or key not in ("until", "label", "label!"):
            raise UsageError(f"invalid filter '{text}': until=, label= and label!= are known")
        if key == "until":
            moment = parse_moment("--filter until", value)
            until = moment if until is None or moment is None else min(until, moment)
        else:
            (labels if key == "label" else without).append(value)
    if until is not None and volumes:
        raise UsageError('the "until" filter is not supported with "--volumes"')
    return PruneOptions(
        all=all,
        volumes=volumes,
        until=until,
        labels=tuple(labels),
        without_labels=tuple(without),
    )
