"""An `up` that is refused before it made anything leaves a machine that does not know the project."""

import socket

import pytest

from runtime.state.database import Database
from tests.conftest import Pycompose, wait_for_end

pytestmark = pytest.mark.kernel
PORT = 22040
REFUSED = {
    "not to be loaded": ("services: {web: {imag: host}}", "E030"),
    "no such image": (
        "services: {web: {image: 'dir:./none', volumes: ['v:/v']}}\nvolumes: {v: {}}",
        "",
    ),
    "an image that is never pulled": (
        "services: {web: {image: 'none:1', pull_policy: never}}",
        "E210",
    ),
    "no name of an image": (
        "services: {web: {image: 'UPPER/x'}}",
        "compose.yaml:1:25: error E503: invalid image name `UPPER/x`",
    ),
    "an image without its tag": (
        "services: {web: {image: 'shop:${TAG}'}}",
        "hint: the variable `TAG` is not set",
    ),
    "what cannot be honoured": ("services: {web: {image: host, gpus: all}}", "E250"),
    "no such network": (
        "services: {web: {image: host, networks: [x]}}\nnetworks: {x: {external: true}}",
        "E220",
    ),
    "a policy that is none": (
        "services: {web: {image: host, restart: sometimes}}",
        "compose.yaml:1:31: error E250: `restart: sometimes` is no policy",
    ),
    "a port that is taken": (f"services: {{web: {{image: host, ports: ['{PORT}:80']}}}}", "E642"),
}


NOT_LOOKED_AT = [("a port that is taken", "create"), ("a port that is taken", "run")]
"""Nothing is published before a start; that of a one-off is found out by trying."""
VERBS = [("up", "-d"), ("create",), ("run", "--rm", "-P", "web", "true")]


@pytest.mark.parametrize("verb", VERBS, ids=lambda words: words[0])
@pytest.mark.parametrize("reason", REFUSED)
def test_nothing_is_left_of_it(pycompose: Pycompose, reason: str, verb: tuple[str, ...]):
    if (reason, verb[0]) in NOT_LOOKED_AT:
        return
    text, code = REFUSED[reason]
    pycompose.compose_file(text)
    with socket.create_server(("0.0.0.0", PORT)):
        refused = pycompose(*verb, check=False)
    assert refused.returncode == 1
    assert code in refused.stderr
    wait_for_end(pycompose.paths)
    database = Database.open_to_read(pycompose.paths)
    assert database is None or database.projects() == ()
    for group in ("network", "volume"):
        assert pycompose(group, "ls", "-q").stdout == ""


def test_what_was_there_before_stays(pycompose: Pycompose):
    """The negative control: one that has a container is not forgotten."""
    pycompose.compose_file("services: {web: {image: host, command: [sleep, '100']}}")
    pycompose("up", "-d")
    pycompose.compose_file("services: {web: {image: host, gpus: all}}")
    assert pycompose("up", "-d", check=False).returncode == 1
    assert pycompose("ls", "-q").stdout == "project\n"
    pycompose("down", "-t", "0")
