"""What the options do, read by a program inside a real container (STYLE 3.2, V08, C25).

One line of `EFFECTS` per option that the document carries: options -> script -> what it prints. The
init's own tests hold its steps to their word; here it is the way from option to effect that counts.
"""

import dataclasses
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cgroups import apply, groups, hierarchy, killing
from runtime.containers import host_facts
from runtime.containers.spec.build import build_spec
from runtime.containers.spec.context import SpecContext
from runtime.messages import LaunchRequest, RootFilesystem
from runtime.values import (
    ContainerOptions,
    Device,
    FileMount,
    Mount,
    Ulimit,
)
from runtime.volumes import binds, driver_options
from runtime.volumes import files as injected_files
from tests.runtime.init.conftest import busybox_root  # noqa: F401
from tests.runtime.init.driver import CONTAINER_ID, Box, program

pytestmark = pytest.mark.kernel
MIB = 1024 * 1024
HIERARCHY = hierarchy.detect()
V1 = HIERARCHY.version == 1


class Machine(Box):
    """A box with cgroups, volumes, devices and injected files, as launching.py gives them."""

    volumes: dict[str, driver_options.VolumeSource] = {}
    shm_folder = ""
    root_hash = ""

    def make_request(self, options: ContainerOptions) -> LaunchRequest:
        files = self.folder / "files"
        files.mkdir(exist_ok=True)
        injected_files.write(options.files, files)
        leaf = f"c{len(self.alive)}"
        plan = groups.create(
            HIERARCHY, self.root_hash, "aaaa1111", leaf, parent=options.cgroup_parent
        )
        context = SpecContext(
            container_id=CONTAINER_ID,
            root_path=str(self.folder / "rootfs"),
            host=host_facts.read_host_facts(HIERARCHY),
            defaults=host_facts.read_defaults(),
            files=injected_files.paths_of(options.files, files),
            volumes=self.volumes,
            shm_folder=self.shm_folder,
            joined_pids={f"{alive.pid}": alive.pid for alive in self.alive},
            devices=host_facts.read_devices(options),
            host_devices=host_facts.read_host_devices() if options.privileged else (),
            block_devices=host_facts.read_block_devices(options.blkio),
            propagations=binds.read_propagations(options.mounts),
        )
        result = build_spec(options, self.image, context)
        self.warnings = result.warnings + apply.apply(
            plan, result.spec["linux"]["resources"], HIERARCHY
        )
        return LaunchRequest(
            container_id=CONTAINER_ID,
            generation=1,
            spec=result.spec,
            root=RootFilesystem(
                lowers=(str(self.patch), str(self.base)),
                upper=str(self.folder / "upper"),
                work=str(self.folder / "work"),
            ),
            cgroup=plan,
            seccomp_program=program(result.spec["process"], result.seccomp),
            joined_namespaces=result.joined_namespaces,
            stdio="tty" if options.tty else "pipes",
        )


@pytest.fixture
def machine(root: Path, busybox_root: Path) -> Iterator[Machine]:  # noqa: F811
    made = Machine(root, busybox_root)
    made.root_hash = secrets.token_hex(2)
    yield made
    for plan in groups.leaves(
        HIERARCHY, made.root_hash, "aaaa1111", parents=("", f"test-{made.root_hash}")
    ):
        killing.kill_and_wait(plan)
        made.end()
        assert groups.remove(plan)


def cgroup(v1: str, v2: str) -> str:
    """Prints a file of the container's own group."""
    return f"cat /sys/fs/cgroup/{v1 if V1 else v2}"


EFFECTS: dict[str, tuple[dict[str, object], str, str]] = {
    "command": ({}, "echo here", "here"),
    "entrypoint": ({"entrypoint": ("sh", "-c", 'echo "$@"', "x")}, "ignored", "sh -c ignored"),
    "environment": ({"environment": {"DEBUG": "1", "PATH": None}}, "echo $DEBUG", "1"),
    "user": ({"user": "1000:50"}, "id -u; id -g", "1000 50"),
    "group_add": ({"group_add": ("77",)}, "id -G", "0 77"),
    "working_dir": ({"working_dir": "/srv/app"}, "pwd", "/srv/app"),
    "hostname": ({"hostname": "web"}, "hostname; echo $HOSTNAME", "web web"),
    "domainname": ({"domainname": "example"}, "cat /proc/sys/kernel/domainname", "example"),
    "tty": ({"tty": True}, "test -t 1 && echo $TERM", "xterm"),
    "init": (
        {"init": True},
        "test $$ != 1 && echo reaped-for",
        "reaped-for",
    ),
    "umask": ({"umask": 0o27}, "umask", "0027"),
    "read_only": (
        {"read_only": True},
        "touch /x 2>&1; touch /dev/shm/x && echo shm",
        "touch: /x: Read-only file system shm",
    ),
    "mounts": (
        {"mounts": (Mount(type="tmpfs", target="/t", size=MIB, mode=0o700),)},
        "grep ' /t ' /proc/mounts | cut -d' ' -f3,4 | sed s,.inode64,,; stat -c %a /t",
        "tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k,mode=700 700",
    ),
    "files": (
        {"files": (FileMount(target="/run/secrets/key", content="hidden", mode=0o440, gid=5),)},
        "cat /run/secrets/key; stat -c ' %a %g' /run/secrets/key; echo x > /run/secrets/key",
        "hidden 440 5 sh: can't create /run/secrets/key: Read-only file system",
    ),
    "shm_size": ({"shm_size": MIB}, "df -k /dev/shm | tail -1 | awk '{print $2}'", "1024"),
    "network_mode": (
        {"network_mode": "host"},
        "readlink /proc/self/ns/net",
        os.readlink("/proc/self/ns/net"),
    ),
    "cap_add": (
        {"cap_add": ("SYS_TIME",), "cap_drop": ("ALL",)},
        "grep CapBnd /proc/self/status",
        "CapBnd: 0000000002000000",
    ),
    "cap_drop": (
        {"cap_drop": ("ALL",)},
        "grep CapBnd /proc/self/status",
        "CapBnd: 0000000000000000",
    ),
    "security_opt": (
        {"security_opt": ("no-new-privileges", "systempaths=unconfined", "seccomp=unconfined")},
        "grep -E 'NoNew|Seccomp:' /proc/self/status; grep -c ' /proc/sys ' /proc/mounts",
        "NoNewPrivs: 1 Seccomp: 0 0",
    ),
    "pid": (
        {"pid": "host"},
        "test $$ -gt 1 && readlink /proc/self/ns/pid",
        os.readlink("/proc/self/ns/pid"),
    ),
    "ipc": ({"ipc": "host"}, "readlink /proc/self/ns/ipc", os.readlink("/proc/self/ns/ipc")),
    "uts": ({"uts": "host"}, "hostname", os.uname().nodename),
    "sysctls": (
        {"sysctls": {"net.core.somaxconn": "77", "kernel.shmmni": "5"}},
        "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmni",
        "77 5",
    ),
    "ulimits": (
        {"ulimits": (Ulimit(name="nofile", soft=10, hard=20), Ulimit(name="core", soft=0, hard=0))},
        "ulimit -n; ulimit -Hn; ulimit -c",
        "10 20 0",
    ),
    "devices": (
        {"devices": (Device(source="/dev/fuse", target="/dev/f", permissions="rm"),)},
        "dd if=/dev/f of=/dev/null count=0 2>/dev/null && echo opened; (: >> /dev/f) 2>&1",
        "opened sh: can't create /dev/f: Operation not permitted",
    ),
    "device_cgroup_rules": (
        {"device_cgroup_rules": ("c 10:229 r",)},
        "mknod /n c 10 229; dd if=/n of=/dev/null count=0 2>/dev/null && echo opened",
        "opened",
    ),
    "privileged": (
        {"privileged": True},
        "dd if=/dev/kmsg of=/dev/null count=0 2>/dev/null && echo opened;"
        " grep Seccomp: /proc/self/status; touch /sys/fs/cgroup/x 2>&1 | grep -c Read-only;"
        " grep -c ' /proc/kcore ' /proc/mounts",
        "opened Seccomp: 0 0 0",
    ),
    "cpus": (
        {"cpus": 0.5},
        cgroup("cpu/cpu.cfs_quota_us", "cpu.max"),
        "50000" if V1 else "50000 100000",
    ),
    "cpu_shares": (
        {"cpu_shares": 512},
        cgroup("cpu/cpu.shares", "cpu.weight"),
        "512" if V1 else "59",
    ),
    "cpu_quota": (
        {"cpu_quota": 5000},
        cgroup("cpu/cpu.cfs_quota_us", "cpu.max"),
        "5000" if V1 else "5000 100000",
    ),
    "cpu_period": (
        {"cpu_period": 20000, "cpu_quota": 10000},
        cgroup("cpu/cpu.cfs_period_us", "cpu.max"),
        "20000" if V1 else "10000 20000",
    ),
    "cpuset": ({"cpuset": "0"}, "grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list: 0"),
    "mem_limit": (
        {"mem_limit": 64 * MIB},
        cgroup("memory/memory.limit_in_bytes", "memory.max"),
        str(64 * MIB),
    ),
    "mem_reservation": (
        {"mem_reservation": 32 * MIB},
        cgroup("memory/memory.soft_limit_in_bytes", "memory.low"),
        str(32 * MIB),
    ),
    "memswap_limit": (
        {"mem_limit": 64 * MIB, "memswap_limit": 96 * MIB},
        cgroup("memory/memory.memsw.limit_in_bytes", "memory.swap.max"),
        str((96 if V1 else 32) * MIB),
    ),
    "pids_limit": ({"pids_limit": 50}, cgroup("pids/pids.max", "pids.max"), "50"),
    "oom_score_adj": ({"oom_score_adj": 500}, "cat /proc/self/oom_score_adj", "500"),
}

ONLY_V1: dict[str, tuple[dict[str, object], str, str]] = {
    "mem_swappiness": ({"mem_swappiness": 10}, "cat /sys/fs/cgroup/memory/memory.swappiness", "10"),
    "oom_kill_disable": (
        {"oom_kill_disable": True, "mem_limit": 64 * MIB},
        "grep disable /sys/fs/cgroup/memory/memory.oom_control",
        "oom_kill_disable 1",
    ),
    "cpu_rt_period": (
        {"cpu_rt_period": 500_000},
        "cat /sys/fs/cgroup/cpu/cpu.rt_period_us",
        "500000",
    ),
    "cpu_rt_runtime": (
        {"cpu_rt_runtime": 1000},
        "cat /sys/fs/cgroup/cpu/cpu.rt_runtime_us",
        "1000",
    ),
}

ELSEWHERE = {
    "cgroup": "test_the_containers_own_groups_are_all_it_sees",
    "cgroup_parent": "test_a_cgroup_parent_is_above_the_container",
    "blkio": "needs a disk: tests/runtime/cgroups/test_apply.py writes what a machine has",
    "annotations": "for those who read the document; nothing of it is in the container",
    "userns_mode": "host, which every container has; anything else is refused",
}


@pytest.mark.parametrize("option", EFFECTS)
def test_the_option_has_its_effect(machine: Machine, option: str):
    options, script, expected = EFFECTS[option]
    ended = machine.run(script, **options)
    assert ended.failure is None
    assert " ".join(ended.words) == expected


@pytest.mark.parametrize("option", ONLY_V1)
def test_what_only_v1_has_is_there_or_said_to_be_missing(machine: Machine, option: str):
    options, script, expected = ONLY_V1[option]
    feature = {"mem_swappiness": "swappiness", "oom_kill_disable": option}.get(
        option, "cpu_realtime"
    )
    if feature in HIERARCHY.features:
        assert " ".join(machine.run(script, **options).words) == expected
    elif feature == "cpu_realtime":
        with pytest.raises(Exception, match="real-time limits"):
            machine.run(script, **options)
    else:
        machine.run(script, **options)
        assert machine.warnings == (f"`{option}` is discarded: this kernel has no such control",)


def test_every_option_of_the_document_is_read_inside():
    from .test_every_option_has_its_effect import EFFECTS as IN_THE_DOCUMENT

    assert sorted([*EFFECTS, *ONLY_V1, *ELSEWHERE]) == sorted(IN_THE_DOCUMENT)


def test_the_containers_own_groups_are_all_it_sees(machine: Machine):
    """V08: whatever `cgroup` says, the mount shows the container's own groups, read-only."""
    for number, mode in enumerate(("private", "host")):
        folder = "/sys/fs/cgroup/pids" if V1 else "/sys/fs/cgroup"
        script = f"cat {folder}/cgroup.procs; mkdir {folder}/x 2>&1; cat /proc/self/cgroup"
        words = machine.run(script, cgroup=mode).words
        assert "Read-only" in words, mode
        paths = [word.rpartition(":")[2] for word in words if ":/" in word]
        own = f"/pycompose-{machine.root_hash}/aaaa1111/c{number}"
        assert set(paths) == ({"/"} if mode == "private" else {own})
        # alone in there: itself, and the cat
        if mode == "private":
            assert words[0] == "1"


def test_a_cgroup_parent_is_above_the_container(machine: Machine):
    ended = machine.run(
        "cat /proc/self/cgroup", cgroup="host", cgroup_parent=f"test-{machine.root_hash}"
    )
    paths = {line.rpartition(":")[2] for line in ended.words}
    assert paths == {f"/test-{machine.root_hash}/pycompose-{machine.root_hash}/aaaa1111/c0"}


def test_a_device_that_nobody_gave_can_be_made_and_not_opened(machine: Machine):
    """C25: the negative control of the two above."""
    script = "mknod /n c 10 229 && dd if=/n of=/dev/null count=0 2>&1"
    assert machine.run(script).output == "dd: can't open '/n': Operation not permitted\n"


def test_a_volume_keeps_what_one_container_wrote_for_the_next(machine: Machine, tmp_path: Path):
    machine.volumes = {"data": driver_options.VolumeSource(path=str(tmp_path))}
    mount = Mount(type="volume", source="data", target="/data")
    machine.run("echo kept > /data/file", mounts=(mount,))
    assert machine.run("cat /data/file", mounts=(mount,)).output == "kept\n"
    read_only = dataclasses.replace(mount, read_only=True)
    assert "Read-only" in machine.run("echo no > /data/file 2>&1", mounts=(read_only,)).output


def test_a_part_of_a_volume_is_mounted_without_leaving_it(machine: Machine, tmp_path: Path):
    """V06: a link in the volume leads nowhere but into the volume."""
    (tmp_path / "volume/inner/etc").mkdir(parents=True)
    (tmp_path / "volume/inner/etc/file").write_text("of the volume")
    (tmp_path / "volume/link").symlink_to("/inner/etc")
    (tmp_path / "volume/out").symlink_to(f"../../../../../..{tmp_path}")
    machine.volumes = {"data": driver_options.VolumeSource(path=str(tmp_path / "volume"))}
    for subpath, expected in (("inner/etc", "of the volume"), ("link", "of the volume")):
        mount = Mount(type="volume", source="data", target="/data", subpath=subpath)
        assert machine.run("cat /data/file", mounts=(mount,)).output == expected
    mount = Mount(type="volume", source="data", target="/data", subpath="out")
    ended = machine.run("ls /data", mounts=(mount,))
    assert ended.failure is not None
    assert "cannot mount" in ended.failure.message


def test_a_read_only_bind_is_so_all_the_way_down(machine: Machine):
    """L27: /proc lies below / and must not stay writable."""
    mount = Mount(type="bind", source="/", target="/host", read_only=True)
    script = "touch /host/dev/shm/x 2>&1; touch /host/x 2>&1"
    lines = machine.run(script, mounts=(mount,)).output.splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        "/host/dev/shm/x: Read-only file system",
        "/host/x: Read-only file system",
    ]


def test_shared_memory_is_one_for_those_who_share_it(machine: Machine, tmp_path: Path):
    machine.shm_folder = str(tmp_path)
    machine.run("echo hello > /dev/shm/file", ipc="shareable")
    assert machine.run("cat /dev/shm/file", ipc="shareable").output == "hello\n"
    assert "No such file" in machine.run("cat /dev/shm/file 2>&1").output


def test_namespaces_of_a_running_container_are_joined(machine: Machine, tmp_path: Path):
    machine.shm_folder = str(tmp_path)
    first = machine.start("sleep 60", hostname="first", ipc="shareable")
    kinds = ("pid", "net", "ipc", "uts")
    theirs = [os.readlink(f"/proc/{first.pid}/ns/{kind}") for kind in kinds]
    modes = dict.fromkeys(("pid", "network_mode", "ipc", "uts"), f"container:{first.pid}")
    script = "for kind in pid net ipc uts; do readlink /proc/self/ns/$kind; done; hostname; ps | grep -c 'sleep 6[0]'"
    ended = machine.run(script, **modes)
    assert ended.words == [*theirs, "first", "1"]
