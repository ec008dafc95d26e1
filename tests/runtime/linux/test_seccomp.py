"""The filter's verdicts, by running its instructions as the kernel would, over every number. Source: D10-D15."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RuntimeFault
from runtime.linux import seccomp
from runtime.schemas import read_schema

PROFILE = read_schema("seccomp-default.json")
NUMBERS = read_schema("syscalls.json")
DEFAULT_CAPS = {"CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_KILL"}


def verdict(
    name: str | int,
    *arguments: int,
    architecture: str = "x86_64",
    caps: set[str] = DEFAULT_CAPS,
) -> str:
    """`allow`, `kill`, or the errno, of a call by name or number."""
    program = seccomp.assemble(PROFILE, NUMBERS, bounding_caps=caps, machine="x86_64")
    number = name if isinstance(name, int) else NUMBERS[architecture][name]
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, seccomp.AUDIT_NUMBERS[architecture], 0, *padded)
    answer = execute(program, data)
    return {0x7FFF0000: "allow", 0x80000000: "kill"}.get(answer, str(answer & 0xFFFF))


def execute(program: bytes, data: bytes) -> int:
    """A cBPF machine with the few instructions that filters are made of."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator, position = 0, 0
    while True:
        code, true, false, value = instructions[position]
        position += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x05:
            position += value
        elif code == 0x06:
            return int(value)
        else:
            holds = {
                0x15: accumulator == value,
                0x25: accumulator > value,
                0x35: accumulator >= value,
            }[code]
            position += true if holds else false


@pytest.mark.parametrize("name", ["read", "openat", "execve", "futex", "chroot", "fchmodat2"])
def test_everyday_calls_are_allowed(name: str):
    assert verdict(name) == "allow"


@pytest.mark.parametrize(
    "name",
    [
        "mount",
        "umount2",
        "bpf",
        "keyctl",
        "add_key",
        "userfaultfd",
        "kexec_load",
        "pivot_root",
        "io_uring_setup",
        "setns",
        "unshare",
        "reboot",
        "init_module",
        "open_by_handle_at",
    ],
)
def test_the_kernels_own_doors_are_closed(name: str):
    assert verdict(name) == "1"


def test_d12_clone3_does_not_exist_so_that_libraries_fall_back():
    assert verdict("clone3") == "38"


def test_d12_clone_makes_threads_but_no_namespaces():
    assert verdict("clone", 0x3D0F00) == "allow"
    assert verdict("clone", 0x10000000) == "1"


def test_d12_who_may_administer_the_system_may_clone_as_it_likes():
    caps = {"CAP_SYS_ADMIN"}
    assert [verdict("clone", 0x10000000, caps=caps), verdict("clone3", caps=caps)] == ["allow"] * 2


@pytest.mark.parametrize(
    ("family", "expected"),
    [(2, "allow"), (16, "allow"), (38, "1"), (39, "allow"), (40, "1"), (41, "allow")],
)
def test_d12_address_families(family: int, expected: str):
    assert verdict("socket", family) == expected


def test_a_family_with_bits_above_the_32nd_is_judged_by_what_the_kernel_sees():
    assert verdict("socket", 0x1_0000_0026) == "1"


def test_d15_a_number_that_nobody_knows_is_enosys():
    assert verdict(9999) == "38"


def test_d13_the_x32_numbers_do_not_exist():
    assert verdict(0x40000000) == "38"


def test_d15_the_32_bit_door_is_closed_as_well():
    assert verdict("mount", architecture="x86") == "1"
    assert verdict("read", architecture="x86") == "allow"
    assert verdict("socketcall", 1, architecture="x86") == "1"
    assert verdict("socketcall", 3, architecture="x86") == "allow"


def test_another_architecture_is_killed():
    assert verdict("read", architecture="aarch64") == "kill"


@pytest.mark.parametrize(
    ("persona", "expected"), [(0, "allow"), (0x40000, "1"), (0xFFFFFFFF, "allow")]
)
def test_d15_personality(persona: int, expected: str):
    assert verdict("personality", persona) == expected


def test_every_jump_lands_inside_the_program():
    program = seccomp.assemble(PROFILE, NUMBERS, bounding_caps=set(), machine="x86_64")
    assert len(program) // 8 < 4096
    for number in range(max(NUMBERS["x86_64"].values()) + 2):
        verdict(number)


def test_without_rules_nothing_is_allowed():
    empty = {"default_errno": 1, "unknown_errno": 38, "rules": []}
    assert judge(empty, "read") == "1"


# --- Docker's format


def judge(document: dict[str, Any], name: str | int, *arguments: int, **options: Any) -> str:
    chosen = {"bounding_caps": set(), "machine": "x86_64", "kernel": (6, 1), **options}
    program = seccomp.assemble(document, NUMBERS, **chosen)
    number = name if isinstance(name, int) else NUMBERS["x86_64"][name]
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=IIQ6Q", number, seccomp.AUDIT_NUMBERS["x86_64"], 0, *padded)
    answer = execute(program, data)
    return {0x7FFF0000: "allow", 0x80000000: "kill"}.get(answer, str(answer & 0xFFFF))


def dockers(
    *syscalls: dict[str, Any], default: str = "SCMP_ACT_ERRNO", **more: Any
) -> dict[str, Any]:
    return {"defaultAction": default, "syscalls": list(syscalls), **more}


ALLOW_ALL_BUT_MKDIR = dockers(
    {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}, default="SCMP_ACT_ALLOW"
)


def test_a_list_of_what_is_forbidden():
    assert judge(ALLOW_ALL_BUT_MKDIR, "mkdir") == "1"
    assert judge(ALLOW_ALL_BUT_MKDIR, "rmdir") == "allow"


def test_d13_where_the_default_allows_unknown_numbers_are_allowed_too():
    assert judge(ALLOW_ALL_BUT_MKDIR, 9999) == "allow"


def test_d13_where_it_refuses_numbers_above_the_largest_named_are_enosys():
    profile = dockers({"names": ["read", "openat"], "action": "SCMP_ACT_ALLOW"})
    assert [judge(profile, name) for name in ("read", "write", "faccessat2")] == [
        "allow",
        "1",
        "38",
    ]


def test_the_errno_is_the_rules_own_or_the_defaults():
    profile = dockers(
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
        {"name": "openat", "action": "SCMP_ACT_ALLOW"},
        defaultErrnoRet=7,
    )
    assert [judge(profile, name) for name in ("mkdir", "rmdir", "openat")] == ["13", "7", "allow"]


def test_d11_capabilities_kernel_and_architecture_decide_whether_a_rule_holds():
    profile = dockers(
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_A", "CAP_B"]}},
        {
            "names": ["umount2"],
            "action": "SCMP_ACT_ALLOW",
            "excludes": {"caps": ["CAP_A", "CAP_C"]},
        },
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "5.4"}},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
        {"names": ["statx", "clone3"], "action": "SCMP_ACT_ALLOW"},
    )
    names = ("mount", "umount2", "ptrace", "bpf")
    both = {"bounding_caps": {"CAP_A", "CAP_B"}, "kernel": (5, 3)}
    assert [judge(profile, name, **both) for name in names] == ["allow", "1", "1", "1"]
    none = {"bounding_caps": set(), "kernel": (5, 10)}
    assert [judge(profile, name, **none) for name in names] == ["1", "allow", "allow", "1"]


def test_32_bit_calls_are_killed_unless_their_architecture_is_named():
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
    data = struct.pack("=IIQ6Q", NUMBERS["x86"]["read"], seccomp.AUDIT_NUMBERS["x86"], 0, *(0,) * 6)
    mapped = [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]
    answers = []
    for more in ({}, {"archMap": mapped}, {"architectures": ["SCMP_ARCH_X86"]}):
        program = seccomp.assemble(
            dockers(rule, **more), NUMBERS, bounding_caps=set(), machine="x86_64"
        )
        answers.append(execute(program, data))
    assert answers == [0x80000000, 0x7FFF0000, 0x7FFF0000]


def test_tests_of_different_arguments_must_all_hold_and_of_the_same_any():
    def argument(index: int, value: int) -> dict[str, Any]:
        return {"index": index, "value": value, "op": "SCMP_CMP_EQ"}

    both = dockers(
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [argument(0, 1), argument(1, 2)]}
    )
    assert [judge(both, "ioctl", *given) for given in ((1, 2), (1, 3), (0, 2))] == [
        "allow",
        "1",
        "1",
    ]
    either = dockers(
        {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [argument(1, 1), argument(1, 2)]}
    )
    assert [judge(either, "ioctl", 0, given) for given in (1, 2, 3)] == ["allow", "allow", "1"]


HOLDS = {
    "SCMP_CMP_NE": lambda given, value, _second: given != value,
    "SCMP_CMP_LT": lambda given, value, _second: given < value,
    "SCMP_CMP_LE": lambda given, value, _second: given <= value,
    "SCMP_CMP_EQ": lambda given, value, _second: given == value,
    "SCMP_CMP_GE": lambda given, value, _second: given >= value,
    "SCMP_CMP_GT": lambda given, value, _second: given > value,
    "SCMP_CMP_MASKED_EQ": lambda given, mask, value: given & mask == value,
}
NEAR = st.sampled_from(
    [0, 1, 2, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 64) - 1]
)
WORD = NEAR | st.integers(0, (1 << 64) - 1)


@given(st.sampled_from(sorted(HOLDS)), WORD, WORD, WORD, st.integers(0, 5))
def test_every_comparison_is_one_of_64_bit_numbers(
    op: str, given: int, value: int, second: int, index: int
):
    test = {"index": index, "value": value, "valueTwo": second, "op": op}
    profile = dockers({"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [test]})
    arguments = [0] * 6
    arguments[index] = given
    expected = "allow" if HOLDS[op](given, value, second) else "1"
    assert judge(profile, "ioctl", *arguments) == expected


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"a": 1}, "it has neither `defaultAction` nor `rules`"),
        (dockers(default="SCMP_ACT_HOPE"), "unknown action `SCMP_ACT_HOPE`"),
        (
            dockers({"name": "a", "names": ["b"], "action": "SCMP_ACT_ALLOW"}),
            "`name` and `names` exclude each other",
        ),
        (
            dockers(architectures=["SCMP_ARCH_X86"], archMap=[{}]),
            "`architectures` and `archMap` exclude each other",
        ),
    ],
)
def test_d11_documents_that_are_refused(document: dict[str, Any], message: str):
    with pytest.raises(RuntimeFault) as caught:
        judge(document, "read")
    assert str(caught.value) == f"not a seccomp profile: {message}"


def test_d11_an_empty_profile_is_none():
    assert seccomp.assemble({}, NUMBERS, bounding_caps=set()) == b""


# --- in the kernel


PROBE = """
import ctypes, os, socket, sys
from runtime.linux import identity, seccomp
from runtime.schemas import read_schema
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments))
    return ctypes.get_errno()
program = seccomp.assemble(read_schema("seccomp-default.json"), read_schema("syscalls.json"), bounding_caps=set())
if sys.argv[1] == "filtered":
    seccomp.install(program)
numbers = read_schema("syscalls.json")[os.uname().machine]
answers = {
    "mount": call(numbers["mount"], 0, 0, 0, 0, 0),
    "clone3": call(numbers["clone3"], 0, 0),
    "alg": call(numbers["socket"], 38, 5, 0),
    "vsock": call(numbers["socket"], 40, 1, 0),
    "unshare": call(numbers["unshare"], 0x10000000),
    "unknown": call(9999),
    "persona": call(numbers["personality"], 0x40000),
    "keyctl": call(numbers["keyctl"], 0, -3 & 0xFFFFFFFF, 0, 0, 0),
    "getpid": call(numbers["getpid"]),
}
print(*(f"{name}={answer}" for name, answer in answers.items()))
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("Seccomp:")))
"""


def probe(how: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-P", "-c", PROBE, how],
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.split()


@pytest.mark.kernel
def test_d15_the_kernel_answers_as_the_profile_says():
    assert probe("filtered") == [
        "mount=1",
        "clone3=38",
        "alg=1",
        "vsock=1",
        "unshare=1",
        "unknown=38",
        "persona=1",
        "keyctl=1",
        "getpid=0",
        "2",
    ]


@pytest.mark.kernel
def test_negative_control_without_the_filter_it_answers_otherwise():
    answers = probe("open")
    assert "unshare=0" in answers
    assert "persona=0" in answers
    assert "mount=1" not in answers
    assert answers[-1] == "0"


INT80 = bytes.fromhex(
    "7f454c46020101000000000000000000"
    "02003e0001000000"
    "7800400000000000"
    "4000000000000000"
    "0000000000000000"
    "00000000"
    "4000"
    "3800"
    "0100"
    "0000"
    "0000"
    "0000"
    "0100000005000000"
    "0000000000000000"
    "0000400000000000"
    "0000400000000000"
    "9800000000000000"
    "9800000000000000"
    "0010000000000000"
    # eax = mount of the 32-bit table, int 0x80; exit with the errno it answered
    "b815000000"
    "31db"
    "31c9"
    "cd80"
    "f7d8"
    "89c3"
    "b801000000"
    "cd80"
).ljust(0x98, b"\x90")


@pytest.mark.kernel
def test_d15_the_32_bit_door_gives_the_same_answer(tmp_path: Path):
    if os.uname().machine != "x86_64":
        return  # only there is this a door
    program = tmp_path / "int80"
    program.write_bytes(INT80)
    program.chmod(0o755)
    filters = seccomp.assemble(PROFILE, NUMBERS, bounding_caps=set())
    assert subprocess.run([program]).returncode != 1
    ended = subprocess.run([program], preexec_fn=lambda: seccomp.install(filters))
    assert ended.returncode == 1
