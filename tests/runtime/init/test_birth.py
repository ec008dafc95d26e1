"""What a program finds itself in, read inside a real container. The letters are those of the
reference."""

from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import RuntimeFault
from tests.runtime.init.driver import Box

pytestmark = pytest.mark.kernel


def status_lines(box: Box, *names: str, **options: object) -> str:
    """Without a shell, which ignores signals of its own."""
    command = ("grep", "-E", f"^({'|'.join(names)})", "/proc/self/status")
    return box.run_command(command, **options).output


def test_the_exit_code_of_the_program_is_the_containers(box: Box):
    assert box.run("echo out; echo err >&2; exit 7").exit_code == 7


def test_what_it_writes_arrives(box: Box):
    assert box.run("echo out; echo err >&2").output == "out\nerr\n"


def test_it_is_the_first_process(box: Box):
    assert box.run("echo $$").output == "1\n"


def test_d01_the_fourteen_capabilities_are_held_and_none_is_inheritable(box: Box):
    assert status_lines(box, "Cap") == (
        "CapInh:\t0000000000000000\n"
        "CapPrm:\t00000000a80425fb\n"
        "CapEff:\t00000000a80425fb\n"
        "CapBnd:\t00000000a80425fb\n"
        "CapAmb:\t0000000000000000\n"
    )


def test_l51_another_user_keeps_the_bounding_set_alone(box: Box):
    assert status_lines(box, "Uid", "Gid", "Cap(Eff|Prm|Bnd)", user="1000:2000") == (
        "Uid:\t1000\t1000\t1000\t1000\n"
        "Gid:\t2000\t2000\t2000\t2000\n"
        "CapPrm:\t0000000000000000\n"
        "CapEff:\t0000000000000000\n"
        "CapBnd:\t00000000a80425fb\n"
    )


def test_v13_the_primary_group_is_among_the_supplementary_ones(box: Box):
    assert box.run("id -G", user="1000:2000").output == "2000\n"


def test_cap_drop_all_and_add_one_leaves_one(box: Box):
    output = status_lines(box, "CapBnd", cap_drop=("ALL",), cap_add=("NET_ADMIN",))
    assert output == "CapBnd:\t0000000000001000\n"


def test_d15_a_filter_is_in_place_and_new_privileges_are_allowed(box: Box):
    assert status_lines(box, "NoNewPrivs", "Seccomp:") == "NoNewPrivs:\t0\nSeccomp:\t2\n"


def test_no_new_privileges_can_be_asked_for(box: Box):
    options = {"security_opt": ("no-new-privileges",)}
    assert status_lines(box, "NoNewPrivs", "Seccomp:", **options) == "NoNewPrivs:\t1\nSeccomp:\t2\n"


def test_l55_no_signal_is_blocked_or_ignored(box: Box):
    assert status_lines(box, "Sig(Blk|Ign)") == (
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
    )


def test_v01_nothing_but_stdio_is_open(box: Box):
    assert box.run("ls /proc/1/fd").output.split() == ["0", "1", "2", "3"]  # 3 is ls's own folder


def test_l31_devices_have_their_modes(box: Box):
    output = box.run(
        "stat -c '%n %a %t:%T' /dev/null /dev/zero /dev/full /dev/random /dev/tty"
    ).output
    assert output == (
        "/dev/null 666 1:3\n/dev/zero 666 1:5\n/dev/full 666 1:7\n"
        "/dev/random 666 1:8\n/dev/tty 666 5:0\n"
    )


def test_d20_masked_paths_are_empty(box: Box):
    assert (
        box.run("cat /proc/keys /proc/interrupts /proc/timer_list; ls /sys/firmware").output == ""
    )


def test_proc_sys_is_read_only(box: Box):
    ended = box.run("echo 1 > /proc/sys/kernel/panic")
    assert "Read-only file system" in ended.output


def test_l40_the_hostname_is_the_beginning_of_the_id(box: Box):
    assert box.run("hostname").output == "c0ffeec0ffee\n"


def test_a_hostname_can_be_given(box: Box):
    assert box.run("hostname", hostname="little").output == "little\n"


def test_l37_a_missing_working_directory_is_made(box: Box):
    assert box.run("pwd", working_dir="/a/b").output == "/a/b\n"


@pytest.mark.parametrize("number", range(12))
def test_v01_a_working_directory_through_a_descriptor_is_refused(box: Box, number: int):
    ended = box.run("ls ..", working_dir=f"/proc/self/fd/{number}")
    assert ended.failure is not None
    assert ended.failure.exit_code == 125


def test_v09_a_dev_that_is_a_symlink_creates_nothing_outside(box: Box, root: Path):
    canary = root / "canary"
    canary.mkdir()
    (box.patch / "dev").symlink_to(canary)
    assert box.run("ls /dev/null").output == "/dev/null\n"
    assert list(canary.iterdir()) == []


def test_v24_a_passwd_that_is_endless_is_refused_at_once(box: Box):
    (box.patch / "etc").mkdir()
    (box.patch / "etc" / "passwd").symlink_to("/dev/zero")
    assert box.run("true", user="somebody").failure is not None


@pytest.mark.parametrize("user", ["4294967296", "2147483648", "-1", "4294967295"])
def test_v31_a_user_that_is_no_uid_never_becomes_root(box: Box, user: str):
    try:
        ended = box.run("id -u", user=user)
    except RuntimeFault:
        return  # refused when the document was made
    assert ended.failure is not None


def test_d61_a_program_that_is_not_there_is_127(box: Box):
    ended = box.run_command(("nowhere",))
    assert ended.failure is not None
    assert ended.failure.exit_code == 127
    assert ended.failure.message == 'exec: "nowhere": executable file not found in $PATH'


def test_d61_a_folder_cannot_be_executed(box: Box):
    ended = box.run_command(("/etc",))
    assert ended.failure is not None
    assert ended.failure.exit_code == 126


def test_d15_what_the_filter_refuses(box: Box):
    output = box.run("mount -t tmpfs x /tmp; unshare -U true; chroot / true && echo chroot").output
    assert output == (
        "mount: permission denied (are you root?)\n"
        "unshare: unshare(0x10000000): Operation not permitted\n"
        "chroot\n"
    )


def test_negative_control_without_the_filter_it_is_the_capability_that_refuses(box: Box):
    options = {"security_opt": ("seccomp=unconfined",)}
    assert box.run("unshare -U echo made", **options).output == "made\n"


def test_l08_id_maps_are_in_the_request_and_never_passed_over(box: Box):
    """User namespaces are not built yet; without one, mapped ids would be the host's own."""
    box.change_request = lambda request: replace(request, uid_mappings=((0, 100000, 65536),))
    with pytest.raises(RuntimeFault) as caught:
        box.start("id")
    assert caught.value.code == "E407"
    assert box.alive == []


def test_read_only_root(box: Box):
    ended = box.run("touch /x; touch /dev/shm/x && echo shm", read_only=True)
    assert ended.output == "touch: /x: Read-only file system\nshm\n"


def test_a_sysctl_of_the_network_holds(box: Box):
    output = box.run(
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        sysctls={"net.ipv4.ip_unprivileged_port_start": "80"},
    ).output
    assert output == "80\n"
