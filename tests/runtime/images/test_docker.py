"""Debian's dockerd loads what we save, and we load what it saves (its own archives, of version 20.10)."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.images import archive, saving
from runtime.images.store import Store
from tests.conftest import Pycompose
from tests.runtime.images.made import Layout, busybox_tar, digest, layer_of
from tests.runtime.images.test_archive import AMD64, open_store

pytestmark = pytest.mark.kernel

UPPER = layer_of({"etc/name": "upper"})
CONFIG = {
    "Cmd": ["sh", "-c", "cat /etc/name"],
    "Labels": {"a": "b"},
    "ExposedPorts": {"80/tcp": {}},
}


class Docker:
    """A daemon of the test's own, in a network namespace of its own."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "docker.sock"
        words = [
            "unshare",
            "-n",
            "dockerd",
            "--data-root",
            folder / "data",
            "--exec-root",
            folder / "exec",
        ]
        words += [
            "-H",
            f"unix://{self.socket}",
            "-p",
            folder / "pid",
            "--cgroup-parent",
            f"dk{os.getpid()}",
        ]
        words += ["--bridge", "none", "--iptables=false", "--ip6tables=false"]
        self.log = folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in words], stdout=log, stderr=subprocess.PIPE
            )
        assert self.process.stderr is not None
        written = []
        for line in self.process.stderr:
            written.append(line)
            if b"API listen on" in line:
                return
        raise AssertionError(b"".join(written).decode())

    def __call__(self, *words: str | Path) -> str:
        command = ["docker", "-H", f"unix://{self.socket}", *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate()


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    folder = Path(tempfile.mkdtemp(prefix="dk-", dir="/var/tmp"))
    daemon = None
    try:
        daemon = Docker(folder)
        yield daemon
    finally:
        if daemon is not None:
            daemon.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "root")


def test_docker_loads_what_we_save(docker: Docker, store: Store, tmp_path: Path):
    layout = Layout(tmp_path / "layout")
    layout.image([busybox_tar(), UPPER], CONFIG)
    (loaded,) = archive.load(store, layout.folder, wanted=AMD64)
    store.tag(loaded.image.id, archive.parse_reference("ours/web:1"))
    saving.save_to_path(store, saving.choose(store, ["ours/web:1"]), tmp_path / "saved.tar")
    assert docker("load", "-i", tmp_path / "saved.tar") == "Loaded image: ours/web:1\n"
    (about,) = json.loads(docker("image", "inspect", "ours/web:1"))
    assert about["Id"] == loaded.image.id
    assert about["RootFS"]["Layers"] == [digest(busybox_tar()), digest(UPPER)]
    assert about["Config"]["Cmd"] == CONFIG["Cmd"]


def test_we_load_what_docker_saves(docker: Docker, store: Store, tmp_path: Path):
    (tmp_path / "root.tar").write_bytes(busybox_tar())
    first = docker(
        "import", "-c", 'CMD ["sh"]', "-c", "ENV A=1", tmp_path / "root.tar", "theirs/web:1"
    ).strip()
    docker("tag", "theirs/web:1", "theirs/web:2")
    docker("save", "-o", tmp_path / "saved.tar", "theirs/web:1", "theirs/web:2")
    (loaded,) = archive.load(store, tmp_path / "saved.tar", wanted=AMD64)
    assert loaded.image.id == first
    assert [name.familiar for name in loaded.names] == ["theirs/web:1", "theirs/web:2"]
    assert loaded.image.config.environment == ("A=1",)
    (layer,) = store.layer_paths(loaded.image)
    assert (layer / "bin" / "busybox").read_bytes() == Path("/bin/busybox").read_bytes()


def test_an_image_goes_to_docker_and_comes_back_the_same(
    docker: Docker, store: Store, tmp_path: Path
):
    layout = Layout(tmp_path / "layout")
    layout.image([busybox_tar(), UPPER], CONFIG)
    (loaded,) = archive.load(store, layout.folder, wanted=AMD64)
    store.tag(loaded.image.id, archive.parse_reference("round/trip:1"))
    saving.save_to_path(store, saving.choose(store, ["round/trip:1"]), tmp_path / "there.tar")
    docker("load", "-i", tmp_path / "there.tar")
    docker("save", "-o", tmp_path / "back.tar", "round/trip:1")
    (again,) = archive.load(store, tmp_path / "back.tar", wanted=AMD64)
    assert again.image.id == loaded.image.id
    assert again.image.layers == loaded.image.layers


QUESTIONS = (
    "ls",
    "ls -q",
    "ls --no-trunc --digests",
    "ls words/web",
    "ls -f reference=words/*:1",
    "ls -f dangling=true",
    "ls -f label=a=b -q",
    "ls -f before=words/web:2",
    "ls --format {{.Repository}}|{{.Tag}}|{{.Digest}}|{{.ID}}|{{.CreatedSince}}|{{.Size}}",
    "history words/web:1",
    "history -q --no-trunc words/web:1",
    "history --human=false words/web:1",
    "history --format {{.CreatedBy}}|{{.Comment}}|{{.Size}} words/web:1",
    "inspect -f {{.Id}}|{{.RepoTags}}|{{.Created}}|{{.Architecture}}|{{.Os}}|{{.Size}} words/web:1",
    "inspect -f {{json~.RootFS}} words/web:1",
    "inspect -f {{.Config.Cmd}}|{{.Config.Labels}} words/web:1",
    "tag words/web:1 words/more:3",
    "rm words/more:3",
    "rm words/web:1",
)


def test_the_same_words_are_answered_as_docker_answers_them(
    docker: Docker, pycompose: Pycompose, tmp_path: Path
):
    layout = Layout(tmp_path / "layout")
    steps = [{"created_by": "COPY a /", "created": "2020-01-02T03:04:05Z", "comment": "first"}]
    steps += [{"created_by": f"RUN {'x' * 99}", "created": "2020-01-02T03:04:05.5Z"}]
    steps += [{"created_by": "LABEL a=b", "created": "2020-01-02T03:04:06Z", "empty_layer": True}]
    layout.image([busybox_tar(), UPPER], CONFIG, history=steps)
    pycompose("image", "load", "-i", str(layout.folder))
    id = pycompose("image", "ls", "-q", "--no-trunc").stdout.strip()
    for tag in ("words/web:1", "words/web:2"):
        pycompose("image", "tag", id, tag)
    pycompose("image", "save", "words/web:1", "words/web:2", "-o", "saved.tar")
    for known in docker("image", "ls", "-q").split():
        docker("image", "rm", "-f", known)
    docker("load", "-i", pycompose.folder / "saved.tar")

    for question in QUESTIONS:
        words = [word.replace("~", " ") for word in question.split()]
        assert pycompose("image", *words).stdout == docker("image", *words), question
    # Docker names each layer that went with it as well
    last = [run("image", "rm", "words/web:2") for run in (lambda *w: pycompose(*w).stdout, docker)]
    assert last[1].startswith(last[0])
    assert last[0] == f"Untagged: words/web:2\nDeleted: {id}\n"
    assert pycompose("image", "ls").stdout == docker("image", "ls")
