"""Instructions of a Dockerfile that change an image's config alone: `image import -c`. Pure.

Source: the Dockerfile reference, and the list of instructions that `docker import` takes.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from runtime.errors import RuntimeFault

Options = dict[str, Any]
"""The `config` object of an OCI image config."""


class BadChange(RuntimeFault):
    """An instruction that cannot be understood."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(
            f"`{text}`: {problem}",
            code="E504",
            hint=f"allowed are {', '.join(sorted(_INSTRUCTIONS))}",
        )


def apply_changes(changes: Sequence[str]) -> Options:
    """The config that the instructions make, one after the other. Raises BadChange."""
    options: Options = {}
    for change in changes:
        word, _, rest = change.strip().partition(" ")
        instruction = _INSTRUCTIONS.get(word.upper())
        if instruction is None:
            raise BadChange(change, f"`{word}` is no instruction that changes a config")
        if not rest.strip():
            raise BadChange(change, f"{word.upper()} needs an argument")
        try:
            instruction(options, rest.strip())
        except ValueError as error:
            raise BadChange(change, str(error)) from error
    return options


def _command(key: str) -> Callable[[Options, str], None]:
    def change(options: Options, text: str) -> None:
        options[key] = _exec_or_shell(text)

    return change


def _exec_or_shell(text: str) -> list[str]:
    """`["a", "b"]`, or a line for a shell."""
    words = _json_words(text)
    return ["/bin/sh", "-c", text] if words is None else words


def _json_words(text: str) -> list[str] | None:
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return words if all(isinstance(word, str) for word in words) else None


def _env(options: Options, text: str) -> None:
    pairs = dict(pair.split("=", 1) for pair in options.get("Env", ()))
    options["Env"] = [f"{key}={value}" for key, value in {**pairs, **_pairs(text)}.items()]


def _label(options: Options, text: str) -> None:
    options["Labels"] = {**options.get("Labels", {}), **_pairs(text)}


def _pairs(text: str) -> dict[str, str]:
    """`KEY=VALUE ...` with quotes, or the old `KEY VALUE`."""
    first = text.split(None, 1)
    if "=" not in first[0]:
        if len(first) == 1:
            raise ValueError(f"`{text}` has no value")
        return {first[0]: first[1]}
    pairs = {}
    for word in shlex.split(text):
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise ValueError(f"`{word}` is no KEY=VALUE")
        pairs[key] = value
    return pairs


def _expose(options: Options, text: str) -> None:
    ports = options.setdefault("ExposedPorts", {})
    for word in text.split():
        number, _, protocol = word.partition("/")
        if not number.isdigit() or not 0 < int(number) < 65536:
            raise ValueError(f"`{word}` is no port")
        ports[f"{number}/{protocol.lower() or 'tcp'}"] = {}


def _volume(options: Options, text: str) -> None:
    words = _json_words(text)
    for path in text.split() if words is None else words:
        options.setdefault("Volumes", {})[path] = {}


def _text(key: str) -> Callable[[Options, str], None]:
    def change(options: Options, text: str) -> None:
        options[key] = text

    return change


def _workdir(options: Options, text: str) -> None:
    before = options.get("WorkingDir", "/")
    options["WorkingDir"] = text if text.startswith("/") else f"{before.rstrip('/')}/{text}"


def _onbuild(options: Options, text: str) -> None:
    options.setdefault("OnBuild", []).append(text)


def _shell(options: Options, text: str) -> None:
    words = _json_words(text)
    if words is None:
        raise ValueError("SHELL needs the form of a JSON list")
    options["Shell"] = words


_DURATIONS = {
    "--interval": "Interval",
    "--timeout": "Timeout",
    "--start-period": "StartPeriod",
    "--start-interval": "StartInterval",
}


def _healthcheck(options: Options, text: str) -> None:
    health: Options = {}
    while text.startswith("--"):
        flag, _, text = text.partition(" ")
        name, _, value = flag.partition("=")
        if name == "--retries" and value.isdigit():
            health["Retries"] = int(value)
        elif name in _DURATIONS:
            health[_DURATIONS[name]] = _nanoseconds(value)
        else:
            raise ValueError(f"`{flag}` is no flag of HEALTHCHECK")
        text = text.strip()
    kind, _, command = text.partition(" ")
    if kind.upper() == "NONE":
        health = {"Test": ["NONE"]}
    elif kind.upper() == "CMD" and command.strip():
        words = _json_words(command.strip())
        health["Test"] = ["CMD-SHELL", command.strip()] if words is None else ["CMD", *words]
    else:
        raise ValueError("HEALTHCHECK needs CMD or NONE")
    options["Healthcheck"] = health


_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def _nanoseconds(text: str) -> int:
    """`1m30s`, as Go writes durations."""
    import re

    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"`{text}` is no duration")
    return int(sum(float(number) * _UNITS[unit] for number, unit in parts))


_INSTRUCTIONS: dict[str, Callable[[Options, str], None]] = {
    "CMD": _command("Cmd"),
    "ENTRYPOINT": _command("Entrypoint"),
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _text("StopSignal"),
    "USER": _text("User"),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
