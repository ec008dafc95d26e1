"""Connections that the kernel tracks, in a network namespace of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

TOP = Path(__file__).resolve().parents[3]
SCRIPT = """
import socket, subprocess, sys
sys.path.insert(0, sys.argv[1])
from runtime.linux import conntrack
rules = "table ip t {\\nchain c {\\ntype nat hook output priority -100\\nudp dport 1 dnat to 127.0.0.1:2\\n}\\n}\\n"
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
for port in range(20_000, 23_000):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.2", port))
        one.sendto(b"x", ("127.0.0.9", 81))
print(conntrack.forget_addresses(["127.0.0.2"]), len(conntrack.list_entries()))
"""


def test_thousands_of_connections_are_forgotten_together():
    """Their answers have to fit into the buffer of the socket, or the kernel says ENOBUFS."""
    run = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", SCRIPT, str(TOP)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("3000 0\n", "")
