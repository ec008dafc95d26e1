"""R04: one thing of each kind that the census counts is planted, and the census names it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.linux import conntrack
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database, EndpointRow
from tests import census as counting
from tests.census import CGROUPS, census

pytestmark = pytest.mark.kernel


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def a_process(paths: Paths) -> Iterator[str]:
    """As a keeper or a supervisor stands in the process table."""
    script = "import sys; print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-P", "-S", "-c", script, str(paths.run)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # for a moment after execve it has no words to be known by
        try:
            yield f"{process.pid} {' '.join(words)}"
        finally:
            process.kill()


@contextmanager
def a_mount(paths: Paths) -> Iterator[str]:
    target = paths.containers / "c1"
    target.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", str(target))
    try:
        yield str(target)
    finally:
        run("umount", str(target))
        target.rmdir()


@contextmanager
def a_link(paths: Paths) -> Iterator[str]:
    name = f"pc{paths.root_hash}0000b111"
    run("ip", "link", "add", name, "type", "bridge")
    try:
        yield name
    finally:
        run("ip", "link", "delete", name)


@contextmanager
def a_network_namespace(paths: Paths) -> Iterator[str]:
    run("ip", "netns", "add", "pycompose-planted")
    try:
        yield "pycompose-planted"
    finally:
        run("ip", "netns", "delete", "pycompose-planted")


@contextmanager
def an_nft_table(paths: Paths) -> Iterator[str]:
    name = f"pycompose-{paths.root_hash}-0000"
    run("nft", "add", "table", "inet", name)
    try:
        yield f"inet {name}"
    finally:
        run("nft", "delete", "table", "inet", name)


@contextmanager
def a_socket(paths: Paths) -> Iterator[str]:
    path = paths.run / "x.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.unlink()  # the kernel knows it by its name all the same
        yield str(path)


@contextmanager
def a_loop_device(paths: Paths) -> Iterator[str]:
    image = paths.images / "disk"
    image.write_bytes(bytes(1 << 20))
    device = run("losetup", "--find", "--show", str(image))
    try:
        yield Path(device).name
    finally:
        run("losetup", "--detach", device)


@contextmanager
def a_connection(paths: Paths) -> Iterator[str]:
    """Through a rule as a published port has one; it stays for two minutes after both ends are closed."""
    table = "ip planted"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        chain = "type nat hook output priority -100"
        rule = f"ip daddr 127.0.0.9 tcp dport 81 dnat to 127.0.0.1:{port}"
        rules = f"table {table} {{\nchain c {{\n{chain}\n{rule}\n}}\n}}\n"
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        try:
            socket.create_connection(("127.0.0.9", 81)).close()
            yield "127.0.0.1 -> 127.0.0.9:81 -> 127.0.0.1"
        finally:
            run("nft", "delete", "table", *table.split())
            assert conntrack.forget_addresses(["127.0.0.1"])


@contextmanager
def a_lease(paths: Paths) -> Iterator[str]:
    database = Database.open(paths)
    database._connection.execute("PRAGMA foreign_keys=OFF")
    lease = EndpointRow(network_id="n1", container_id="c1", ipv4="172.17.0.2")
    database.put_endpoints([lease])
    yield "endpoint n1 c1"
    with database.transaction("take back") as connection:
        connection.execute("DELETE FROM endpoint")
    database.close()


def test_a_connection_to_a_bridge_that_somebody_else_has_is_not_ours(paths: Paths):
    """Tests of several roots run beside each other; connections are the one thing that has no name."""
    for bridge, is_ours in ((f"pc{paths.root_hash}0000b111", True), ("pc00000000b111", False)):
        run("ip", "link", "add", bridge, "type", "bridge")
        try:
            run("ip", "link", "set", bridge, "up")
            run("ip", "route", "add", "127.0.0.0/28", "dev", bridge)
            with a_connection(paths) as name:
                found = "".join(census(paths).get("connection", []))
                # which address it comes from is the route's choice
                assert (name.partition(" ")[2] in found) is is_ours
        finally:
            run("ip", "link", "delete", bridge)


PLANTS: dict[str, Callable] = {
    "process": a_process,
    "mount": a_mount,
    "link": a_link,
    "network namespace": a_network_namespace,
    "nft table": an_nft_table,
    "socket": a_socket,
    "loop device": a_loop_device,
    "connection": a_connection,
    "row": a_lease,
}


@pytest.mark.parametrize("kind", PLANTS)
def test_it_is_named(paths: Paths, kind: str):
    ensure_directories(paths)
    before = census(paths)
    with PLANTS[kind](paths) as name:
        found = census(paths)
        assert name in found.get(kind, []), found
    assert census(paths) == before


HIERARCHIES = [
    top
    for top in (CGROUPS, *sorted(CGROUPS.iterdir()))
    if top.is_dir() and (top / "cgroup.procs").exists() and not top.name.startswith("pycompose")
]


def test_a_cgroup_is_named_in_every_hierarchy(paths: Paths):
    tops = [top for top in HIERARCHIES if top == CGROUPS or os.path.ismount(top)]
    assert tops
    for top in tops:
        folder = top / f"pycompose-{paths.root_hash}" / "p"
        folder.mkdir(parents=True)
        try:
            assert str(folder.relative_to(CGROUPS)) in census(paths)["cgroup"]
        finally:
            folder.rmdir()
            folder.parent.rmdir()
    assert census(paths) == {}


def test_a_cgroup_below_a_parent_of_the_user_s_is_named_and_one_that_was_made_for_it(paths: Paths):
    parent = HIERARCHIES[-1] / "pct-parent"
    folder = parent / f"pycompose-{paths.root_hash}"
    folder.mkdir(parents=True)
    try:
        assert census(paths) == {"cgroup": [str(folder.relative_to(CGROUPS))]}
        folder.rmdir()
        assert census(paths) == {}
        parent.chmod(0o1755)  # as the engine makes those that it takes away again
        assert census(paths) == {"cgroup": [str(parent.relative_to(CGROUPS))]}
    finally:
        parent.rmdir()


def test_a_process_in_a_cgroup_is_named_whatever_it_calls_itself(paths: Paths):
    folder = HIERARCHIES[-1] / f"pycompose-{paths.root_hash}"
    folder.mkdir()
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            (folder / "cgroup.procs").write_text(str(process.pid))
            assert census(paths)["process"] == [f"{process.pid} sleep 60"]
        finally:
            process.kill()
            process.wait()
            folder.rmdir()


@pytest.mark.parametrize("place", ["data", "run"])
def test_a_file_and_an_empty_folder_are_named_below_both_roots(paths: Paths, place: str):
    ensure_directories(paths)
    folder = getattr(paths, place) / "planted"
    (folder / "empty").mkdir(parents=True)
    (folder / "file").touch()
    assert census(paths)["file"] == [f"{folder}/empty/", f"{folder}/file"]


def test_every_kind_has_its_plant():
    counted = set(counting.KINDS)
    assert counted == {*PLANTS, "cgroup", "file"}
