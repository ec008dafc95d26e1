"""What a container may not do, each beside the container in which the same act succeeds (G6, D15, V14, C25).

An act that fails in both proves nothing: `DENIED` holds the acts with their outcome by default and in the service
that was given the right.
"""

from __future__ import annotations

import errno
import json
import re
import socket
from typing import Any, NamedTuple

import pytest

from tests.scenarios.stage import run_all, shell, stage

pytestmark = pytest.mark.kernel

SYSCALLS = """
import ctypes, errno, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    result = libc.syscall(*(ctypes.c_long(word) for word in words))
    return 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()]
def open_socket(family, kind):
    try:
        socket.socket(family, kind).close()
        return 'done'
    except OSError as error:
        return errno.errorcode[error.errno]
NUMBERS = {'clone3': 435, 'io_uring_setup': 425, 'unshare': 272, 'keyctl': 250, 'userfaultfd': 323,
           'personality': 135, 'open_by_handle_at': 304, 'bpf': 321, 'perf_event_open': 298, 'unknown': 9999}
"""


def probe(expression: str) -> str:
    text = f"{SYSCALLS}\nprint({expression})".replace("'", '"')
    return f"python3 -c '{text}'"


def syscall(name: str, *words: object) -> str:
    arguments = "".join(f", {word}" for word in words)
    return probe(f"call(NUMBERS['{name}']{arguments})")


def kernel_crypto() -> str:
    """What this kernel answers who may ask: it may be built without."""
    try:
        socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


class Act(NamedTuple):
    script: str
    denied: str
    allowed: str
    by: dict[str, Any]


UNCONFINED: dict[str, Any] = {"security_opt": ["seccomp:unconfined"]}
PRIVILEGED: dict[str, Any] = {"privileged": True}
SETUID = "cp /usr/bin/id /tmp/id; chmod u+s /tmp/id; setpriv --reuid 1000 --clear-groups /tmp/id -u"

DENIED: dict[str, Act] = {
    # the seccomp profile
    "clone3": Act(syscall("clone3", 0, 0), "ENOSYS", "EINVAL", UNCONFINED),
    "io-uring": Act(syscall("io_uring_setup", 0, 0), "EPERM", "EFAULT", UNCONFINED),
    "user-namespace": Act(syscall("unshare", 0x10000000), "EPERM", "done", UNCONFINED),
    "keyctl": Act(syscall("keyctl", 0, -2, 1), "EPERM", "done", UNCONFINED),
    "personality": Act(syscall("personality", 0x40000), "EPERM", "done", UNCONFINED),
    "kernel-crypto": Act(
        probe("open_socket(38, socket.SOCK_SEQPACKET)"), "EPERM", kernel_crypto(), UNCONFINED
    ),
    "unshare-mount": Act(syscall("unshare", 0x20000), "EPERM", "done", PRIVILEGED),
    "mount": Act(
        "mount -t tmpfs x /mnt 2>/dev/null && echo done || echo refused",
        "refused",
        "done",
        PRIVILEGED,
    ),
    "mount-with-the-capability": Act(
        "mount -t tmpfs x /mnt 2>/dev/null && echo done || echo refused",
        "refused",
        "done",
        {"cap_add": ["SYS_ADMIN"]},
    ),
    # devices: made, and not opened
    "kernel-log": Act(
        "mknod /log c 1 11 && (dd if=/log of=/dev/null count=0 2>&1 | grep -o 'not permitted' || echo opened)",
        "not permitted",
        "opened",
        PRIVILEGED,
    ),
    "a-disk": Act(
        "mknod /disk b $(cat /sys/block/*/dev | head -1 | tr : ' ') && (head -c 0 /disk 2>&1 | grep -o 'not permitted' || echo opened)",
        "not permitted",
        "opened",
        PRIVILEGED,
    ),
    "a-rule-for-it": Act(
        "mknod /other c 10 229 && (dd if=/other of=/dev/null count=0 2>&1 | grep -o 'not permitted' || echo opened)",
        "not permitted",
        "opened",
        {"device_cgroup_rules": ["c 10:229 rwm"]},
    ),
    # masked and read-only paths
    "timers": Act(
        "wc -c < /proc/timer_list | sed 's/^[1-9].*/full/'",
        "0",
        "full",
        {"security_opt": ["systempaths=unconfined"]},
    ),
    "firmware": Act(
        "ls /sys/firmware | wc -l | sed 's/^[1-9].*/full/'",
        "0",
        "full",
        {"security_opt": ["systempaths=unconfined"]},
    ),
    "kernel-settings": Act(
        "(echo 60 > /proc/sys/net/ipv4/tcp_keepalive_intvl) 2>&1 | grep -o Read-only; cat /proc/sys/net/ipv4/tcp_keepalive_intvl",
        "Read-only 75",
        "60",
        {"security_opt": ["systempaths=unconfined"]},
    ),
    "sys": Act(
        "touch /sys/kernel/mm/ksm/run 2>&1 | grep -o Read-only || echo writable",
        "Read-only",
        "writable",
        PRIVILEGED,
    ),
    "cgroups": Act(
        "touch /sys/fs/cgroup/x 2>&1 | grep -o Read-only || echo writable",
        "Read-only",
        "writable",
        PRIVILEGED,
    ),
    # capabilities
    "own-network": Act(
        "ip link set lo mtu 1400 2>/dev/null && echo done || echo refused",
        "refused",
        "done",
        {"cap_add": ["NET_ADMIN"]},
    ),
}

REFUSED_WHEN_ASKED: dict[str, Act] = {
    "chown": Act(
        "touch /x; chown 5 /x 2>/dev/null && echo done || echo refused",
        "refused",
        "done",
        {"cap_drop": ["CHOWN"]},
    ),
    "ports-below-1024": Act(
        'python3 -c \'import socket; socket.create_server(("", 80)); print("done")\' 2>&1 | grep -o -e done -e "Permission denied"',
        "Permission denied",
        "done",
        {
            "cap_drop": ["NET_BIND_SERVICE"],
            "sysctls": {"net.ipv4.ip_unprivileged_port_start": 1024},
        },
    ),
    "setuid": Act(SETUID, "1000", "0", {"security_opt": ["no-new-privileges"]}),
    "profile-of-a-file": Act(
        "mkdir /made 2>&1 | grep -o 'not supported' || echo done",
        "not supported",
        "done",
        {"security_opt": ["seccomp=profile.json"]},
    ),
}
PROFILE = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """Act -> what came of it, as NAME in a container with nothing said and as NAME-asked in one with what `by` says.

    One container does all acts of a kind, each in a shell of its own.
    """
    acts = {**DENIED, **REFUSED_WHEN_ASKED}
    asked: dict[str, list[str]] = {}
    for name, act in acts.items():
        asked.setdefault(json.dumps(act.by), []).append(name)
    services = {"plain": shell(in_turn(acts), image="host")}
    for number, (by, names) in enumerate(asked.items()):
        script = in_turn({f"{name}-asked": acts[name] for name in names})
        services[f"asked{number}"] = shell(script, image="host", **json.loads(by))
    with stage() as pycompose:
        (pycompose.folder / "profile.json").write_text(json.dumps(PROFILE))
        output = " ".join(run_all(pycompose, services).values())
    return dict(re.findall(r"<(\S+) (.*?) >", output))


def in_turn(acts: dict[str, Act]) -> str:
    return "\n".join(f"echo '<{name}'; ({act.script}); echo '>'" for name, act in acts.items())


@pytest.mark.parametrize("name", DENIED)
def test_the_act_is_denied_and_done_by_who_was_given_the_right(outcomes: dict[str, str], name: str):
    act = DENIED[name]
    assert (outcomes[name], outcomes[f"{name}-asked"]) == (act.denied, act.allowed)


@pytest.mark.parametrize("name", REFUSED_WHEN_ASKED)
def test_the_right_that_all_have_can_be_taken_away(outcomes: dict[str, str], name: str):
    act = REFUSED_WHEN_ASKED[name]
    assert (outcomes[name], outcomes[f"{name}-asked"]) == (act.allowed, act.denied)
