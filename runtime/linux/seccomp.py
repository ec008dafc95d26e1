"""A seccomp profile -> a cBPF program, and its installation. Pure but for `install` and
`read_profile`.

The program looks at the architecture first, sends numbers that the profile has never heard of away
with ENOSYS (D13: with EPERM new C libraries would not fall back), and finds the verdict of the
others by binary search. Arguments are compared in their low 32 bits, which is what the kernel
itself looks at for the calls in question. Source: seccomp(2), linux/filter.h, D10-D15.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

from runtime.errors import RuntimeFault, describe_errno
from runtime.linux import calls, faults

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_LOAD, _AND = 0x20, 0x54
_JUMP, _EQUAL, _ABOVE, _AT_LEAST = 0x05, 0x15, 0x25, 0x35
_RETURN = 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_FIRST_X32_NUMBER = 0x40000000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

AUDIT_NUMBERS = {"x86_64": 0xC000003E, "x86": 0x40000003, "aarch64": 0xC00000B7}
FAMILIES = {"x86_64": ("x86_64", "x86"), "aarch64": ("aarch64",)}
"""Machine -> the architectures whose calls its kernel takes, the native one first."""


class Instruction(NamedTuple):
    """One struct sock_filter; jumps are relative."""

    code: int
    true: int
    false: int
    value: int


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class Verdict(NamedTuple):
    """What becomes of a call: `action` when any of `alternatives` holds (or there are none), else
    the default."""

    action: int
    alternatives: tuple[tuple[tuple[int, str, int, int], ...], ...] = ()
    """Each is a conjunction of (argument, comparison, mask, value)."""


Program = list[Instruction]


def read_profile(path: str) -> Mapping[str, Any]:
    """A profile file that the user named. Raises RuntimeFault."""
    try:
        with open(path, encoding="utf-8") as file:
            profile: Mapping[str, Any] = json.load(file)
    except (OSError, ValueError) as error:
        answered = describe_errno(error) if isinstance(error, OSError) else str(error)
        raise RuntimeFault(
            f"the seccomp profile {path} cannot be read",
            code="E440",
            tried=f"read {path}",
            answered=answered,
        ) from error
    if "rules" not in profile:
        raise RuntimeFault(
            f"the seccomp profile {path} has no `rules`",
            code="E441",
            hint="profiles look like schemas/seccomp-default.json",
        )
    return profile


def assemble(
    profile: Mapping[str, Any],
    numbers: Mapping[str, Mapping[str, int]],
    *,
    bounding_caps: Set[str],
    machine: str = "",
) -> bytes:
    """The program for a machine and the bounding set of a container (D11). Raises RuntimeFault.

    `numbers` is schemas/syscalls.json.
    """
    machine = machine or os.uname().machine
    if machine not in FAMILIES:
        raise RuntimeFault(
            f"there is no seccomp profile for {machine}",
            code="E442",
            hint="use `security_opt: [seccomp=unconfined]` if you trust the image",
        )
    program: Program = [_load(_ARCHITECTURE_OFFSET)]
    for architecture in FAMILIES[machine]:
        block = _block(profile, numbers[architecture], architecture, bounding_caps)
        program += _unless_equal_skip(AUDIT_NUMBERS[architecture], block)
    program.append(_answer(_KILL_PROCESS))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def install(program: bytes) -> None:
    """For this process and its children, for good. Needs CAP_SYS_ADMIN or no_new_privs."""
    block = _FilterProgram(len(program) // 8, program)
    with faults.point("seccomp"):
        calls.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(block), 0, 0)


# --- from rules to verdicts


def verdicts(
    profile: Mapping[str, Any], numbers: Mapping[str, int], bounding_caps: Set[str]
) -> dict[int, Verdict]:
    """Number -> verdict for every call that a rule in force speaks of. Pure."""
    found: dict[int, Verdict] = {}
    for rule in profile["rules"]:
        if not _is_in_force(rule, bounding_caps):
            continue
        verdict = Verdict(_action(rule), _alternatives(rule))
        for name in rule["names"]:
            number = numbers.get(name)
            # an unconditional rule for who holds a capability beats what others may
            if number is not None and not _is_unconditional(found.get(number)):
                found[number] = verdict
    return found


def _is_in_force(rule: Mapping[str, Any], bounding_caps: Set[str]) -> bool:
    needed, excluded = rule.get("with_capability"), rule.get("without_capability")
    return (needed is None or needed in bounding_caps) and excluded not in bounding_caps


def _is_unconditional(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict == Verdict(_ALLOW)


def _action(rule: Mapping[str, Any]) -> int:
    return _ERRNO | rule["errno"] if "errno" in rule else _ALLOW


def _alternatives(
    rule: Mapping[str, Any],
) -> tuple[tuple[tuple[int, str, int, int], ...], ...]:
    return tuple(
        tuple(
            (test["argument"], test["is"], test.get("mask", 0xFFFFFFFF), test["value"])
            for test in alternative
        )
        for alternative in rule.get("when", ())
    )


# --- from verdicts to instructions


def _block(
    profile: Mapping[str, Any],
    numbers: Mapping[str, int],
    architecture: str,
    bounding_caps: Set[str],
) -> Program:
    default = _answer(_ERRNO | profile["default_errno"])
    unknown = _answer(_ERRNO | profile["unknown_errno"])
    known = verdicts(profile, numbers, bounding_caps)
    last = max(numbers.values())
    program = [_load(_NUMBER_OFFSET)]
    if architecture == "x86_64":
        program += [Instruction(_AT_LEAST, 0, 1, _FIRST_X32_NUMBER), unknown]
    program += [Instruction(_ABOVE, 0, 1, last), unknown]
    return program + _search(_segments(known, last), default)


def _segments(known: Mapping[int, Verdict], last: int) -> list[tuple[int, Verdict | None]]:
    """(first number, verdict) of each run of numbers that are judged alike."""
    found: list[tuple[int, Verdict | None]] = []
    for number in range(last + 1):
        verdict = known.get(number)
        if not found or found[-1][1] != verdict:
            found.append((number, verdict))
    return found


def _search(segments: list[tuple[int, Verdict | None]], default: Instruction) -> Program:
    if len(segments) == 1:
        return _judge(segments[0][1], default)
    middle = len(segments) // 2
    below = _search(segments[:middle], default)
    above = _search(segments[middle:], default)
    pivot = segments[middle][0]
    if len(below) < 256:
        return [Instruction(_AT_LEAST, len(below), 0, pivot), *below, *above]
    # a conditional jump reaches 255 instructions, an unconditional one any number
    far = Instruction(_JUMP, 0, 0, len(below))
    return [Instruction(_AT_LEAST, 0, 1, pivot), far, *below, *above]


def _judge(verdict: Verdict | None, default: Instruction) -> Program:
    if verdict is None:
        return [default]
    if not verdict.alternatives:
        return [_answer(verdict.action)]
    program: Program = []
    for alternative in verdict.alternatives:
        program += _conjunction(alternative, [_answer(verdict.action)])
    return [*program, default]


def _conjunction(tests: Iterable[tuple[int, str, int, int]], body: Program) -> Program:
    """The body behind its tests; where one fails, what follows the body is next."""
    for argument, comparison, mask, value in reversed(tuple(tests)):
        body = [_load(_ARGUMENTS_OFFSET + 8 * argument), *_test(comparison, mask, value, body)]
    return body


def _test(comparison: str, mask: int, value: int, body: Program) -> Program:
    match comparison:
        case "equal":
            return [Instruction(_EQUAL, 0, len(body), value), *body]
        case "masked":
            masking = Instruction(_AND, 0, 0, mask)
            return [masking, Instruction(_EQUAL, 0, len(body), value), *body]
        case "above":
            return [Instruction(_ABOVE, 0, len(body), value), *body]
        case "below":
            return [Instruction(_AT_LEAST, len(body), 0, value), *body]
    raise RuntimeFault(f"seccomp profile: unknown comparison {comparison!r}", code="E443")


def _unless_equal_skip(value: int, block: Program) -> Program:
    """Run the block if A holds the value; it ends by itself."""
    return [
        Instruction(_EQUAL, 1, 0, value),
        Instruction(_JUMP, 0, 0, len(block)),
        *block,
    ]


def _load(offset: int) -> Instruction:
    return Instruction(_LOAD, 0, 0, offset)


def _answer(action: int) -> Instruction:
    return Instruction(_RETURN, 0, 0, action)
