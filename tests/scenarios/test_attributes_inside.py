"""Each attribute of a service, from the Compose file to what a program inside the container sees of it."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runtime.cgroups import hierarchy
from tests.runtime.init.conftest import busybox_root  # noqa: F401
from tests.scenarios.stage import document, run_all, said, shell, stage

pytestmark = pytest.mark.kernel
HIERARCHY = hierarchy.detect()
V1 = HIERARCHY.version == 1


class Case(NamedTuple):
    script: str
    expected: str
    attributes: dict[str, Any] = {}


def caps(mask: str) -> str:
    return f"CapInh: {'0' * 16} CapPrm: {mask} CapEff: {mask} CapBnd: {mask} CapAmb: {'0' * 16}"


def held_capabilities() -> int:
    """Of this process: no container gets more."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("CapBnd:")[2].split()[0], 16)


def group_file(v1: str, v2: str) -> str:
    return f"cat /sys/fs/cgroup/{v1 if V1 else v2}"


KILL, SYS_RESOURCE = 1 << 5, 1 << 24
CAPS = "grep Cap /proc/self/status"
DEFAULT_CAPS = "00000000a80425fb"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:1234:1235::/home/web:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:1235:\naudio:x:29:web\nvideo:x:44:\n"

CASES: dict[str, Case] = {
    # capabilities and privileges
    "caps-default": Case(CAPS, caps(DEFAULT_CAPS)),
    "caps-all-dropped": Case(CAPS, caps("0" * 16), {"cap_drop": ["ALL"]}),
    "caps-one-of-none": Case(
        CAPS, caps("0000000000001001"), {"cap_drop": ["all"], "cap_add": ["CAP_CHOWN", "net_admin"]}
    ),
    "caps-all-but-one": Case(
        CAPS,
        caps(f"{held_capabilities() & ~KILL:016x}"),
        {"cap_add": ["ALL"], "cap_drop": ["KILL"]},
    ),
    "caps-of-a-user": Case(
        CAPS,
        f"CapInh: {'0' * 16} CapPrm: {'0' * 16} CapEff: {'0' * 16} CapBnd: {DEFAULT_CAPS} CapAmb: {'0' * 16}",
        {"user": "1000"},
    ),
    "no-new-privileges": Case(
        "grep NoNewPrivs /proc/self/status",
        "NoNewPrivs: 1",
        {"security_opt": ["no-new-privileges:true"]},
    ),
    "no-new-privileges-colon-false": Case(
        "grep NoNewPrivs /proc/self/status",
        "NoNewPrivs: 0",
        {"security_opt": ["no-new-privileges=false"]},
    ),
    # users
    "user-name": Case(
        "id; echo $HOME",
        "uid=1234(web) gid=1235(web) groups=29(audio),1235(web) /home/web",
        {"user": "web"},
    ),
    "user-name-and-group": Case(
        "id", "uid=1234(web) gid=44(video) groups=44(video)", {"user": "web:video"}
    ),
    "user-numbers": Case("id; echo $HOME", "uid=77 gid=88 groups=88 /", {"user": "77:88"}),
    "user-number-of-a-name": Case(
        "id -u; id -G; echo $HOME", "1234 1235 29 /home/web", {"user": "1234"}
    ),
    "group-add": Case("id -G", "88 29 99", {"user": "77:88", "group_add": ["audio", "99"]}),
    # where and as what it runs
    "working-dir": Case(
        "pwd; stat -c '%a %u' /srv/new/deep",
        "/srv/new/deep 755 0",
        {"working_dir": "/srv/new/deep"},
    ),
    "hostname": Case(
        "hostname; cat /etc/hostname; echo $HOSTNAME; grep -c 'box.example box$' /etc/hosts; cat /proc/sys/kernel/domainname",
        "box box box 1 example",
        {"hostname": "box", "domainname": "example"},
    ),
    "hostname-default": Case(
        "hostname | wc -c; test $(hostname) = $HOSTNAME && echo same", "13 same"
    ),
    "environment": Case(
        "env | grep -v -E '^(HOSTNAME|SHLVL|PWD)=' | sort",
        "EMPTY= HOME=/root ONE=1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        {"environment": ["ONE=1", "EMPTY=", "UNSET_ON_THE_HOST"]},
    ),
    "files-that-every-user-reads": Case(
        "cat /etc/hosts /etc/hostname /etc/resolv.conf | grep -c -E 'localhost$|^box$|127.0.0.11'; stat -c %a /etc/hosts",
        "3 644",
        {"user": "1000", "hostname": "box"},
    ),
    "read-only": Case(
        "touch /x; touch /run/x && echo run; touch /dev/shm/x && echo shm; touch /etc/x; : >> /etc/hosts",
        "touch: /x: Read-only file system run shm touch: /etc/x: Read-only file system"
        " sh: can't create /etc/hosts: Read-only file system",
        {"read_only": True, "tmpfs": "/run"},
    ),
    "tmpfs": Case(
        "stat -c '%a %u %g' /t /u; df -k /t | tail -1 | awk '{print $2}'; grep ' /[tu] ' /proc/mounts | cut -d' ' -f2,4 | sed s,.inode64,,",
        "700 5 6 1777 0 0 1024 /t rw,nosuid,nodev,relatime,size=1024k,mode=700,uid=5,gid=6 /u rw,nosuid,nodev,noexec,relatime",
        {"tmpfs": ["/t:size=1m,mode=700,uid=5,gid=6,exec", "/u"]},
    ),
    "init": Case(
        "tr '\\0' ' ' < /proc/1/cmdline | cut -c -22; test $$ != 1 && echo child",
        "/sbin/docker-init -- s child",
        {"init": True},
    ),
    "tty": Case(
        "tty; test -t 0 && test -t 1 && echo terminal; echo $TERM; stat -c '%t:%T %G' /dev/console",
        "/dev/pts/0 terminal xterm 88:0 UNKNOWN",
        {"tty": True},
    ),
    "no-tty": Case(
        "tty; readlink /proc/self/fd/0; test -e /dev/console || echo none",
        "not a tty /dev/null none",
    ),
    # limits
    "ulimits": Case(
        "ulimit -Sn; ulimit -Hn; ulimit -Su; ulimit -Sc",
        "100 200 50 0",
        {"ulimits": {"nofile": {"soft": 100, "hard": 200}, "nproc": 50, "core": 0}},
    ),
    "sysctls": Case(
        "cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_unprivileged_port_start; echo 1 > /proc/sys/net/core/somaxconn",
        "100 0 sh: can't create /proc/sys/net/core/somaxconn: Read-only file system",
        {"sysctls": {"net.core.somaxconn": 100}},
    ),
    "shm-size": Case(
        "df -k /dev/shm | tail -1 | awk '{print $2}'; stat -c %a /dev/shm",
        "2048 1777",
        {"shm_size": "2m"},
    ),
    "shm-size-default": Case("df -k /dev/shm | tail -1 | awk '{print $2}'", "65536"),
    "oom-score-adj": Case("cat /proc/self/oom_score_adj", "123", {"oom_score_adj": 123}),
    "cpus": Case(
        group_file("cpu/cpu.cfs_quota_us", "cpu.max"),
        "50000" if V1 else "50000 100000",
        {"cpus": 0.5},
    ),
    "cpu-shares": Case(
        group_file("cpu/cpu.shares", "cpu.weight"), "512" if V1 else "59", {"cpu_shares": 512}
    ),
    "cpuset": Case(
        "grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list: 0", {"cpuset": "0"}
    ),
    "mem-limit": Case(
        f"{group_file('memory/memory.limit_in_bytes', 'memory.max')}; {group_file('memory/memory.memsw.limit_in_bytes', 'memory.swap.max')}",
        "67108864 134217728" if V1 else "67108864 67108864",
        {"mem_limit": "64m"},
    ),
    "mem-limit-as-a-user-reads-it": Case(
        group_file("memory/memory.limit_in_bytes", "memory.max"),
        "67108864",
        {"mem_limit": "64m", "user": "1000"},
    ),
    "memswap-limit": Case(
        group_file("memory/memory.memsw.limit_in_bytes", "memory.swap.max"),
        "100663296" if V1 else "33554432",
        {"mem_limit": "64m", "memswap_limit": "96m"},
    ),
    "mem-reservation": Case(
        group_file("memory/memory.soft_limit_in_bytes", "memory.low"),
        "33554432",
        {"mem_reservation": "32m"},
    ),
    "pids-limit": Case(group_file("pids/pids.max", "pids.max"), "20", {"pids_limit": 20}),
    "deploy-resources": Case(
        ";".join(
            (
                group_file("cpu/cpu.cfs_quota_us", "cpu.max"),
                group_file("memory/memory.limit_in_bytes", "memory.max"),
                group_file("memory/memory.soft_limit_in_bytes", "memory.low"),
                group_file("pids/pids.max", "pids.max"),
            )
        ),
        f"25000{'' if V1 else ' 100000'} 67108864 33554432 30",
        {
            "deploy": {
                "resources": {
                    "limits": {"cpus": "0.25", "memory": "64M", "pids": 30},
                    "reservations": {"memory": "32M"},
                }
            }
        },
    ),
    # namespaces of the host
    "pid-host": Case(
        "readlink /proc/self/ns/pid", os.readlink("/proc/self/ns/pid"), {"pid": "host"}
    ),
    "ipc-host": Case(
        "readlink /proc/self/ns/ipc", os.readlink("/proc/self/ns/ipc"), {"ipc": "host"}
    ),
    "uts-host": Case(
        "readlink /proc/self/ns/uts", os.readlink("/proc/self/ns/uts"), {"uts": "host"}
    ),
    "network-host": Case(
        "readlink /proc/self/ns/net", os.readlink("/proc/self/ns/net"), {"network_mode": "host"}
    ),
    "network-none": Case(
        "ls /sys/class/net; cat /etc/resolv.conf | grep -c 127.0.0.11",
        "lo 0",
        {"network_mode": "none"},
    ),
    "cgroup-private": Case("cut -d: -f3 /proc/self/cgroup | sort -u", "/", {"cgroup": "private"}),
    "cgroup-host": Case(
        "cut -d: -f3 /proc/self/cgroup | sort -u | grep -c '^/pycompose-.*/[0-9a-f]*$'",
        "1",
        {"cgroup": "host"},
    ),
    "cgroup-parent": Case(
        "cut -d: -f3 /proc/self/cgroup | sort -u | grep -c '^/test-parent/pycompose-'",
        "1",
        {"cgroup": "host", "cgroup_parent": "test-parent"},
    ),
    "devices": Case(
        "dd if=/dev/odd of=/dev/null count=0 && echo reads; (: >> /dev/odd) || true; stat -c '%t:%T' /dev/odd",
        "0+0 records in 0+0 records out reads sh: can't create /dev/odd: Operation not permitted a:e5",
        {"devices": ["/dev/fuse:/dev/odd:r"]},
    ),
    "device-cgroup-rules": Case(
        "mknod /n c 10 229; dd if=/n of=/dev/null count=0 2>&1 | grep -c out",
        "1",
        {"device_cgroup_rules": ["c 10:229 r"]},
    ),
}


@pytest.fixture(scope="module")
def image(busybox_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: F811
    """The busybox root with a user and groups of its own."""
    folder = tmp_path_factory.mktemp("image") / "root"
    shutil.copytree(busybox_root, folder, symlinks=True)
    (folder / "etc/passwd").write_text(PASSWD)
    (folder / "etc/group").write_text(GROUP)
    return f"dir:{folder}"


@pytest.fixture(scope="module")
def inside(image: str) -> Iterator[dict[str, str]]:
    services = {
        name: shell(case.script, image=image, **case.attributes) for name, case in CASES.items()
    }
    with stage() as pycompose:
        yield run_all(pycompose, services)


@pytest.mark.parametrize("name", CASES)
def test_the_attribute_has_its_effect(inside: dict[str, str], name: str):
    assert inside.get(name, "") == CASES[name].expected


# --- what others have


def test_namespaces_of_another_service_are_shared(image: str):
    """`first` keeps running; each of the others joins one of its namespaces."""
    services = {
        "first": shell(
            "sleep 1000",
            image=image,
            container_name="the-first",
            hostname="first",
            ipc="shareable",
            shm_size="3m",
        ),
        "pid": shell("ps | grep -c 'sleep 10[0]0'", image=image, pid="service:first"),
        "net": shell("hostname; ls /sys/class/net", image=image, network_mode="service:first"),
        "by-name": shell("hostname", image=image, network_mode="container:the-first"),
        "ipc": shell(
            "stat -c '%a %u' /dev/shm; df -k /dev/shm | tail -1 | awk '{print $2}'; echo kept > /dev/shm/file",
            image=image,
            ipc="service:first",
            user="1000",
        ),
        "alone": shell("ps | grep -c 'sleep 10[0]0'; ls /dev/shm", image=image),
    }
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        pycompose("up", "-d")
        pycompose("wait", "pid", "net", "by-name", "ipc", "alone", check=False)
        assert said(pycompose) == {
            "pid-1": "1",
            "net-1": "first eth0 lo",
            "by-name-1": "first",
            "ipc-1": "1777 0 3072",
            "alone-1": "0",
        }
        assert pycompose("exec", "-T", "first", "cat", "/dev/shm/file").stdout == "kept\n"


def test_what_the_engine_itself_may_not_give_is_said_and_the_container_runs(image: str):
    """Section 0 of the reference: the usual case is CAP_SYS_RESOURCE, which VMs take away."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    services = {
        "limited": shell("ulimit -n", image=image, ulimits={"nofile": hard + 1}),
        "empowered": shell(CAPS, image=image, cap_add=["SYS_RESOURCE"]),
    }
    held = held_capabilities() & SYS_RESOURCE
    with stage() as pycompose:
        pycompose.compose_file(document(services))
        up = pycompose("up", "-d")
        pycompose("wait", *services, check=False)
        output = said(pycompose)
    mask = f"{int(DEFAULT_CAPS, 16) | held:016x}"
    assert output == {"limited-1": str(hard + bool(held)), "empowered-1": caps(mask)}
    warnings = sorted(line for line in up.stderr.splitlines() if line.startswith("warning"))
    expected = [
        "warning: project-empowered-1: the engine lacks CAP_SYS_RESOURCE itself,"
        " so the container goes without",
        "warning: project-limited-1: `ulimits.nofile`: the engine lacks CAP_SYS_RESOURCE,"
        f" so the hard limit stays at {hard}",
    ]
    assert warnings == ([] if held else expected)
