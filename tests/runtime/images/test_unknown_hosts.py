"""A registry's name that leads nowhere: said at once where the resolver is sure, asked again where it is not."""

from __future__ import annotations

import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.runtime.networks.upstream import Upstream

pytestmark = pytest.mark.kernel

SERVER = "127.0.0.78"
SERVFAIL, NXDOMAIN = 2, 3


def pull_with_a_resolver_that_answers(
    failure: int, pycompose: Pycompose, tmp_path: Path
) -> tuple[str, float, int]:
    """(stderr, seconds, how many times the name was looked up)."""
    configuration = tmp_path / "resolv.conf"
    configuration.write_text(f"nameserver {SERVER}\noptions attempts:1\n")
    mount = f'mount --bind {configuration} /etc/resolv.conf; exec "$@"'
    command = pycompose.command("image", "pull", "-q", "registry.test:5000/shop/web")
    with closing(Upstream(SERVER, failure=failure)) as upstream:
        started = time.monotonic()
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec", mount, "sh", *command],
            env=pycompose.environment(None),
            capture_output=True,
            text=True,
            timeout=60,
        )
        seconds = time.monotonic() - started
    assert (done.returncode, done.stdout) == (1, "")
    # each look-up asks for addresses of both families
    return done.stderr, seconds, upstream.asked.count("registry.test") // 2


def test_a_name_that_nobody_has_is_said_at_once(pycompose: Pycompose, tmp_path: Path):
    said, seconds, count = pull_with_a_resolver_that_answers(NXDOMAIN, pycompose, tmp_path)

    assert said == (
        "error E540: cannot reach registry.test:5000\n"
        "tried:    find the address of registry.test\n"
        "answered: Name or service not known\n"
        "hint: check the registry's name in the image reference, and HTTPS_PROXY if it is set\n"
    )
    assert seconds < 1.5
    assert count == 1


def test_a_resolver_that_cannot_say_is_asked_again(pycompose: Pycompose, tmp_path: Path):
    said, _, count = pull_with_a_resolver_that_answers(SERVFAIL, pycompose, tmp_path)

    assert "answered: Temporary failure in name resolution\n" in said
    assert count == 5
