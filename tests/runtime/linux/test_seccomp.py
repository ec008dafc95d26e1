"""The filter's verdicts, by running its instructions as the kernel would, over every number. Source: D10-D15."""

import struct

import pytest

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


def test_without_the_rules_in_order_nothing_is_allowed():
    empty = {"default_errno": 1, "unknown_errno": 38, "rules": []}
    program = seccomp.assemble(empty, NUMBERS, bounding_caps=set(), machine="x86_64")
    data = struct.pack("=IIQ6Q", 0, seccomp.AUDIT_NUMBERS["x86_64"], 0, *(0,) * 6)
    assert execute(program, data) & 0xFFFF == 1
