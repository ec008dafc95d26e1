"""What the machine already uses (routes, resolvers), and the lock for whoever takes more of it.

Subnets and host ports are one namespace for all roots of a machine, so the lock lies outside every
root: hold it from reading the facts until bridge or sockets stand (DESIGN.md 5).
"""

from __future__ import annotations

import fcntl
import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from runtime.errors import RuntimeFault, system_call
from runtime.linux import faults, files, netlink
from runtime.networks.addresses import HostFacts
from runtime.networks.hosts_file import find_nameservers, read_host_resolv_conf
from runtime.paths import HOST_LOCK

_RETRY = 0.005
_PATIENCE = 30.0


def read_host_facts() -> HostFacts:
    """Routes of all tables and the resolvers, as they are now in this network namespace."""
    nameservers = find_nameservers(read_host_resolv_conf())
    return HostFacts(
        routes=tuple(netlink.list_routes()),
        resolvers=tuple(ip_address(text.partition("%")[0]) for text in nameservers),
    )


@contextmanager
def address_lock(path: Path = HOST_LOCK, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Alone with the subnets and ports of this machine. Hold it for milliseconds.

    Raises RuntimeFault, naming the holder, when it is not free within `patience` seconds.
    """
    with system_call("cannot open the lock of addresses", tried=f"open {path}"):
        if not path.parent.exists():
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # The folder is everyone's: never through somebody's link, never another's content lost.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        # a host without systemd may lack the folder; this is how Debian makes it
        files.ensure_directory(path.parent, mode=0o1777)
        with faults.point("open address lock"):
            descriptor = os.open(path, flags, 0o600)
    try:
        _acquire(descriptor, path, time.monotonic() + patience)
        with faults.point("sign address lock"):
            # never shorter: to free a block can take a disk 10 ms
            os.pwrite(descriptor, f"{os.getpid():<10}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _busy(descriptor, path) from None
            # No event tells that a flock is free; its holders need a few milliseconds.
            select.select([], [], [], _RETRY)


def _busy(descriptor: int, path: Path) -> RuntimeFault:
    holder = os.pread(descriptor, 16, 0).decode("ascii", "replace").strip()
    return RuntimeFault(
        "another pycompose is choosing addresses and does not end",
        code="E626",
        tried=f"lock {path}",
        answered=f"held by process {holder or 'unknown'}",
        hint="look at what that process waits for, or end it",
    )
