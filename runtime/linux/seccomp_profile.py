"""A seccomp profile as a document -> the rules that hold for one container. Pure but for `read`.

Two forms are understood: ours (schemas/seccomp-default.json) and Docker's, which people have files
of. A rule may hang on capabilities, architecture and kernel; that is decided here, once per
container, against its bounding set. Source: D10-D13; Docker's documentation of the format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from runtime.errors import RuntimeFault, describe_errno

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
ERRNO = 0x00050000
EPERM, ENOSYS = 1, 38

_ALL_BITS = 0xFFFF_FFFF_FFFF_FFFF
_ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": ALLOW,
}
_WITH_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_OPERATORS = {
    "SCMP_CMP_NE": "not equal",
    "SCMP_CMP_LT": "below",
    "SCMP_CMP_LE": "at most",
    "SCMP_CMP_EQ": "equal",
    "SCMP_CMP_GE": "at least",
    "SCMP_CMP_GT": "above",
    "SCMP_CMP_MASKED_EQ": "masked",
}
_ARCHITECTURES = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_X86": "x86",
    "SCMP_ARCH_AARCH64": "aarch64",
}
FAMILIES = {"x86_64": ("x86_64", "x86"), "aarch64": ("aarch64",)}
"""Machine -> the architectures whose calls its kernel takes, the native one first."""
_GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


class Condition(NamedTuple):
    """A test of one argument. `bits` is 32 where the kernel itself looks at no more: an int."""

    argument: int
    operator: str
    value: int
    mask: int = _ALL_BITS
    bits: int = 64


class Rule(NamedTuple):
    """`action` for these calls when all conditions of any alternative hold; without any: always."""

    names: tuple[str, ...]
    action: int
    alternatives: tuple[tuple[Condition, ...], ...] = ()


class Profile(NamedTuple):
    """What one container may call. Actions are SECCOMP_RET_ words."""

    default: int
    unknown: int
    """For numbers that the profile has never heard of (D13)."""
    architectures: tuple[str, ...]
    rules: tuple[Rule, ...]
    knows_every_call: bool = False
    """Ours does; another has heard of the calls up to the largest number that it names."""


class Surroundings(NamedTuple):
    """What the conditions of a rule are judged against (D11)."""

    machine: str
    kernel: tuple[int, int]
    bounding_caps: Set[str]


def read(path: str) -> Mapping[str, Any]:
    """A profile file that the user named. Raises RuntimeFault."""
    try:
        with open(path, encoding="utf-8") as file:
            document: Mapping[str, Any] = json.load(file)
    except (OSError, ValueError) as error:
        answered = describe_errno(error) if isinstance(error, OSError) else str(error)
        raise RuntimeFault(
            f"the seccomp profile {path} cannot be read",
            code="E440",
            tried=f"reading {path}",
            answered=answered,
        ) from error
    if not isinstance(document, dict):
        raise _wrong("it is no object")
    return document


def parse(document: Mapping[str, Any], around: Surroundings) -> Profile:
    """The rules in force. Raises RuntimeFault for a document that is in neither form."""
    if "rules" in document:
        return _parse_ours(document, around)
    if "defaultAction" in document:
        return _parse_dockers(document, around)
    raise _wrong("it has neither `defaultAction` nor `rules`")


def _wrong(what: str) -> RuntimeFault:
    return RuntimeFault(
        f"not a seccomp profile: {what}",
        code="E441",
        hint="a profile is a JSON file in Docker's format, with `defaultAction` and `syscalls`",
    )


# ---- our form ------------------------------------------------------------------------------------


def _parse_ours(document: Mapping[str, Any], around: Surroundings) -> Profile:
    return Profile(
        default=ERRNO | document["default_errno"],
        unknown=ERRNO | document["unknown_errno"],
        architectures=FAMILIES[around.machine],
        rules=tuple(_our_rules(document["rules"], around.bounding_caps)),
        knows_every_call=True,
    )


def _our_rules(entries: Iterable[Mapping[str, Any]], held: Set[str]) -> Iterator[Rule]:
    for entry in entries:
        needed, excluded = entry.get("with_capability"), entry.get("without_capability")
        if (needed is None or needed in held) and excluded not in held:
            action = ERRNO | entry["errno"] if "errno" in entry else ALLOW
            yield Rule(tuple(entry["names"]), action, _our_alternatives(entry))


def _our_alternatives(entry: Mapping[str, Any]) -> tuple[tuple[Condition, ...], ...]:
    return tuple(
        tuple(
            Condition(test["argument"], test["is"], test["value"], test.get("mask", _ALL_BITS), 32)
            for test in alternative
        )
        for alternative in entry.get("when", ())
    )


# ---- Docker's form -------------------------------------------------------------------------------


def _parse_dockers(document: Mapping[str, Any], around: Surroundings) -> Profile:
    default = _action(document["defaultAction"], document.get("defaultErrnoRet"))
    # D13: only where the answer would be another refusal
    denies = default not in (ALLOW, _ACTIONS["SCMP_ACT_LOG"])
    entries = document.get("syscalls") or ()
    return Profile(
        default=default,
        unknown=ERRNO | ENOSYS if denies else default,
        architectures=_architectures(document, around.machine),
        rules=tuple(_dockers_rule(entry) for entry in entries if _is_in_force(entry, around)),
    )


def _action(name: str, number: int | None) -> int:
    try:
        action = _ACTIONS[name]
    except KeyError:
        raise _wrong(f"unknown action `{name}`") from None
    if name in _WITH_NUMBER:
        return action | (EPERM if number is None else number)
    return action


def _architectures(document: Mapping[str, Any], machine: str) -> tuple[str, ...]:
    """The native one always, others when they are named."""
    listed, mapped = document.get("architectures"), document.get("archMap")
    if listed and mapped:
        raise _wrong("`architectures` and `archMap` exclude each other")
    native, *others = FAMILIES[machine]
    named = {_ARCHITECTURES.get(name) for name in listed or ()}
    for entry in mapped or ():
        if _ARCHITECTURES.get(entry.get("architecture")) == native:
            named |= {_ARCHITECTURES.get(name) for name in entry.get("subArchitectures") or ()}
    return (native, *(name for name in others if name in named))


def _is_in_force(entry: Mapping[str, Any], around: Surroundings) -> bool:
    """`includes` needs all of its capabilities, `excludes` any (D11)."""
    includes, excludes = entry.get("includes") or {}, entry.get("excludes") or {}
    native = _GO_NAMES[around.machine]
    if not set(includes.get("caps") or ()) <= set(around.bounding_caps):
        return False
    if set(excludes.get("caps") or ()) & set(around.bounding_caps):
        return False
    if includes.get("arches") and native not in includes["arches"]:
        return False
    if native in (excludes.get("arches") or ()):
        return False
    return _is_new_enough(includes.get("minKernel"), around.kernel, without=True) and (
        not _is_new_enough(excludes.get("minKernel"), around.kernel, without=False)
    )


def _is_new_enough(wanted: str | None, kernel: tuple[int, int], *, without: bool) -> bool:
    """`without` is the answer where no kernel is named."""
    if not wanted:
        return without
    try:
        major, minor = (int(part) for part in wanted.split(".")[:2])
    except ValueError:
        raise _wrong(f"`minKernel` {wanted!r} is no version") from None
    return kernel >= (major, minor)


def _dockers_rule(entry: Mapping[str, Any]) -> Rule:
    if "name" in entry and entry.get("names"):
        raise _wrong("`name` and `names` exclude each other")
    names = (entry["name"],) if entry.get("name") else tuple(entry.get("names") or ())
    conditions = tuple(_dockers_condition(test) for test in entry.get("args") or ())
    action = _action(entry["action"], entry.get("errnoRet"))
    return Rule(names, action, _alternatives(conditions))


def _alternatives(conditions: Sequence[Condition]) -> tuple[tuple[Condition, ...], ...]:
    """All must hold; but several tests of one argument are alternatives, as runc reads them."""
    arguments = [condition.argument for condition in conditions]
    if len(set(arguments)) < len(arguments):
        return tuple((condition,) for condition in conditions)
    return (tuple(conditions),) if conditions else ()


def _dockers_condition(test: Mapping[str, Any]) -> Condition:
    try:
        operator = _OPERATORS[test["op"]]
    except KeyError:
        raise _wrong(f"unknown comparison `{test.get('op')}`") from None
    index, value, second = test["index"], test.get("value", 0), test.get("valueTwo", 0)
    if not 0 <= index < 6:
        raise _wrong(f"a call has no argument {index}")
    if operator == "masked":
        return Condition(index, operator, second & _ALL_BITS, value & _ALL_BITS)
    return Condition(index, operator, value & _ALL_BITS)
