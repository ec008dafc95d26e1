"""What `logging` of a service means for the writer and the reader of its log. Pure.

Source: D70-D73. Sizes are decimal (`10m` = 10,000,000 bytes), as moby's units.FromHumanSize reads
them. A driver that is not ours (syslog, fluentd ...) falls back to the native form; planning has
warned by then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from runtime.errors import RuntimeFault
from runtime.frozen import dataclass, field
from runtime.log_segments import NEVER, Rotation
from runtime.values import ContainerRecord

LOCAL_SIZE = 20_000_000
LOCAL_FILES = 5
_SIZES = ("max-size", "max-file", "compress", "mode", "max-buffer-size")
"""The last two say how a writer is held up, which happens to none here."""
_OF_JSON_FILE = (*_SIZES, "labels", "labels-regex", "env", "env-regex", "tag")
_OPTIONS = {"json-file": _OF_JSON_FILE, "native": _OF_JSON_FILE, "local": _SIZES}
"""Of the drivers that read any. The native form stands in for json-file, as the default."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    driver: str = "native"
    """native, json-file or none."""
    rotation: Rotation = NEVER
    compress: bool = False
    """Rotated files are packed with gzip."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """json-file's `attrs`: labels, environment and tag that were asked for."""


def check(record: ContainerRecord) -> None:
    """Raises RuntimeFault for an option that the driver has not, or a value that means nothing."""
    driver, options = record.options.logging.driver, record.options.logging.options
    known = _OPTIONS.get(driver, tuple(options))
    for option in options:
        if option not in known:
            raise RuntimeFault(
                f"`logging.options.{option}`: the driver has no such option",
                code="E340",
                hint=f"one of {', '.join(known)}",
            )
    settle(record)


def settle(record: ContainerRecord) -> LogSettings:
    """Raises RuntimeFault for a value that means nothing."""
    driver, options = record.options.logging.driver, record.options.logging.options
    if driver == "none":
        return LogSettings(driver="none")
    local = driver == "local"
    rotation = Rotation(
        max_size=_size(options.get("max-size", ""), LOCAL_SIZE if local else 0),
        max_files=_count(options.get("max-file", ""), LOCAL_FILES if local else 1),
    )
    return LogSettings(
        driver="json-file" if driver == "json-file" else "native",
        rotation=rotation,
        compress=_compress(options, rotation, default=local),
        attributes=_attributes(record, options) if driver == "json-file" else {},
    )


def _size(text: str, default: int) -> int:
    if text in ("", "-1"):
        return default if not text else 0
    found = _SIZE.fullmatch(text.strip())
    if not found or float(found[1]) <= 0:
        raise _invalid("max-size", text, "a number with k, m or g, or -1 for no limit")
    return int(float(found[1]) * _FACTORS[found[2].lower()])


def _count(text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise _invalid("max-file", text, "a number from 1")
    return int(text)


def _compress(options: Mapping[str, str], rotation: Rotation, *, default: bool) -> bool:
    text = options.get("compress", "")
    if text not in ("", "true", "false", "1", "0"):
        raise _invalid("compress", text, "true or false")
    wanted = text in ("true", "1") if text else default
    if text and wanted and (rotation.max_files < 2 or not rotation.max_size):
        raise _invalid("compress", text, "max-file of at least 2, and max-size")
    return wanted and rotation.max_files > 1


def _invalid(option: str, text: str, wanted: str) -> RuntimeFault:
    return RuntimeFault(
        f"`logging.options.{option}: {text}` means nothing",
        code="E340",
        answered=f"it wants {wanted}",
    )


def _attributes(record: ContainerRecord, options: Mapping[str, str]) -> Mapping[str, str]:
    labels = {**record.image.labels, **record.options.labels}
    variables = dict(
        pair.partition("=")[::2] for pair in record.image.environment if "=" in pair
    ) | {key: value for key, value in record.options.environment.items() if value is not None}
    chosen = {
        **_choose(labels, options.get("labels", ""), options.get("labels-regex", "")),
        **_choose(variables, options.get("env", ""), options.get("env-regex", "")),
    }
    if tag := options.get("tag", ""):
        chosen["tag"] = _tag(tag, record)
    return chosen


def _choose(values: Mapping[str, str], names: str, pattern: str) -> Mapping[str, str]:
    wanted: Iterable[str] = [name.strip() for name in names.split(",") if name.strip()]
    chosen = {name: values[name] for name in wanted if name in values}
    if pattern:
        chosen |= {name: value for name, value in values.items() if re.search(pattern, name)}
    return chosen


def _tag(template: str, record: ContainerRecord) -> str:
    """Docker's tag templates, as far as they are names: `{{.Name}}/{{.ID}}`."""
    words = {
        "ID": record.id[:12],
        "FullID": record.id,
        "Name": record.name,
        "ImageName": record.options.image,
        "ImageID": record.image_id.removeprefix("sha256:")[:12],
        "ImageFullID": record.image_id,
        "DaemonName": "docker",
    }
    return re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda found: words.get(found[1], found[0]), template)
