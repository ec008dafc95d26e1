"""Which devices a container may make, read and write: the rules of the document -> the kernel's
filter.

MKNOD is a default capability, so this filter is what keeps root in a container from the host's
disks. Rules are brought into one form first (`normalise`): a default and exceptions that all say
the opposite, the only form that v1 knows and that a program can run through in any order. v1 takes
them as text (C20), v2 as a program (C21).
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from runtime.cgroups import knobs
from runtime.errors import RuntimeFault, describe_errno
from runtime.frozen import dataclass
from runtime.linux import bpf
from runtime.messages import CgroupPlan

ALL = frozenset("rwm")
PROGRAM_NAME = "pycompose_dev"


class Devices(NamedTuple):
    """A set of device nodes; None is every number."""

    type: str
    """b or c."""
    major: int | None
    minor: int | None

    def __str__(self) -> str:
        return f"{self.type} {_star(self.major)}:{_star(self.minor)}"

    def covers(self, other: Devices) -> bool:
        return (
            self.type == other.type
            and self.major in (None, other.major)
            and self.minor in (None, other.minor)
        )

    def overlaps(self, other: Devices) -> bool:
        return (
            self.type == other.type
            and (None in (self.major, other.major) or self.major == other.major)
            and (None in (self.minor, other.minor) or self.minor == other.minor)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """All devices are allowed (or denied), but for the exceptions."""

    allowed: bool
    exceptions: Mapping[Devices, frozenset[str]]
    """What of read, write and mknod is the other way round."""

    def __str__(self) -> str:
        lines = [f"{'allow' if self.allowed else 'deny'} all, but:"]
        return "\n".join(
            lines + [f"{devices} {_letters(access)}" for devices, access in self.exceptions.items()]
        )


def normalise(rules: Iterable[Mapping[str, Any]]) -> Filter:
    """The rules of `linux.resources.devices` as a filter; the last rule about a device wins.

    Raises RuntimeFault for a hole in a wildcard (deny one minor behind `c *:* rwm`): v1 would drop
    it in silence, and a filter that allows more than was asked for is worse than none.
    """
    allowed, exceptions = False, dict[Devices, frozenset[str]]()
    for rule in rules:
        access = _access(rule)
        if _is_everything(rule) and access == ALL:
            allowed, exceptions = bool(rule.get("allow")), {}
            continue
        for devices in _devices(rule):
            if bool(rule.get("allow")) == allowed:
                _take_back(exceptions, devices, access)
            else:
                exceptions[devices] = exceptions.get(devices, frozenset()) | access
    return Filter(
        allowed=allowed, exceptions={key: value for key, value in exceptions.items() if value}
    )


def _take_back(
    exceptions: dict[Devices, frozenset[str]], devices: Devices, access: frozenset[str]
) -> None:
    for known, held in exceptions.items():
        if devices.covers(known):
            exceptions[known] = held - access
        elif devices.overlaps(known) and held & access:
            raise RuntimeFault(
                f"the device rule for {devices} cannot be held to",
                code="E429",
                tried=f"taking {_letters(access)} of {devices} out of {known} {_letters(held)}",
                answered="cgroups know no exception from an exception",
                hint="list the devices that are meant, instead of a wildcard with a hole",
            )


def _access(rule: Mapping[str, Any]) -> frozenset[str]:
    letters = frozenset(rule.get("access") or "rwm")
    if not letters <= ALL:
        raise RuntimeFault(
            f"`{rule['access']}` is no device access: it is made of r, w and m", code="E429"
        )
    return letters


def _is_everything(rule: Mapping[str, Any]) -> bool:
    return (
        rule.get("type", "a") == "a"
        and _number(rule, "major") is None
        and _number(rule, "minor") is None
    )


def _devices(rule: Mapping[str, Any]) -> list[Devices]:
    kind = rule.get("type", "a")
    kinds = {"a": "bc", "b": "b", "c": "c", "u": "c"}.get(kind)
    if kinds is None:
        raise RuntimeFault(f"`{kind}` is no type of device: it is a, b or c", code="E429")
    return [Devices(each, _number(rule, "major"), _number(rule, "minor")) for each in kinds]


def _number(rule: Mapping[str, Any], key: str) -> int | None:
    number = rule.get(key)
    return None if number is None or number < 0 else int(number)


def _star(number: int | None) -> str:
    return "*" if number is None else str(number)


def _letters(access: Iterable[str]) -> str:
    return "".join(letter for letter in "rwm" if letter in access)


def restrict(plan: CgroupPlan, rules: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Put the filter on the group, in place of an earlier one; returns warnings. Raises
    RuntimeFault.

    C20: a machine without a device filter runs no container that asks for one.
    """
    wanted = normalise(rules)
    legacy = next((folder for folder in plan.legacy if knobs.exists(folder, "devices.allow")), None)
    if legacy is not None:
        return _restrict_v1(legacy, wanted)
    if not plan.unified:
        if wanted.allowed and not wanted.exceptions:
            return ()
        raise _no_filter("no devices controller, no cgroup v2 tree")
    _restrict_v2(plan.unified, wanted)
    return ()


def _no_filter(answered: str) -> RuntimeFault:
    return RuntimeFault(
        "this machine cannot restrict the devices of a container",
        code="E430",
        tried="setting the device filter",
        answered=answered,
        hint="without it root in a container could read the host's disks; enable the devices"
        " controller (v1), or CONFIG_CGROUP_BPF (v2)",
    )


def v1_writes(present: str, wanted: Filter) -> list[tuple[str, str]]:
    """(file, text) that turn a group whose devices.list reads `present` into the wanted one.

    Only the difference while both deny by default: a running container never loses a device in
    between.
    """
    if wanted.allowed:
        return [("devices.allow", "a"), *_lines("devices.deny", wanted.exceptions)]
    old = parse_list(present)
    if old is None:
        return [("devices.deny", "a"), *_lines("devices.allow", wanted.exceptions)]
    superfluous = {key: held - wanted.exceptions.get(key, frozenset()) for key, held in old.items()}
    missing = {key: held - old.get(key, frozenset()) for key, held in wanted.exceptions.items()}
    return [*_lines("devices.deny", superfluous), *_lines("devices.allow", missing)]


def _lines(file: str, exceptions: Mapping[Devices, frozenset[str]]) -> list[tuple[str, str]]:
    return [
        (file, f"{devices} {_letters(access)}") for devices, access in exceptions.items() if access
    ]


def parse_list(text: str) -> dict[Devices, frozenset[str]] | None:
    """The exceptions of a devices.list; None when all is allowed (then the file names no
    exception).
    """
    exceptions: dict[Devices, frozenset[str]] = {}
    for line in text.splitlines():
        kind, numbers, letters = line.split()
        if kind == "a":
            return None
        major, minor = (None if word == "*" else int(word) for word in numbers.split(":"))
        devices = Devices(kind, major, minor)
        exceptions[devices] = exceptions.get(devices, frozenset()) | frozenset(letters)
    return exceptions


def _restrict_v1(folder: str, wanted: Filter) -> tuple[str, ...]:
    for file, text in v1_writes(knobs.read(folder, "devices.list") or "", wanted):
        try:
            knobs.write(folder, file, text)
        except PermissionError as error:
            if (file, text) == ("devices.allow", "a"):
                # Nested: the group above has a filter of its own, and it holds.
                return ("the engine itself is kept from some devices, and so is the container",)
            raise _refused_v1(folder, file, text, error) from error
    _check_list(folder, wanted)
    return ()


def _refused_v1(folder: str, file: str, text: str, error: OSError) -> RuntimeFault:
    return RuntimeFault(
        f"the device rule `{text}` is refused",
        code="E430",
        tried=f"writing {text} to {folder}/{file}",
        answered=describe_errno(error),
        hint="the engine runs in a container that may not use this device itself",
    )


def _check_list(folder: str, wanted: Filter) -> None:
    """C20: what the kernel took is what was meant."""
    text = knobs.read(folder, "devices.list") or ""
    expected = None if wanted.allowed else dict(wanted.exceptions)
    if parse_list(text) != expected:
        raise RuntimeFault(
            "the kernel did not take the device rules as they are",
            code="E430",
            tried=f"setting in {folder}: {str(wanted).replace(chr(10), ', ')}",
            answered=f"devices.list reads: {', '.join(text.splitlines())}",
        )


_ACCESS_BITS = {"m": 1, "r": 2, "w": 4}
_TYPE_NUMBERS = {"b": 1, "c": 2}

_CONTEXT, _TYPE, _ACCESS, _MAJOR, _MINOR, _MISS, _PART, _RESULT = 1, 2, 3, 4, 5, 6, 7, 0
"""Registers. `_MISS` collects every bit in which a request and an exception differ."""

_LOAD_WORD = 0x61
_MOVE = 0xB4
_MOVE_REGISTER = 0xBC
_AND = 0x54
_XOR = 0xA4
_OR_REGISTER = 0x4C
_SHIFT_RIGHT = 0x74
_JUMP_EQUAL = 0x15
_JUMP_NOT_EQUAL = 0x55
_EXIT = 0x95


class _Instruction(NamedTuple):
    code: int
    target: int = 0
    source: int = 0
    offset: int = 0
    value: int = 0

    def pack(self) -> bytes:
        low, high = self.target, self.source
        if sys.byteorder == "big":
            low, high = high, low
        return struct.pack("=BBhi", self.code, low | high << 4, self.offset, self.value)


def assemble(wanted: Filter) -> bytes:
    """The filter as an eBPF program of type CGROUP_DEVICE: r0 is 1 for allowed, 0 for denied (C21).

    The context is {u32 access << 16 | type, u32 major, u32 minor}.
    """
    program = [
        _Instruction(_LOAD_WORD, _TYPE, _CONTEXT, 0),
        _Instruction(_AND, _TYPE, value=0xFFFF),
        _Instruction(_LOAD_WORD, _ACCESS, _CONTEXT, 0),
        _Instruction(_SHIFT_RIGHT, _ACCESS, value=16),
        _Instruction(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        _Instruction(_LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for devices, access in wanted.exceptions.items():
        program += _one_exception(devices, access, allowed=not wanted.allowed)
    program += [_Instruction(_MOVE, _RESULT, value=int(wanted.allowed)), _Instruction(_EXIT)]
    return b"".join(instruction.pack() for instruction in program)


def _one_exception(
    devices: Devices, access: frozenset[str], *, allowed: bool
) -> list[_Instruction]:
    """Leave with the verdict when nothing differs, else go on.

    One jump for all comparisons: with one each the verifier follows every combination of them, and
    gives up at some hundred rules.
    """
    mask = sum(_ACCESS_BITS[letter] for letter in access)
    misses = [
        # What is asked for beyond the exception; a denying one is judged below
        _Instruction(_MOVE_REGISTER, _MISS, _ACCESS),
        _Instruction(_AND, _MISS, value=7 & ~mask if allowed else 0),
        *_compare(_TYPE, _TYPE_NUMBERS[devices.type]),
        *_compare(_MAJOR, devices.major),
        *_compare(_MINOR, devices.minor),
        _Instruction(_JUMP_NOT_EQUAL, _MISS, offset=2),
    ]
    verdict = [_Instruction(_MOVE, _RESULT, value=int(allowed)), _Instruction(_EXIT)]
    return [*([] if allowed else _unless_any(mask, len(misses) + 2)), *misses, *verdict]


def _compare(register: int, number: int | None) -> list[_Instruction]:
    if number is None:
        return []
    return [
        _Instruction(_MOVE_REGISTER, _PART, register),
        _Instruction(_XOR, _PART, value=number),
        _Instruction(_OR_REGISTER, _MISS, _PART),
    ]


def _unless_any(mask: int, distance: int) -> list[_Instruction]:
    """A denying exception holds for a request that wants any of it (as v1 judges)."""
    return [
        _Instruction(_MOVE_REGISTER, _PART, _ACCESS),
        _Instruction(_AND, _PART, value=mask),
        _Instruction(_JUMP_EQUAL, _PART, offset=distance),
    ]


def _restrict_v2(folder: str, wanted: Filter) -> None:
    group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        old = [bpf.open_program(number) for number in bpf.attached_programs(group)]
        try:
            _replace_programs(group, old, wanted)
        finally:
            for descriptor in old:
                os.close(descriptor)
    except OSError as error:
        # C23: going on without a filter would open every device
        if not (wanted.allowed and not wanted.exceptions):
            raise _no_filter(f"{describe_errno(error)}: {error.filename or 'bpf'}") from error
    finally:
        os.close(group)


def _replace_programs(group: int, old: list[int], wanted: Filter) -> None:
    """One program is exchanged in one step; of several the new one stands before the first old one
    goes.
    """
    if wanted.allowed and not wanted.exceptions:
        for descriptor in old:
            bpf.detach(group, descriptor)
        return
    program = bpf.load_device_program(assemble(wanted), name=PROGRAM_NAME)
    try:
        if len(old) == 1:
            try:
                return bpf.attach(group, program, replaced=old[0])
            except OSError as error:
                if error.errno != errno.EINVAL:  # kernels before 5.6 have no replacing
                    raise
        bpf.attach(group, program)
        for descriptor in old:
            bpf.detach(group, descriptor)
    finally:
        os.close(program)
