"""`network_mode: bridge`: addresses and ports without names, for all projects, as long as somebody is on it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Pycompose
from tests.runtime.networks.stage import Namespace, ip
from tests.scenarios.stage import document, shell, stage

pytestmark = pytest.mark.kernel

SERVE = """python3 -c '
import socket
server = socket.create_server(("", 80))
open("/ready", "w")
while True:
    connection, peer = server.accept()
    connection.sendall(b"here I am")
    connection.close()
'"""
CALL = "python3 -c 'import socket; print(socket.create_connection((\"{}\", 80), 20).recv(99).decode())'"
HOST, NEIGHBOUR = "10.219.7.1", "10.219.7.2"


def stack(port: int, mode: str) -> str:
    web = shell(SERVE, image="host", network_mode=mode, ports=[f"127.0.0.1:{port}:80"])
    web["healthcheck"] = {"test": ["CMD", "test", "-e", "/ready"]}
    sibling = {"image": "host", "network_mode": mode, "command": ["sleep", "1000"]}
    linked = {**sibling, "links": ["web:front"]}
    return document({"web": web, "sibling": sibling, "linked": linked})


def ask(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        return connection.makefile().read()


@pytest.fixture
def lan() -> Iterator[None]:
    """Another machine with a server, which knows of no network but the host's."""
    namespace = Namespace("lan")
    link = f"pct{namespace.name[-6:]}"
    ip("link", "add", link, "type", "veth", "peer", "name", "lan0", "netns", namespace.name)
    try:
        ip("address", "add", f"{HOST}/24", "dev", link)
        ip("link", "set", link, "up")
        ip("-n", namespace.name, "address", "add", f"{NEIGHBOUR}/24", "dev", "lan0")
        ip("-n", namespace.name, "link", "set", "lan0", "up")
        namespace.start(serve_peers)
        yield
    finally:
        namespace.close()


def serve_peers(ready: Callable[[object], None]) -> None:
    with socket.create_server((NEIGHBOUR, 80)) as server:
        ready(True)
        while True:
            connection, peer = server.accept()
            with connection:
                connection.sendall(f"you are {peer[0]}".encode())


def networks(pycompose: Pycompose) -> list[str]:
    return sorted(pycompose("network", "ls", "--format", "{{.Name}}").stdout.split())


def address(pycompose: Pycompose, service: str) -> str:
    script = "ip -o -4 address show eth0 | awk '{print $4}' | cut -d/ -f1"
    return pycompose("exec", "-T", service, "sh", "-c", script).stdout.strip()


def inside(pycompose: Pycompose, service: str, script: str) -> str:
    return pycompose("exec", "-T", service, "sh", "-c", script, check=False).stdout.strip()


@pytest.mark.usefixtures("lan")
def test_two_projects_use_it_at_once_and_the_last_one_takes_it_along():
    with stage() as first:
        folder = first.folder.parent / "other"
        folder.mkdir()
        second = Pycompose(folder, first.root)
        second.always = {"PWD": str(folder)}
        first.compose_file(stack(28191, "bridge"))
        second.compose_file(stack(28192, "default"))
        try:
            first("up", "-d", "--wait")
            second("up", "-d", "--wait")
            assert networks(first) == ["bridge"]
            assert ask(28191) == ask(28192) == "here I am"
            for name in ("web", "project-web-1", "linked"):
                assert inside(first, "sibling", f"getent hosts {name} || echo unknown") == "unknown"
            assert "127.0.0.11" not in inside(first, "sibling", "cat /etc/resolv.conf")
            # the other project's, by its address; and one's own by a link
            there = address(second, "web")
            assert inside(first, "sibling", CALL.format(there)) == "here I am"
            for name in ("front", "web"):
                assert inside(first, "linked", CALL.format(name)) == "here I am"
            assert inside(first, "sibling", CALL.format(NEIGHBOUR)) == f"you are {HOST}"
            first("down", "-t", "0")
            assert networks(second) == ["bridge"]
            assert ask(28192) == "here I am"
        finally:
            second("down", "-v", "-t", "0", check=False)
        assert networks(first) == []
        first("up", "-d", "--wait")
        assert ask(28191) == "here I am"
        first("down", "-t", "0")
        assert networks(first) == []


def test_its_name_is_nobody_else_s():
    with stage() as pycompose:
        pycompose.compose_file("services: {}")
        run = pycompose("network", "create", "bridge", check=False)
        assert (run.returncode, run.stdout) == (1, "")
        assert run.stderr == (
            "error E304: network with name bridge already exists\n"
            "tried:    create network bridge\n"
            "answered: it is a word of `network_mode`\n"
            "hint: choose another name\n"
        )
