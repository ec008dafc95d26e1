"""A machine, its neighbour on the LAN, and containers, each a network namespace of the test's own.

Functions run inside a namespace in a forked child of the test process: what they return comes back,
what they raise is raised here. Nothing outside these namespaces is touched.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import secrets
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.linux import netlink_socket
from runtime.networks import bridge, endpoint
from runtime.networks.endpoint import EndpointPlan
from runtime.networks.firewall import FirewallState, ProjectFirewall
from runtime.networks.published import Publication
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    ProjectId,
    PublishedPort,
)

_CLONE_NEWNET = 0x40000000
_PATIENCE = 20
HOST_ADDRESS = "203.0.113.1"
LAN_ADDRESS = "203.0.113.2"
HOST_ADDRESS_IPV6 = "2001:db8::1"
LAN_ADDRESS_IPV6 = "2001:db8::2"


class Namespace:
    """A network namespace; gone with all in it when closed."""

    def __init__(self, name: str) -> None:
        self.name = f"pct-{name}-{secrets.token_hex(3)}"
        self._children: list[int] = []
        ip("netns", "add", self.name)
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(self.fd)
        ip("netns", "delete", self.name)

    def run(self, function: Callable[[], Any]) -> Any:
        """What the function returns in there."""
        pid, reader = self._fork(function)
        try:
            outcome = _receive(reader)
        finally:
            os.close(reader)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        return _unwrap(outcome)

    def start(self, function: Callable[[Callable[[Any], None]], None]) -> Any:
        """Run it until the end of the test; returns what the function passes to its argument."""
        pid, reader = self._fork(function, background=True)
        self._children.append(pid)
        try:
            return _unwrap(_receive(reader))
        finally:
            os.close(reader)

    def command(self, *words: str) -> str:
        run = subprocess.run(
            ["ip", "netns", "exec", self.name, *words], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def _fork(self, function: Callable[..., Any], *, background: bool = False) -> tuple[int, int]:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            return pid, reader
        try:
            _enter(self.fd)
            if background:
                function(lambda value: _send(writer, (True, value)))
            else:
                _send(writer, (True, function()))
        except BaseException as error:
            traceback.print_exc(file=sys.stderr)
            _send(writer, (False, error))
        finally:
            os._exit(0)


def _enter(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _send(writer: int, outcome: tuple[bool, Any]) -> None:
    with open(writer, "wb", closefd=True) as file:
        try:
            file.write(pickle.dumps(outcome))
        except Exception as error:
            file.write(pickle.dumps((False, RuntimeError(f"{outcome[1]!r}: {error!r}"))))


def _receive(reader: int) -> tuple[bool, Any]:
    data = b""
    while select.select([reader], [], [], _PATIENCE)[0]:
        piece = os.read(reader, 1 << 16)
        if not piece:
            return pickle.loads(data)
        data += piece
    raise TimeoutError("no answer from the namespace")


def _unwrap(outcome: tuple[bool, Any]) -> Any:
    is_fine, value = outcome
    if not is_fine:
        raise value
    return value


def ip(*words: str) -> str:
    run = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert run.returncode == 0, f"ip {' '.join(words)}: {run.stderr}"
    return run.stdout


class Stage:
    """Host, LAN neighbour, networks and containers, with the product's functions between them."""

    def __init__(self) -> None:
        self.host = Namespace("host")
        self.lan = Namespace("lan")
        self.containers: list[Namespace] = []
        self.networks: dict[str, NetworkRecord] = {}
        self.plans: dict[str, tuple[EndpointPlan, ...]] = {}
        self.publications: list[Publication] = []
        self._connect()

    def close(self) -> None:
        for namespace in (*self.containers, self.lan, self.host):
            namespace.close()

    def _connect(self) -> None:
        ip("link", "add", "up0", "netns", self.host.name, "type", "veth",
           "peer", "name", "lan0", "netns", self.lan.name)  # fmt: skip
        for namespace, link, address, address6 in (
            (self.host, "up0", HOST_ADDRESS, HOST_ADDRESS_IPV6),
            (self.lan, "lan0", LAN_ADDRESS, LAN_ADDRESS_IPV6),
        ):
            ip("-n", namespace.name, "address", "add", f"{address}/24", "dev", link)
            ip("-n", namespace.name, "address", "add", f"{address6}/64", "dev", link, "nodad")
            ip("-n", namespace.name, "link", "set", link, "up")
        # The neighbour's own loopback stays down: it may then send packets to 127.0.0.1 elsewhere.
        ip("-n", self.host.name, "link", "set", "lo", "up")
        ip("-n", self.lan.name, "route", "add", "default", "via", HOST_ADDRESS)
        ip("-n", self.lan.name, "-6", "route", "add", "default", "via", HOST_ADDRESS_IPV6)

    def network(
        self, name: str, subnet: str, *, internal: bool = False, ipv6: bool = False
    ) -> NetworkRecord:
        number = len(self.networks) + 1
        record = NetworkRecord(
            id=NetworkId(f"{number:064x}"),
            options=NetworkOptions(name=name, internal=internal),
            bridge=f"pcab12beefb000{number}",
            subnet=subnet,
            gateway=subnet.replace("0.0/16", "0.1"),
            subnet_ipv6=f"fd00:{number}::/64" if ipv6 else "",
            gateway_ipv6=f"fd00:{number}::1" if ipv6 else "",
        )
        self.networks[name] = record
        self.host.run(lambda: bridge.ensure_bridge(record))
        self.host.run(lambda: bridge.ensure_forwarding(ipv6=ipv6))
        self.apply()
        return record

    def container(
        self, name: str, *networks: str, ports: tuple[PublishedPort, ...] = ()
    ) -> Namespace:
        namespace = Namespace(name)
        self.containers.append(namespace)
        plans = self.plan(name, *networks)
        attachment = self.host.run(lambda: endpoint.attach(plans, namespace_fd=namespace.fd))
        namespace.run(lambda: _configure(attachment))
        self.plans[name] = plans
        states = [plan.state for plan in plans]
        self.publish(*_publications(states, ports))
        return namespace

    def plan(self, name: str, *networks: str) -> tuple[EndpointPlan, ...]:
        number = len(self.plans) + 1
        record = ContainerRecord(
            id=ContainerId(f"{number:064x}"),
            project_id=ProjectId("beef0000"),
            options=ContainerOptions(
                project="shop",
                name=f"shop-{name}-1",
                service=name,
                endpoints=tuple(Endpoint(network=network) for network in networks),
            ),
        )
        leases = [plan.lease for plans in self.plans.values() for plan in plans]
        return endpoint.plan_endpoints(record, self.networks, leases, root_hash="ab12")

    def address(self, name: str) -> str:
        return self.plans[name][0].lease.ipv4

    def publish(self, *publications: Publication) -> None:
        self.publications += publications
        self.apply()

    def apply(self) -> None:
        state = FirewallState(
            networks=tuple(self.networks.values()), publications=tuple(self.publications)
        )
        self.host.run(lambda: ProjectFirewall("pycompose-ab12-beef0000").apply(state))

    def set_bridge_filtering(self, value: int) -> None:
        def write() -> None:
            for name in ("iptables", "ip6tables"):
                Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}").write_text(str(value))

        self.host.run(write)


def _publications(states: Any, ports: Any) -> tuple[Publication, ...]:
    from runtime.networks.published import publications_of

    return publications_of(states, ports)


def _configure(attachment: endpoint.Attachment) -> None:
    """What the init does with it."""
    for name, value in attachment.network_sysctls.items():
        Path("/proc/sys", *name.split(".")).write_text(value)
    for batch in attachment.route_batches:
        netlink_socket.exchange(netlink_socket.ROUTE, batch)


# --- talkers


def serve_tcp(port: int, name: str, address: str = "::") -> Callable[[Callable[[Any], None]], None]:
    """For `Namespace.start`: answers each connection with its name and the address it sees."""

    def serve(ready: Callable[[Any], None]) -> None:
        with _listener(socket.SOCK_STREAM, address, port) as listener:
            listener.listen()
            ready(None)
            while True:
                connection, peer = listener.accept()
                connection.sendall(f"{name} sees {_plain(peer[0])}".encode())
                connection.close()

    return serve


def serve_udp(port: int, name: str, address: str = "::") -> Callable[[Callable[[Any], None]], None]:
    def serve(ready: Callable[[Any], None]) -> None:
        with _listener(socket.SOCK_DGRAM, address, port) as listener:
            ready(None)
            while True:
                _data, peer = listener.recvfrom(2048)
                listener.sendto(f"{name} sees {_plain(peer[0])}".encode(), peer)

    return serve


def _listener(kind: int, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    return listener


def _plain(address: str) -> str:
    return address.removeprefix("::ffff:")


def ask_tcp(address: str, port: int, *, patience: float = 1.5) -> Callable[[], str]:
    """For `Namespace.run`: the answer, or the error's name."""

    def ask() -> str:
        try:
            with socket.create_connection((address, port), timeout=patience) as connection:
                return connection.makefile("rb").read().decode()
        except OSError as error:
            return type(error).__name__

    return ask


def ask_udp(
    address: str, port: int, *, own_port: int = 0, patience: float = 1.5
) -> Callable[[], str]:
    def ask() -> str:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as asker:
            asker.settimeout(patience)
            asker.bind(("", own_port))
            try:
                asker.connect((address, port))
                asker.send(b"?")
                return asker.recv(2048).decode()
            except OSError as error:
                return type(error).__name__

    return ask
