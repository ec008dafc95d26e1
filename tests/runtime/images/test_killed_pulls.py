"""A pull that is killed at any byte and before any step goes on with what it has (R15, R29)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import RuntimeFault
from runtime.images import archive
from runtime.linux import faults
from runtime.paths import find_paths
from tests.fakes import layouts, scripted_registry
from tests.fakes.scripted_registry import ScriptedRegistry
from tests.runtime.images.remote import AMD64, opened
from tests.runtime.images.tars import Tar

NOISE = os.urandom(1 << 20)
IMAGE = layouts.image(
    Tar().folder("a").file("a/one", NOISE).bytes,
    Tar().file("a/two", NOISE[::-1]).hard_link("a/three", "a/two").bytes,
    compression="none",
)
TOTAL = sum(len(layer.data) for layer in IMAGE.layers)


@pytest.fixture
def registry() -> Iterator[ScriptedRegistry]:
    with scripted_registry.serve() as registry:
        registry.add("shop/web:1", IMAGE)
        yield registry


def pull(root: Path, registry: ScriptedRegistry, **environment: str) -> int:
    """In a process of its own, which a fault may kill; 0 or the signal."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            faults.configure("cli", environment)
            with opened(find_paths({"PYCOMPOSE_ROOT": str(root)}), root) as remote:
                remote.pull(f"{registry.host}/shop/web:1")
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def check_whole(root: Path, name: str) -> None:
    """Everything is there, once, and nothing of it is half-made."""
    with opened(find_paths({"PYCOMPOSE_ROOT": str(root)}), root) as remote:
        assert [remote.content(name, f"a/{one}") for one in ("one", "two", "three")] == [
            NOISE,
            NOISE[::-1],
            NOISE[::-1],
        ]
        remote.store.collect()
        images = root / "data" / "images"
        assert list((images / "ingest").iterdir()) == []
        assert len(list((images / "layers").iterdir())) == 2
        assert len(list((images / "blobs" / "sha256").iterdir())) == 4
        for path in (images / "blobs" / "sha256").iterdir():
            assert layouts.Blob(path.read_bytes(), "").digest == f"sha256:{path.name}"


def points(root: Path, registry: ScriptedRegistry, trace: Path) -> list[str]:
    """Every fault point that a whole pull passes, with the how-manieth time."""
    assert pull(root, registry, PYCOMPOSE_FAULT_TRACE=str(trace)) == 0
    counts: dict[str, int] = {}
    found = []
    for line in trace.read_text().splitlines():
        name = line.split(" ", 2)[2]  # after process and pid
        if name.startswith("-"):  # where a point ends
            continue
        counts[name] = counts.get(name, 0) + 1
        found.append(f"{name}/before#{counts[name]}")
    return found


def test_a_pull_killed_anywhere_is_finished_by_the_next(
    root: Path, registry: ScriptedRegistry, tmp_path: Path
):
    every = points(tmp_path / "whole", registry, tmp_path / "trace")
    writes = [point for point in every if point.startswith("write blob")]
    others = sorted({point for point in every if not point.startswith("write blob")})
    assert len(writes) > 8
    assert {"sync blob", "name blob", "name layer"} <= {one.partition("/")[0] for one in others}
    # each kind of step, of those of the second layer the last, and some of the bytes
    first = [point for point in others if point.endswith("#1") and "mkdir" not in point]
    late = [point for point in others if "layer/" in point and point.endswith("#2")]
    # how many pieces come depends on the line: so many come always
    chosen = [*first, *late, *writes[:8:3]]

    for number, point in enumerate(chosen):
        here = root / str(number)
        assert pull(here, registry, PYCOMPOSE_FAULT=f"cli/{point}:kill") == signal.SIGKILL, point
        assert pull(here, registry) == 0, point
        check_whole(here, f"{registry.host}/shop/web:1")


def test_what_had_come_before_the_kill_does_not_come_again(root: Path, registry: ScriptedRegistry):
    """A dozen kills on the way, each later than the one before: together they fetch the image once."""
    sent: list[int] = []
    reply = scripted_registry._Handler.reply

    def counted(self: object, status: int, data: bytes, headers: object = None) -> None:
        sent.append(len(data))
        reply(self, status, data, headers)  # type: ignore[arg-type]

    killed = 0
    registry.server.RequestHandlerClass.reply = counted  # type: ignore[attr-defined]
    while pull(root, registry, PYCOMPOSE_FAULT="cli/write blob/after#3:kill") != 0:
        killed += 1
        assert killed < 50

    assert killed >= 2
    check_whole(root, f"{registry.host}/shop/web:1")
    ranges = [one.headers["range"] for one in registry.requests if "range" in one.headers]
    starts = [int(one.removeprefix("bytes=").rstrip("-")) for one in ranges]
    # a kill that falls just between two blobs leaves nothing to go on with
    assert len(starts) >= killed // 2
    assert all(start > 0 for start in starts)


def test_processes_that_pull_the_same_image_at_once_fetch_it_once(
    root: Path, registry: ScriptedRegistry
):
    with opened(find_paths({"PYCOMPOSE_ROOT": str(root)}), root):
        pass  # the database is there
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            os._exit(pull(root, registry))
        children.append(pid)

    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]

    for layer in IMAGE.layers:
        assert registry.count(f"^GET .*/blobs/{layer.digest}") == 1
    check_whole(root, f"{registry.host}/shop/web:1")


def test_a_pull_and_a_load_of_the_same_layers_do_not_wait_for_each_other_for_ever(
    root: Path, registry: ScriptedRegistry, tmp_path: Path
):
    """Both hold a partial file and a layer's lock: whoever has both took them in the same order."""
    layout = layouts.layout(tmp_path / "layout", IMAGE)
    paths = find_paths({"PYCOMPOSE_ROOT": str(root)})
    with opened(paths, root):
        pass  # the database is there

    def load() -> None:
        with opened(paths, root) as remote:
            archive.load(remote.store, layout, wanted=AMD64)

    for _ in range(5):
        children = []
        for work in (lambda: pull(root, registry), load) * 2:
            pid = os.fork()
            if pid == 0:
                try:
                    work()
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0, 0]
        check_whole(root, f"{registry.host}/shop/web:1")
        with opened(paths, root) as remote:
            for image in remote.store.rows.all():
                remote.store.remove(image.id, force=True)


def test_a_disk_that_is_full_leaves_nothing_half_made_and_what_came_is_kept(
    root: Path, registry: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch
):
    name = f"{registry.host}/shop/web:1"
    with opened(find_paths({"PYCOMPOSE_ROOT": str(root)}), root) as remote:
        for point in ("write blob/before#3", "sync blob/before", "name layer/before"):
            faults.configure("cli", {"PYCOMPOSE_FAULT": f"cli/{point}:enospc"})
            with pytest.raises((RuntimeFault, OSError)) as caught:
                remote.pull(name)
            faults.configure("cli", {})
            assert isinstance(caught.value, RuntimeFault), point
            assert caught.value.code == "E524", point
            assert "bytes or more are needed" in caught.value.message
            assert remote.store.rows.all() == ()
        before = registry.count("/blobs/")
        remote.pull(name)
        check_whole(root, name)
        assert registry.count("/blobs/") - before == 0  # all had come before


@pytest.mark.kernel
def test_a_small_disk_says_how_much_is_needed_and_serves_again_when_there_is_room(
    root: Path, registry: ScriptedRegistry
):
    name = f"{registry.host}/shop/web:1"
    data = root / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", data], check=True)
    try:
        with opened(find_paths({"PYCOMPOSE_ROOT": str(root)}), root) as remote:
            with pytest.raises(RuntimeFault) as caught:
                remote.pull(name)
            assert caught.value.code == "E524"
            assert "bytes or more are needed" in caught.value.message
            assert "bytes" in caught.value.answered
            assert remote.store.rows.all() == ()

            subprocess.run(["mount", "-o", "remount,size=30m", data], check=True)
            remote.pull(name)
            check_whole(root, name)
    finally:
        subprocess.run(["umount", data], check=True)
