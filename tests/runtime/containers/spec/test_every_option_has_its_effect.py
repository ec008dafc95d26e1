"""Every field of ContainerOptions changes the document, or says who else acts on it (STYLE 3.2).

`EFFECTS` gives an example value and the lines of the document that differ from a plain container's.
"""

import dataclasses
import json

import pytest

from runtime.values import (
    BlkioOptions,
    ContainerOptions,
    Device,
    FileMount,
    Mount,
    ThrottleDevice,
    Ulimit,
)

OTHER = "beef" * 16
MIB = 1024 * 1024


def _our_file(name: str, access: str) -> str:
    return f'mounts /etc/{name}: {{"type": "bind", "source": "/data/c/files/{name}", "options": ["rbind", "{access}", "rprivate"]}}'


EFFECTS: dict[str, tuple[object, list[str]]] = {
    # process
    "command": (("run", "-v"), ['- process.args: ["serve"]', '+ process.args: ["run", "-v"]']),
    "entrypoint": (
        ("/init", "--"),
        ['- process.args: ["serve"]', '+ process.args: ["/init", "--", "serve"]'],
    ),
    "environment": (
        {"DEBUG": "1"},
        [
            '- process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000"]',
            '+ process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000", "DEBUG=1"]',
        ],
    ),
    "user": (
        "www:data",
        ['- process.user.username: "0"', '+ process.user.username: "www:data"'],
    ),
    "group_add": (("audio", "29"), ['+ process.user.additionalGroups: ["audio", "29"]']),
    "working_dir": ("/srv", ['- process.cwd: "/"', '+ process.cwd: "/srv"']),
    "hostname": (
        "web",
        [
            '- process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000"]',
            '- hostname: "c0ffee000000"',
            '+ process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=web"]',
            '+ hostname: "web"',
        ],
    ),
    "domainname": ("example.org", ['+ domainname: "example.org"']),
    "tty": (
        True,
        [
            "- process.terminal: false",
            '- process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000"]',
            "+ process.terminal: true",
            '+ process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000", "TERM=xterm"]',
        ],
    ),
    "init": (True, ["+ process.reaper: true"]),
    "umask": (0o27, ["+ process.user.umask: 23"]),
    # files
    "read_only": (
        True,
        [
            *(f"- {_our_file(name, 'rw')}" for name in ("hostname", "hosts", "resolv.conf")),
            "- root.readonly: false",
            *(f"+ {_our_file(name, 'ro')}" for name in ("hostname", "hosts", "resolv.conf")),
            "+ root.readonly: true",
        ],
    ),
    "mounts": (
        (Mount(type="bind", source="/src", target="/app"),),
        [
            '+ mounts /app: {"type": "bind", "source": "/src", "options": ["rbind", "rw", "rprivate"]}'
        ],
    ),
    "files": (
        (FileMount(target="/run/secrets/key", content="x"),),
        [
            '+ mounts /run/secrets/key: {"type": "bind", "source": "/data/c/files/secret-0", "options": ["rbind", "ro", "rprivate"]}'
        ],
    ),
    "shm_size": (
        MIB,
        [
            '- mounts /dev/shm: {"type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}',
            '+ mounts /dev/shm: {"type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=1048576"]}',
        ],
    ),
    # network
    "network_mode": (
        f"container:{OTHER}",
        [
            '- process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000"]',
            '- linux.namespaces network: ""',
            '- linux.sysctl.net.ipv4.ip_unprivileged_port_start: "0"',
            '- linux.sysctl.net.ipv4.ping_group_range: "0 2147483647"',
            '- hostname: "c0ffee000000"',
            '+ process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=other-host"]',
            '+ linux.namespaces network: "/proc/4321/ns/net"',
            "+ linux.sysctl: {}",
            '+ hostname: "other-host"',
        ],
    ),
    # isolation
    "cap_add": (("net_admin",), ["+ process.capabilities: CAP_NET_ADMIN"]),
    "cap_drop": (("CAP_MKNOD",), ["- process.capabilities: CAP_MKNOD"]),
    "security_opt": (
        ("no-new-privileges",),
        ["- process.noNewPrivileges: false", "+ process.noNewPrivileges: true"],
    ),
    "pid": ("host", ['- linux.namespaces pid: ""']),
    "ipc": (
        "host",
        [
            '- mounts /dev/shm: {"type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}',
            '- linux.namespaces ipc: ""',
            '+ mounts /dev/shm: {"type": "bind", "source": "/dev/shm", "options": ["rbind", "nosuid", "noexec", "nodev", "rprivate"]}',
        ],
    ),
    "uts": (
        "host",
        [
            '- process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000"]',
            '- linux.namespaces uts: ""',
            '- hostname: "c0ffee000000"',
            '+ process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=machine"]',
        ],
    ),
    "cgroup": ("host", ['- linux.namespaces cgroup: ""']),
    "sysctls": (
        {"net.core.somaxconn": "1024"},
        ['+ linux.sysctl.net.core.somaxconn: "1024"'],
    ),
    "ulimits": (
        (Ulimit(name="nofile", soft=10, hard=20),),
        ['+ process.rlimits RLIMIT_NOFILE: {"soft": 10, "hard": 20}'],
    ),
    "devices": (
        (Device(source="/dev/fuse", target="/dev/f", permissions="r"),),
        [
            "- linux.devices: []",
            '+ linux.devices /dev/f: {"type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}',
            '+ linux.resources.devices: {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}',
        ],
    ),
    "device_cgroup_rules": (
        ("b 8:* rm",),
        ['+ linux.resources.devices: {"allow": true, "type": "b", "access": "rm", "major": 8}'],
    ),
    # resources
    "cpus": (
        1.5,
        ["+ linux.resources.cpu.period: 100000", "+ linux.resources.cpu.quota: 150000"],
    ),
    "cpu_shares": (512, ["+ linux.resources.cpu.shares: 512"]),
    "cpu_quota": (5000, ["+ linux.resources.cpu.quota: 5000"]),
    "cpu_period": (20000, ["+ linux.resources.cpu.period: 20000"]),
    "cpu_rt_period": (1000, ["+ linux.resources.cpu.realtimePeriod: 1000"]),
    "cpu_rt_runtime": (950, ["+ linux.resources.cpu.realtimeRuntime: 950"]),
    "cpuset": ("0-1", ['+ linux.resources.cpu.cpus: "0-1"']),
    "mem_limit": (
        64 * MIB,
        [
            "+ linux.resources.memory.limit: 67108864",
            "+ linux.resources.memory.swap: 134217728",
        ],
    ),
    "mem_reservation": (32 * MIB, ["+ linux.resources.memory.reservation: 33554432"]),
    "memswap_limit": (
        -1,
        ["- linux.resources.memory.swap: 134217728", "+ linux.resources.memory.swap: -1"],
    ),
    "mem_swappiness": (10, ["+ linux.resources.memory.swappiness: 10"]),
    "oom_kill_disable": (True, ["+ linux.resources.memory.disableOOMKiller: true"]),
    "oom_score_adj": (-5, ["+ process.oomScoreAdj: -5"]),
    "pids_limit": (50, ["+ linux.resources.pids.limit: 50"]),
    "blkio": (
        BlkioOptions(weight=100, device_read_bps=(ThrottleDevice(path="/dev/sda", rate=9),)),
        [
            "+ linux.resources.blockIO.weight: 100",
            '+ linux.resources.blockIO.throttleReadBpsDevice: {"major": 8, "minor": 0, "rate": 9}',
        ],
    ),
    "annotations": ({"a.b": "c"}, ["- annotations: {}", '+ annotations.a.b: "c"']),
    "cgroup_parent": ("/work", []),
    "privileged": (True, ["..."]),
    "userns_mode": ("host", []),
}

ELSEWHERE: dict[str, str] = {
    # identity
    "project": "names the row; DNS and labels go by it",
    "name": "names the row and the DNS entry",
    "service": "the row's; DNS answers it",
    "number": "the row's",
    "oneoff": "the row's: a one-off has no DNS name of its service",
    "image": "runtime/images makes the root and the ImageConfig from it",
    "platform": "runtime/images chooses the manifest",
    "labels": "the row's; nothing in the container sees them",
    "config_hash": "the row's: planning compares it",
    "fingerprint": "the row's: planning names changes by it",
    # process
    "stdin_open": "LaunchRequest.open_stdin: the keeper's pipe",
    "stop_signal": "the supervisor sends it (L60)",
    "stop_grace_period": "the supervisor waits so long (L60)",
    # files
    "volumes_from": "containers/gather.py turns it into SpecContext.inherited",
    "inherit_anonymous": "containers/lifecycle.py takes the volumes over into the record",
    "storage_opt": "compose/planning refuses it: overlay quotas need xfs with pquota",
    "volatile": "RootFilesystem.volatile of the LaunchRequest",
    "auto_remove": "exits.settle of the supervisor",
    # network
    "endpoints": "runtime/networks attaches them",
    "ports": "runtime/networks publishes them",
    "expose": "health probes wait for these ports",
    "extra_hosts": "networks/hosts_file.py",
    "dns": "networks/hosts_file.py and the resolver",
    "dns_search": "networks/hosts_file.py",
    "dns_opt": "networks/hosts_file.py",
    "mac_address": "the endpoint's link",
    # staying up
    "restart": "containers/restart.py",
    "healthcheck": "containers/health.py",
    "logging": "supervisor/log_writer.py",
}

ABOVE = {
    "cgroup_parent": "cgroups/hierarchy.py puts the folders below it, and cgroups_path says so",
    "privileged": "test_security.py and test_resources.py compare what it changes",
    "userns_mode": "host is what every container has; anything else is refused",
}
"""Fields of EFFECTS whose lines are not compared here, and why."""

NEEDS = {
    "memswap_limit": {"mem_limit": 64 * MIB},
    "oom_kill_disable": {"mem_limit": 64 * MIB},
}


def lines(spec) -> set[str]:
    """Every leaf on its own line; lists of objects by what names the object."""
    found: set[str] = set()

    def walk(path, value):
        if path == "process.capabilities":
            sets = value.values()
            assert all(each == value["bounding"] for each in sets)
            found.update(f"{path}: {name}" for name in value["bounding"])
        elif isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{path}.{key}" if path else key, inner)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found.update(item(path, dict(inner)) for inner in value)
        else:
            found.add(f"{path}: {json.dumps(value)}")

    walk("", spec)
    return found


def item(path, value):
    if path == "linux.namespaces":
        return f"{path} {value['type']}: {json.dumps(value.get('path', ''))}"
    for key in ("destination", "path") if "access" not in value else ():
        if key in value:
            return f"{path} {value.pop(key)}: {json.dumps(value)}"
    if path == "process.rlimits":
        return f"{path} {value.pop('type')}: {json.dumps(value)}"
    return f"{path}: {json.dumps(value)}"


def test_every_field_is_accounted_for_once():
    fields = [field.name for field in dataclasses.fields(ContainerOptions)]
    assert sorted([*EFFECTS, *ELSEWHERE]) == sorted(fields)
    assert ABOVE.keys() <= EFFECTS.keys()


@pytest.mark.parametrize("field", [name for name in EFFECTS if name not in ABOVE])
def test_the_option_changes_the_document(build, field):
    value, expected = EFFECTS[field]
    others = NEEDS.get(field, {})
    before = lines(build(**others).spec)
    after = lines(build(**others, **{field: value}).spec)
    found = {f"- {line}" for line in before - after} | {f"+ {line}" for line in after - before}
    assert found == set(expected)


@pytest.mark.parametrize("field", sorted(ELSEWHERE))
def test_an_option_of_others_leaves_the_document_alone(build, field):
    examples = {"project": "q", "name": "other", "image": "x", "storage_opt": {"size": "1g"}}
    default = getattr(ContainerOptions(project="", name=""), field)
    value = examples.get(
        field, {bool: True, str: "x", tuple: (), int: 3}.get(type(default), default)
    )
    assert build(**{field: value}).spec == build().spec
