"""Names that are not ours: the host's own resolvers are asked, and never for an internal network (V40)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.runtime.networks.upstream import Upstream

pytestmark = pytest.mark.kernel

SERVER = "127.0.0.77"
RESOLVED = Path("/run/systemd/resolve")
STACK = """
services:
  open: {image: host, command: [sleep, "1000"], networks: [out]}
  inner: {image: host, command: [sleep, "1000"], networks: [in]}
  mixed: {image: host, command: [sleep, "1000"], networks: [in, out]}
networks:
  out: {}
  in: {internal: true}
"""


@pytest.fixture
def resolved_folder() -> Iterator[None]:
    """Where systemd-resolved writes; what was missing is removed again."""
    missing = [path for path in (RESOLVED, RESOLVED.parent) if not path.exists()]
    RESOLVED.mkdir(parents=True, exist_ok=True)
    yield
    for path in missing:
        path.rmdir()


def up_on_a_host_with(pycompose: Pycompose, resolv_conf: Path, resolved: Path) -> None:
    """`up` in a mount namespace where these are /etc/resolv.conf and systemd-resolved's folder."""
    mounts = f"mount --bind {resolv_conf} /etc/resolv.conf; mount --bind {resolved} {RESOLVED}"
    subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-ec",
            f'{mounts}; exec "$@"',
            "sh",
            *pycompose.command("up", "-d"),
        ],
        cwd=pycompose.folder,
        env=pycompose.environment(None),
        check=True,
        capture_output=True,
        timeout=60,
    )


def ask(pycompose: Pycompose, service: str, name: str) -> str:
    return pycompose(
        "exec", "-T", service, "sh", "-c", f"getent ahostsv4 {name} || echo unknown"
    ).stdout.split()[0]


def test_the_hosts_resolvers_answer_and_nothing_of_an_internal_network_leaves(
    pycompose: Pycompose, tmp_path: Path, resolved_folder: None
):
    resolv_conf, resolved = tmp_path / "resolv.conf", tmp_path / "resolved"
    resolved.mkdir()
    resolv_conf.write_text(f"nameserver {SERVER}\n")
    pycompose.compose_file(STACK)
    up_on_a_host_with(pycompose, resolv_conf, resolved)
    with closing(Upstream(SERVER)) as upstream:
        assert ask(pycompose, "open", "www.example.org") == "192.0.2.80"
        assert ask(pycompose, "mixed", "mail.example.org") == "192.0.2.80"
        assert ask(pycompose, "inner", "stolen-data.example.org") == "unknown"
        assert ask(pycompose, "inner", "mixed") != "unknown"
        # the laptop moves: systemd-resolved's stub is in the file now, its servers in another
        (resolved / "resolv.conf").write_text(f"nameserver {SERVER}\n")
        resolv_conf.write_text("nameserver 127.0.0.53\n")
        os.utime(resolv_conf, (1, 1))
        assert ask(pycompose, "open", "moved.example.org") == "192.0.2.80"
    assert {"www.example.org", "mail.example.org", "moved.example.org"} == set(upstream.asked)
