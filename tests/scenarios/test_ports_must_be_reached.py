"""Published ports of a stack, asked from wherever people are; and a port that is taken."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.runtime.networks.stage import Namespace, ask_tcp, ask_udp, ip
from tests.scenarios.stage import stage

pytestmark = pytest.mark.kernel

HOST, NEIGHBOUR = "10.219.0.1", "10.219.0.2"
STACK = """
services:
  web:
    image: host
    command: ["python3", "/serve.py"]
    configs: [{source: serve, target: /serve.py}]
    ports:
      - "28080:80"
      - "28081-28082:81-82"
      - "127.0.0.1:28083:80"
      - "28053:53/udp"
      - "83"
    healthcheck: {test: ["CMD", "test", "-e", "/ready"]}
  sibling: {image: host, command: [sleep, "1000"]}
configs:
  serve:
    content: |
      import selectors, socket
      found = selectors.DefaultSelector()
      for port in (80, 81, 82, 83):
          found.register(socket.create_server(("", port)), selectors.EVENT_READ)
      udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      udp.bind(("", 53))
      found.register(udp, selectors.EVENT_READ)
      open("/ready", "w")
      while True:
          for key, _ in found.select():
              port = key.fileobj.getsockname()[1]
              if key.fileobj is udp:
                  peer = udp.recvfrom(100)[1]
                  udp.sendto(f"{port} {peer[0]}".encode(), peer)
              else:
                  connection, peer = key.fileobj.accept()
                  connection.sendall(f"{port} {peer[0]}".encode())
                  connection.close()
"""


@pytest.fixture(scope="module")
def web() -> Iterator[Pycompose]:
    with stage() as pycompose:
        pycompose.compose_file(STACK)
        pycompose("up", "-d", "--wait")
        yield pycompose


@pytest.fixture(scope="module")
def lan() -> Iterator[Namespace]:
    """Another machine, behind a link of its own."""
    namespace = Namespace("lan")
    link = f"pct{namespace.name[-6:]}"
    ip("link", "add", link, "type", "veth", "peer", "name", "lan0", "netns", namespace.name)
    try:
        ip("address", "add", f"{HOST}/24", "dev", link)
        ip("link", "set", link, "up")
        ip("-n", namespace.name, "address", "add", f"{NEIGHBOUR}/24", "dev", "lan0")
        ip("-n", namespace.name, "link", "set", "lan0", "up")
        yield namespace
    finally:
        namespace.close()
        subprocess.run(["ip", "link", "delete", link], capture_output=True)


def gateway(pycompose: Pycompose) -> str:
    script = "{{(index .IPAM.Config 0).Gateway}}"
    return pycompose("network", "inspect", "project_default", "--format", script).stdout.strip()


def test_from_another_machine(web: Pycompose, lan: Namespace):
    for published, inside in ((28080, 80), (28081, 81), (28082, 82)):
        assert lan.run(ask_tcp(HOST, published)) == f"{inside} {NEIGHBOUR}"
    assert lan.run(ask_udp(HOST, 28053)) == f"53 {NEIGHBOUR}"
    assert lan.run(ask_tcp(HOST, 28083)) == "ConnectionRefusedError"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_from_this_machine(web: Pycompose, host: str):
    for published, inside in ((28080, 80), (28081, 81), (28082, 82)):
        assert ask_tcp(host, published)() == f"{inside} {gateway(web)}"
    assert ask_udp(host.replace("localhost", "127.0.0.1"), 28053)() == f"53 {gateway(web)}"


def test_a_port_on_the_loopback_address_and_one_that_was_chosen(web: Pycompose):
    assert ask_tcp("127.0.0.1", 28083)() == f"80 {gateway(web)}"
    assert ask_tcp("::1", 28083)() == "ConnectionRefusedError"
    host, _, number = web("port", "web", "83").stdout.strip().rpartition(":")
    assert host == "0.0.0.0"
    assert ask_tcp("127.0.0.1", int(number))() == f"83 {gateway(web)}"


@pytest.mark.parametrize("service", ["web", "sibling"])
def test_from_containers_through_the_host(web: Pycompose, lan: Namespace, service: str):
    script = (
        "import socket, sys\n"
        "print(socket.create_connection((sys.argv[1], 28080), 20).makefile().read())"
    )
    for host in (HOST, gateway(web)):
        answer = web("exec", "-T", service, "python3", "-c", script, host).stdout
        assert answer.startswith("80 ")


def test_a_taken_port_is_named_with_its_holder_before_anything_starts(web: Pycompose):
    with closing(socket.create_server(("127.0.0.1", 0))) as mine:
        number = mine.getsockname()[1]
        file = web.compose_file(
            "services:\n"
            "  early: {image: host, command: [sleep, '1000']}\n"
            "  late:\n"
            "    image: host\n"
            f"    ports: ['{number}:80', '28080:80']\n"
            "    depends_on: [early]\n",
            "taken/compose.yaml",
        )
        refused = web("-f", str(file), "up", "-d", check=False)
        assert refused.returncode == 1
        assert refused.stderr == (
            f"error E642: port 0.0.0.0:{number}/tcp is already in use"
            " (asked for at taken/compose.yaml:5:13)\n"
            f"tried:    listen on 0.0.0.0:{number}/tcp\n"
            f"answered: held by {Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})\n"
            "hint: end what holds it, or publish another host port\n"
        )
        assert web("-f", str(file), "ps", "-aq").stdout == ""
    file.write_text(file.read_text().replace(f"'{number}:80', ", ""))
    refused = web("-f", str(file), "up", "-d", check=False)
    assert "\nanswered: container project-web-1 of project project publishes it\n" in refused.stderr
    web("-f", str(file), "down")
