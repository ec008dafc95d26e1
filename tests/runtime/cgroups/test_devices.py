"""The device filter: rules in one form, as text for v1, as a program for v2; and both in
the kernel.
"""

import itertools
import os
import struct
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.cgroups import devices, hierarchy, knobs
from runtime.cgroups.devices import Devices
from runtime.errors import RuntimeFault
from runtime.linux import bpf
from runtime.messages import CgroupPlan
from runtime.schemas import read_schema

DEFAULTS = read_schema("docker-defaults.json")["device_rules"]


def rule(text: str) -> dict[str, object]:
    """`allow c 1:3 rw` as the document has it."""
    verb, kind, numbers, access = text.split()
    made: dict[str, object] = {"allow": verb == "allow", "type": kind, "access": access}
    for key, word in zip(("major", "minor"), numbers.split(":"), strict=True):
        if word != "*":
            made[key] = int(word)
    return made


def normalised(*texts: str) -> str:
    return str(devices.normalise(rule(text) for text in texts))


def test_dockers_rules_are_a_list_of_exceptions():
    assert str(devices.normalise(DEFAULTS)).splitlines() == [
        "deny all, but:",
        "b *:* m",
        "c *:* m",
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:1 rwm",
        "c 5:2 rwm",
        "c 136:* rwm",
        "c 10:200 rwm",
    ]


def test_no_rule_at_all_denies_everything():
    assert normalised() == "deny all, but:"


def test_a_rule_for_everything_puts_all_before_it_out_of_force():
    assert normalised("allow c 1:3 rwm", "deny a *:* rwm", "allow c 1:5 r") == (
        "deny all, but:\nc 1:5 r"
    )
    assert normalised("deny c 1:3 rwm", "allow a *:* rwm") == "allow all, but:"


def test_rules_about_one_device_add_up_and_the_last_one_wins():
    assert normalised("allow c 1:3 r", "allow c 1:3 w", "deny c 1:3 r") == (
        "deny all, but:\nc 1:3 w"
    )


def test_a_wildcard_takes_back_all_that_it_covers():
    assert normalised("allow c 1:3 rw", "allow b 1:3 rw", "deny c *:* w") == (
        "deny all, but:\nc 1:3 r\nb 1:3 rw"
    )


def test_a_rule_for_both_types_becomes_two():
    assert normalised("allow a 7:* rw") == "deny all, but:\nb 7:* rw\nc 7:* rw"


def test_exceptions_from_allowing_everything_are_kept():
    assert normalised("allow a *:* rwm", "deny b 8:* rwm", "allow b 8:* r") == (
        "allow all, but:\nb 8:* wm"
    )


@pytest.mark.parametrize(
    "texts",
    [
        ("allow c *:* rwm", "deny c 1:3 rwm"),
        ("allow c 1:* rw", "deny c *:3 w"),
        ("allow a *:* rwm", "deny b *:* rwm", "allow b 8:1 r"),
    ],
)
def test_a_hole_in_a_wildcard_is_refused_and_not_dropped(texts):
    """C21: v1 would take the rule and do nothing."""
    with pytest.raises(RuntimeFault) as caught:
        normalised(*texts)
    assert caught.value.answered == "cgroups know no exception from an exception"


def test_a_hole_where_nothing_of_it_was_allowed_is_none():
    assert normalised("allow c *:* m", "deny c 10:229 rw") == "deny all, but:\nc *:* m"


@pytest.mark.parametrize("wrong", [{"access": "rx"}, {"type": "z", "access": "r"}])
def test_words_that_mean_nothing_are_refused(wrong):
    with pytest.raises(RuntimeFault):
        devices.normalise([{"allow": True, "major": 1, "minor": 3, **wrong}])


def test_a_fresh_v1_group_is_closed_first():
    wanted = devices.normalise([rule("allow c 1:3 rw"), rule("allow b *:* m")])
    assert devices.v1_writes("a *:* rwm\n", wanted) == [
        ("devices.deny", "a"),
        ("devices.allow", "c 1:3 rw"),
        ("devices.allow", "b *:* m"),
    ]


def test_a_running_v1_group_gets_only_what_changes():
    wanted = devices.normalise([rule("allow c 1:3 rw"), rule("allow c 1:5 rwm")])
    assert devices.v1_writes("c 1:3 rwm\nb 8:0 r\nc 1:5 rwm\n", wanted) == [
        ("devices.deny", "c 1:3 m"),
        ("devices.deny", "b 8:0 r"),
    ]


def test_v1_is_opened_whole_before_its_exceptions():
    wanted = devices.normalise([rule("allow a *:* rwm"), rule("deny b 8:0 w")])
    assert devices.v1_writes("c 1:3 rwm\n", wanted) == [
        ("devices.allow", "a"),
        ("devices.deny", "b 8:0 w"),
    ]


def run(program: bytes, kind: str, major: int, minor: int, access: str) -> bool:
    """What the program answers. Only the instructions that it may consist of are known here."""
    word = sum({"m": 1, "r": 2, "w": 4}[letter] for letter in access) << 16
    context = struct.pack("=III", word | {"b": 1, "c": 2}[kind], major, minor)
    registers = [0] * 11
    at = 0
    for _ in range(10_000):
        code, both, offset, value = struct.unpack_from("=BBhi", program, at * 8)
        assert sys.byteorder == "little"
        target, source = both & 15, both >> 4
        at += 1
        if code == 0x61:
            (registers[target],) = struct.unpack_from("=I", context, offset)
        elif code == 0x54:
            registers[target] &= value
        elif code == 0x74:
            registers[target] >>= value
        elif code == 0xB4:
            registers[target] = value
        elif code == 0xBC:
            registers[target] = registers[source]
        elif code == 0x15:
            at += offset if registers[target] == value else 0
        elif code == 0x55:
            at += offset if registers[target] != value else 0
        elif code == 0xA4:
            registers[target] ^= value
        elif code == 0x4C:
            registers[target] |= registers[source]
        elif code == 0x95:
            return bool(registers[0])
        else:
            raise AssertionError(hex(code))
    raise AssertionError("no end")


def judged(wanted: devices.Filter, kind: str, major: int, minor: int, access: str) -> bool:
    """v1's way: an allowing exception must hold all that is asked for, a denying one any of it."""
    device = Devices(kind, major, minor)
    held = [rights for key, rights in wanted.exceptions.items() if key.covers(device)]
    if wanted.allowed:
        return not any(rights & set(access) for rights in held)
    return any(set(access) <= rights for rights in held)


ACCESS = [
    "".join(letters) for count in (1, 2, 3) for letters in itertools.combinations("rwm", count)
]
NUMBER = st.one_of(st.none(), st.integers(0, 3))
RULES = st.lists(
    st.builds(
        lambda allow, kind, major, minor, access: {
            "allow": allow,
            "type": kind,
            "access": access,
            **({} if major is None else {"major": major}),
            **({} if minor is None else {"minor": minor}),
        },
        st.booleans(),
        st.sampled_from("abc"),
        NUMBER,
        NUMBER,
        st.sampled_from(ACCESS),
    ),
    max_size=8,
)


@settings(deadline=None)  # the second host is emulated
@given(RULES)
def test_the_program_answers_as_the_filter_reads(rules):
    try:
        wanted = devices.normalise(rules)
    except RuntimeFault:
        return
    program = devices.assemble(wanted)
    for kind, major, minor, access in itertools.product("bc", range(5), range(5), ACCESS):
        assert run(program, kind, major, minor, access) == judged(
            wanted, kind, major, minor, access
        )


@settings(deadline=None)  # the second host is emulated
@given(RULES)
def test_the_last_rule_about_a_device_decides(rules):
    """The meaning of the list, worked out one single access at a time."""
    try:
        wanted = devices.normalise(rules)
    except RuntimeFault:
        return
    for kind, major, minor, access in itertools.product("bc", range(5), range(5), "rwm"):
        verdict = False
        for each in rules:
            numbers = (each.get("major", major), each.get("minor", minor))
            if (
                each["type"] in ("a", kind)
                and numbers == (major, minor)
                and access in each["access"]
            ):
                verdict = bool(each["allow"])
        assert judged(wanted, kind, major, minor, access) == verdict


TRY = """
import os, tempfile
folder = tempfile.mkdtemp()
def attempt(text, action):
    try:
        action()
    except OSError as error:
        print(text, error.strerror)
    else:
        print(text, "ok")
def opened(path, flags): return lambda: os.close(os.open(path, flags))
disk = f"{folder}/disk"
attempt("null rw", opened("/dev/null", os.O_RDWR))
attempt("mknod disk", lambda: os.mknod(disk, 0o60600, os.makedev(8, 0)))
attempt("open disk", opened(disk, os.O_RDONLY))
kmsg = f"{folder}/kmsg"
attempt("mknod kmsg", lambda: os.mknod(kmsg, 0o20600, os.makedev(1, 11)))
attempt("kmsg r", opened(kmsg, os.O_RDONLY | os.O_NONBLOCK))
attempt("kmsg rw", opened(kmsg, os.O_RDWR | os.O_NONBLOCK))
for path in (disk, kmsg):
    if os.path.exists(path): os.unlink(path)
os.rmdir(folder)
"""
REFUSED = "Operation not permitted"


@pytest.fixture(params=["as a container has it", "program in the v2 tree"])
def group(real, request) -> CgroupPlan:
    made = real.create()
    if request.param == "as a container has it":
        return made
    return CgroupPlan(unified=made.unified)


@pytest.mark.kernel
def test_a_node_can_be_made_and_not_opened(real, group):
    """C25."""
    assert devices.restrict(group, DEFAULTS) == ()
    assert real.output(group, TRY).splitlines() == [
        "null rw ok",
        "mknod disk ok",
        f"open disk {REFUSED}",
        "mknod kmsg ok",
        f"kmsg r {REFUSED}",
        f"kmsg rw {REFUSED}",
    ]


@pytest.mark.kernel
def test_a_device_that_may_be_read_may_not_be_written(real, group):
    devices.restrict(group, [*DEFAULTS, rule("allow c 1:11 r")])
    assert real.output(group, TRY).splitlines()[4:] == ["kmsg r ok", f"kmsg rw {REFUSED}"]


@pytest.mark.kernel
def test_a_privileged_container_opens_what_there_is(real, group):
    devices.restrict(group, [rule("allow a *:* rwm")])
    lines = real.output(group, TRY).splitlines()
    assert lines[3:] == ["mknod kmsg ok", "kmsg r ok", "kmsg rw ok"]
    assert lines[2] != f"open disk {REFUSED}"


@pytest.mark.kernel
def test_exceptions_from_allowing_everything_hold(real, group):
    devices.restrict(group, [rule("allow a *:* rwm"), rule("deny c 1:11 w")])
    assert real.output(group, TRY).splitlines()[4:] == ["kmsg r ok", f"kmsg rw {REFUSED}"]


@pytest.mark.kernel
def test_the_filter_of_a_running_group_is_replaced(real, group):
    devices.restrict(group, DEFAULTS)
    script = """
import os
for line in sys.stdin:
    try: os.close(os.open("/dev/kmsg", os.O_RDONLY)); print("ok", flush=True)
    except OSError as error: print(error.strerror, flush=True)
"""
    child = real.run(group, script)

    def ask() -> str:
        child.stdin.write("?\n")
        child.stdin.flush()
        return child.stdout.readline().strip()

    answers = [ask()]
    for rules in (
        [*DEFAULTS, rule("allow c 1:11 r")],
        DEFAULTS,
        [rule("allow a *:* rwm")],
        DEFAULTS,
    ):
        devices.restrict(group, rules)
        answers.append(ask())
    assert answers == [REFUSED, "ok", REFUSED, "ok", REFUSED]


@pytest.mark.kernel
def test_one_program_is_attached_however_often_it_is_set(real):
    group = CgroupPlan(unified=real.create().unified)
    folder = os.open(group.unified, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(3):
            devices.restrict(group, DEFAULTS)
            assert len(bpf.attached_programs(folder)) == 1
        devices.restrict(group, [rule("allow a *:* rwm")])
        assert bpf.attached_programs(folder) == []
    finally:
        os.close(folder)


@pytest.mark.kernel
def test_several_old_programs_make_way_for_one(real):
    group = CgroupPlan(unified=real.create().unified)
    folder = os.open(group.unified, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(2):
            program = bpf.load_device_program(
                devices.assemble(devices.normalise(DEFAULTS)), name="x"
            )
            bpf.attach(folder, program)
            os.close(program)
        assert len(bpf.attached_programs(folder)) == 2
        devices.restrict(group, DEFAULTS)
        assert len(bpf.attached_programs(folder)) == 1
    finally:
        os.close(folder)


@pytest.mark.kernel
def test_a_program_of_hundreds_of_rules_passes_the_verifier(real):
    group = CgroupPlan(unified=real.create().unified)
    rules = [rule(f"allow c {number}:{number + 1} r") for number in range(400)]
    devices.restrict(group, [*DEFAULTS, *rules])


@pytest.mark.kernel
def test_a_program_that_the_verifier_refuses_says_why(real):
    with pytest.raises(OSError) as caught:
        bpf.load_device_program(b"\xff" * 8, name="bad")
    assert caught.value.filename.startswith("bpf: ")


@pytest.mark.kernel
@settings(deadline=None)  # the second host is emulated
@given(rules=RULES)
def test_the_v1_kernel_reads_back_what_was_meant(hierarchy, rules):
    """C20, and G4: the emulator against the kernel's own list."""
    if "devices" not in hierarchy.legacy:
        return
    try:
        wanted = devices.normalise(rules)
    except RuntimeFault:
        return
    folder = f"{hierarchy.legacy['devices']}/fuzz-{os.getpid()}"
    os.mkdir(folder)
    try:
        devices.restrict(CgroupPlan(legacy=(folder,)), rules)
        read = devices.parse_list(knobs.read(folder, "devices.list"))
        assert read == (None if wanted.allowed else dict(wanted.exceptions))
    finally:
        os.rmdir(folder)


@pytest.mark.kernel
@pytest.mark.slow
@settings(deadline=None)  # the second host is emulated
@given(rules=RULES)
def test_every_program_passes_the_verifier(rules):
    try:
        program = devices.assemble(devices.normalise(rules))
    except RuntimeFault:
        return
    os.close(bpf.load_device_program(program, name="fuzz"))


def test_a_machine_without_a_filter_runs_nobody_who_needs_one():
    """C20."""
    with pytest.raises(RuntimeFault) as caught:
        devices.restrict(CgroupPlan(legacy=("/sys",)), DEFAULTS)
    assert caught.value.code == "E430"
    assert devices.restrict(CgroupPlan(legacy=("/sys",)), [rule("allow a *:* rwm")]) == ()


def test_a_v2_kernel_without_bpf_runs_nobody_who_needs_a_filter(tmp_path, monkeypatch):
    """C23."""

    def refuse(*_: object) -> list[int]:
        raise OSError(38, "Function not implemented", "bpf")

    monkeypatch.setattr(bpf, "attached_programs", refuse)
    with pytest.raises(RuntimeFault) as caught:
        devices.restrict(CgroupPlan(unified=str(tmp_path)), DEFAULTS)
    assert caught.value.answered == "ENOSYS (Function not implemented): bpf"
    devices.restrict(CgroupPlan(unified=str(tmp_path)), [rule("allow a *:* rwm")])


def test_every_machine_of_the_reference_has_a_filter():
    assert "devices" in hierarchy.find_features(frozenset(), {}, has_file=lambda *_: False)
