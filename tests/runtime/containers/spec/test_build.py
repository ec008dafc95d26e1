"""A whole document, once; the rest of the folder compares parts."""

import json

from runtime.spec import Spec


def shown(spec: Spec) -> str:
    """The document as lines, leaf by leaf, so that a difference is one line."""
    lines: list[str] = []

    def walk(path: str, value: object) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{path}.{key}" if path else key, inner)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for index, inner in enumerate(value):
                walk(f"{path}[{index}]", inner) if len(inner) > 4 else lines.append(
                    f"{path}: {json.dumps(inner)}"
                )
        else:
            lines.append(f"{path}: {json.dumps(value)}")

    walk("", spec)
    return "\n".join(lines)


PLAIN = """\
ociVersion: "1.3.0"
process.terminal: false
process.user.username: "0"
process.args: ["serve"]
process.env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=c0ffee000000"]
process.cwd: "/"
process.capabilities.bounding: ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP"]
process.capabilities.effective: ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP"]
process.capabilities.permitted: ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP"]
process.noNewPrivileges: false
root.path: "/data/containers/c0ffee/rootfs"
root.readonly: false
mounts: {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}
mounts: {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]}
mounts: {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]}
mounts: {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}
mounts: {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]}
mounts: {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]}
mounts: {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}
mounts: {"destination": "/etc/resolv.conf", "type": "bind", "source": "/data/c/files/resolv.conf", "options": ["rbind", "rw", "rprivate"]}
mounts: {"destination": "/etc/hostname", "type": "bind", "source": "/data/c/files/hostname", "options": ["rbind", "rw", "rprivate"]}
mounts: {"destination": "/etc/hosts", "type": "bind", "source": "/data/c/files/hosts", "options": ["rbind", "rw", "rprivate"]}
annotations: {}
linux.namespaces: {"type": "mount"}
linux.namespaces: {"type": "pid"}
linux.namespaces: {"type": "network"}
linux.namespaces: {"type": "ipc"}
linux.namespaces: {"type": "uts"}
linux.namespaces: {"type": "cgroup"}
linux.devices: []
linux.cgroupsPath: "/pycompose-beef/aaaa1111/c0ffee"
linux.resources.devices: {"allow": false, "type": "a", "access": "rwm"}
linux.resources.devices[1].allow: false
linux.resources.devices[1].type: "c"
linux.resources.devices[1].major: 10
linux.resources.devices[1].minor: 229
linux.resources.devices[1].access: "rwm"
"""

END = """\
linux.maskedPaths: ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"]
linux.readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
linux.sysctl.net.ipv4.ip_unprivileged_port_start: "0"
linux.sysctl.net.ipv4.ping_group_range: "0 2147483647"
hostname: "c0ffee000000\""""


def test_a_container_without_wishes_gets_dockers_defaults(build):
    """D01, D20, D31, D33, 1.3."""
    result = build()
    text = shown(result.spec)
    assert text.startswith(PLAIN)
    assert text.endswith(END)
    assert (result.warnings, result.seccomp, result.joined_namespaces) == ((), "default", {})


def test_the_same_input_gives_the_same_document(build):
    wishes = {"environment": {"B": "1", "A": "2"}, "cap_add": ("ALL",), "tty": True}
    assert build(**wishes) == build(**wishes)


def test_the_document_holds_nothing_but_json(build):
    result = build(privileged=True, cpus=1.5, devices=(), annotations={"a": "b"})
    assert json.loads(json.dumps(result.spec)) == result.spec
