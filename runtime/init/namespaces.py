"""Where the child is: cgroups, namespaces that others own, and names that belong to a namespace.

New namespaces are made by clone3 itself (launch.py); entered here are those of other containers.
Source: L06, L10, L11, L20, L40, L45, 1.1.
"""

from __future__ import annotations

import os

from runtime.init.child import InitChild
from runtime.linux import calls, faults, keyring, namespaces, proc, processes
from runtime.messages import CgroupPlan

_PREPARED = ("network", "ipc", "uts", "cgroup", "time")


def join_cgroups(child: InitChild) -> None:
    """L11: before anything of the container's exists, so that all of it counts against its
    limits."""
    enter_legacy_cgroups(child.request.cgroup)
    processes.use_every_processor()


def enter_legacy_cgroups(plan: CgroupPlan) -> None:
    """The v1 folders; the v2 one was clone3's. `0` is whoever writes, who has one thread: for
    `tasks` the kernel then need not stop the threads of the whole machine, which takes 10 ms."""
    for folder in plan.legacy:
        descriptor = os.open(f"{folder}/tasks", os.O_WRONLY | os.O_CLOEXEC)
        try:
            with faults.point("join cgroup"):
                os.write(descriptor, b"0")
        finally:
            os.close(descriptor)


def join_others(child: InitChild) -> None:
    """Enter the namespaces of other containers. The pid namespace was entered by being born in
    it."""
    for kind in _PREPARED:
        descriptor = child.joined.pop(kind, None)
        if descriptor is not None:
            namespaces.join(descriptor, kind)
            os.close(descriptor)


def make_cgroup_namespace(child: InitChild) -> None:
    """L06: only now, inside its cgroups, does its own group become the root that it sees."""
    for entry in child.linux.get("namespaces", ()):
        if entry["type"] == "cgroup" and not entry.get("path"):
            namespaces.unshare("cgroup")


def join_keyring(child: InitChild) -> None:
    keyring.join_session(f"_ses.{child.request.container_id[:32]}")


def set_names(child: InitChild) -> None:
    """L40. Without a UTS namespace of its own the names are the host's and are left alone."""
    document = child.request.spec
    if not child.has_own("uts") or "uts" in child.request.joined_namespaces:
        return
    if hostname := document.get("hostname"):
        with faults.point("sethostname"):
            calls.sethostname(hostname.encode(), len(hostname.encode()))
    if domainname := document.get("domainname"):
        with faults.point("setdomainname"):
            calls.setdomainname(domainname.encode(), len(domainname.encode()))


def open_proc(child: InitChild) -> None:
    child.proc = proc.open_trusted()


def write_sysctls(child: InitChild) -> None:
    """L41, L53: which names are allowed was judged when the document was made."""
    for name, value in child.linux.get("sysctl", {}).items():
        proc.write_trusted(child.proc, sysctl_path(name), value)


def sysctl_path(name: str) -> str:
    """`net.ipv4.ip_forward` or `net/ipv4/conf/eth0.5/forwarding`: the first separator decides
    (sysctl(8)). Pure."""
    dot, slash = name.find("."), name.find("/")
    if slash == -1 or -1 < dot < slash:
        name = name.translate({ord("."): "/", ord("/"): "."})
    return f"sys/{name}"
