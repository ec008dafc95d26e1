"""A seccomp profile -> a cBPF program, and its installation. Pure but for `install`.

The program looks at the architecture first, sends numbers that the profile has never heard of away
with ENOSYS (D13: with EPERM new C libraries would not fall back), and finds the verdict of the
others by binary search: about ten comparisons for any call. What a profile says is
seccomp_profile.py's. Source: seccomp(2), linux/filter.h, D10-D15.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

from runtime.errors import RuntimeFault
from runtime.linux import calls, faults, seccomp_profile
from runtime.linux.seccomp_profile import FAMILIES, KILL_PROCESS, Condition, Profile, Surroundings

_LOAD, _AND = 0x20, 0x54
_JUMP, _EQUAL, _ABOVE, _AT_LEAST = 0x05, 0x15, 0x25, 0x35
_RETURN = 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16
_FIRST_X32_NUMBER = 0x40000000
_LOW = 0xFFFFFFFF
_FAR = 255
"""Instructions that a conditional jump reaches."""
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

AUDIT_NUMBERS = {"x86_64": 0xC000003E, "x86": 0x40000003, "aarch64": 0xC00000B7}

read_profile = seccomp_profile.read


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
    """What becomes of a call: the action of the first conditions that hold, else `otherwise`."""

    otherwise: int
    tests: tuple[tuple[tuple[Condition, ...], int], ...] = ()


Program = list[Instruction]


def assemble(
    document: Mapping[str, Any],
    numbers: Mapping[str, Mapping[str, int]],
    *,
    bounding_caps: Set[str],
    machine: str = "",
    kernel: tuple[int, int] | None = None,
) -> bytes:
    """The program for a profile, ours or in Docker's format, and a container's bounding set.

    `numbers` is schemas/syscalls.json; `machine` and `kernel` are this machine's unless given. An
    empty profile is none, and gives an empty program (D11). Raises RuntimeFault.
    """
    if not document:
        return b""
    here = os.uname()
    around = Surroundings(
        machine=_known(machine or here.machine),
        kernel=kernel or _version(here.release),
        bounding_caps=bounding_caps,
    )
    profile = seccomp_profile.parse(document, around)
    program: Program = [_load(_ARCHITECTURE_OFFSET)]
    for architecture in profile.architectures:
        block = _block(profile, numbers[architecture], architecture)
        program += _unless_equal_skip(AUDIT_NUMBERS[architecture], block)
    program.append(_answer(KILL_PROCESS))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _known(machine: str) -> str:
    if machine not in FAMILIES:
        raise RuntimeFault(
            f"there is no seccomp profile for {machine}",
            code="E409",
            hint="use `security_opt: [seccomp=unconfined]` if you trust the image",
        )
    return machine


def _version(release: str) -> tuple[int, int]:
    """`6.1.0-18-amd64` -> (6, 1)."""
    major, minor, *_rest = release.split(".")
    return int(major), int(minor[: len(minor) - len(minor.lstrip("0123456789"))])


def install(program: bytes) -> None:
    """For this process and its children, for good. Needs CAP_SYS_ADMIN or no_new_privs."""
    block = _FilterProgram(len(program) // 8, program)
    with faults.point("seccomp"):
        calls.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(block), 0, 0)


# --- from rules to verdicts


def verdicts(profile: Profile, numbers: Mapping[str, int]) -> dict[int, Verdict]:
    """Number -> verdict for every call that a rule speaks of.

    A rule with conditions is asked before one without: it is the more particular one.
    """
    always: dict[int, int] = {}
    tests: dict[int, tuple[tuple[tuple[Condition, ...], int], ...]] = {}
    for rule in profile.rules:
        asked = tuple((alternative, rule.action) for alternative in rule.alternatives)
        for number in [numbers[name] for name in rule.names if name in numbers]:
            if asked:
                tests[number] = tests.get(number, ()) + asked
            else:
                always.setdefault(number, rule.action)
    return {
        number: Verdict(always.get(number, profile.default), tests.get(number, ()))
        for number in {*always, *tests}
    }


# --- from verdicts to instructions


def _block(profile: Profile, numbers: Mapping[str, int], architecture: str) -> Program:
    found = verdicts(profile, numbers)
    last = max(numbers.values()) if profile.knows_every_call else max(found, default=0)
    unknown = _answer(profile.unknown)
    program = [_load(_NUMBER_OFFSET)]
    if architecture == "x86_64":
        program += [Instruction(_AT_LEAST, 0, 1, _FIRST_X32_NUMBER), unknown]
    program += [Instruction(_ABOVE, 0, 1, last), unknown]
    return program + _search(_segments(found, last, Verdict(profile.default)))


def _segments(
    found: Mapping[int, Verdict], last: int, default: Verdict
) -> list[tuple[int, Verdict]]:
    """(first number, verdict) of each run of numbers that are judged alike."""
    segments: list[tuple[int, Verdict]] = []
    for number in range(last + 1):
        verdict = found.get(number, default)
        if not segments or segments[-1][1] != verdict:
            segments.append((number, verdict))
    return segments


def _search(segments: list[tuple[int, Verdict]]) -> Program:
    if len(segments) == 1:
        return _judge(segments[0][1])
    middle = len(segments) // 2
    below = _search(segments[:middle])
    above = _search(segments[middle:])
    pivot = segments[middle][0]
    if len(below) <= _FAR:
        return [Instruction(_AT_LEAST, len(below), 0, pivot), *below, *above]
    # an unconditional jump reaches any number
    far = Instruction(_JUMP, 0, 0, len(below))
    return [Instruction(_AT_LEAST, 0, 1, pivot), far, *below, *above]


def _judge(verdict: Verdict) -> Program:
    program: Program = []
    for conditions, action in verdict.tests:
        program += _when(conditions, [_answer(action)])
    return [*program, _answer(verdict.otherwise)]


def _when(conditions: Iterable[Condition], body: Program) -> Program:
    """The body behind its tests; where one fails, what follows the body is next."""
    for condition in reversed(tuple(conditions)):
        body = [*_test(condition, len(body)), *body]
    return body


def _test(condition: Condition, skip: int) -> Program:
    """Falls through to what follows when it holds, else jumps over the next `skip`."""
    low = _ARGUMENTS_OFFSET + 8 * condition.argument
    if condition.bits == 32:
        return [_load(low), *_compare(condition.operator, condition, skip)]
    match condition.operator:
        case "equal" | "masked":
            lower = [_load(low), *_compare(condition.operator, condition, skip)]
            upper = _compare(condition.operator, _upper(condition), len(lower) + skip)
            return [_load(low + 4), *upper, *lower]
        case "not equal":
            lower = [_load(low), Instruction(_EQUAL, skip, 0, condition.value & _LOW)]
            return [_load(low + 4), Instruction(_EQUAL, 0, 2, _upper(condition).value), *lower]
        case _:
            return _compare_wide(condition, low, skip)


def _upper(condition: Condition) -> Condition:
    return condition._replace(value=condition.value >> 32, mask=condition.mask >> 32)


def _compare(operator: str, condition: Condition, skip: int) -> Program:
    """The word in the accumulator against the low half of the condition's value."""
    value = condition.value & _LOW
    match operator:
        case "equal":
            return [Instruction(_EQUAL, 0, skip, value)]
        case "not equal":
            return [Instruction(_EQUAL, skip, 0, value)]
        case "masked":
            masking = Instruction(_AND, 0, 0, condition.mask & _LOW)
            return [masking, Instruction(_EQUAL, 0, skip, value)]
        case "above":
            return [Instruction(_ABOVE, 0, skip, value)]
        case "at least":
            return [Instruction(_AT_LEAST, 0, skip, value)]
        case "below":
            return [Instruction(_AT_LEAST, skip, 0, value)]
        case "at most":
            return [Instruction(_ABOVE, skip, 0, value)]
    raise RuntimeFault(f"seccomp profile: unknown comparison {operator!r}", code="E443")


def _compare_wide(condition: Condition, low: int, skip: int) -> Program:
    """Order of 64-bit numbers: the upper halves decide unless they are equal."""
    lower = [_load(low), *_compare(condition.operator, condition, skip)]
    to_body, to_end = len(lower), len(lower) + skip
    if condition.operator in ("above", "at least"):
        when_above, when_below = to_body, to_end
    else:
        when_above, when_below = to_end, to_body
    upper = _upper(condition).value
    return [
        _load(low + 4),
        Instruction(_ABOVE, 1 + when_above, 0, upper),
        Instruction(_EQUAL, 0, when_below, upper),
        *lower,
    ]


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
