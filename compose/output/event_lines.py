"""One event of `events`: Docker Compose's line, or its JSON object. Pure.

    2026-03-01 12:00:00.123456 container start 4f1c... (image=nginx, name=shop-web-1)

Compose's own labels and one-off containers are left out, as there.
"""

from __future__ import annotations

import json
import time

from compose.position import printable
from runtime.values import COMES_BACK, Event

_OWN = "com.docker.compose."


def show(event: Event, *, as_json: bool) -> str:
    """ "" for an event that is not shown."""
    if event.type != "container" or event.attributes.get("oneoff") == "True":
        return ""
    if event.action == COMES_BACK:
        return ""
    attributes = {
        key: value
        for key, value in event.attributes.items()
        if not key.startswith(_OWN) and key not in ("service", "oneoff")
    }
    if as_json:
        return _as_json(event, attributes)
    shown = ", ".join(f"{key}={value}" for key, value in sorted(attributes.items()))
    return printable(f"{_local(event.time)} container {event.action} {event.id} ({shown})")


def _as_json(event: Event, attributes: dict[str, str]) -> str:
    fields = {
        "action": event.action,
        "attributes": attributes,
        "id": event.id,
        "service": event.attributes.get("service", ""),
        "time": _stamp(event.time),
        "type": "container",
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _parts(moment: float) -> tuple[int, int]:
    return divmod(round(moment * 1e6), 1_000_000)


def _local(moment: float) -> str:
    seconds, micros = _parts(moment)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))}.{micros:06d}"


def _stamp(moment: float) -> str:
    seconds, micros = _parts(moment)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{micros:06d}Z"
