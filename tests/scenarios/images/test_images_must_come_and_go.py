"""Images through the command line: import, list, tag, save, load, remove, prune; and what everything takes."""

import gzip
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.runtime.images.made import busybox_tar, layer_of

pytestmark = pytest.mark.kernel

ImportImage = Callable[..., str]


def names(pycompose: Pycompose) -> list[str]:
    return sorted(pycompose("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())


def test_an_image_is_imported_tagged_inspected_and_removed(
    pycompose: Pycompose, import_image: ImportImage
):
    id = import_image("web:1", 'CMD ["sh"]', "LABEL tier=front")
    pycompose("image", "tag", "web:1", "localhost:5000/shop/web")
    assert names(pycompose) == ["localhost:5000/shop/web:latest", "web:1"]
    assert pycompose(
        "image", "inspect", "-f", "{{.Id}} {{.Config.Cmd}} {{.RepoTags}}", "web:1"
    ).stdout == (f"{id} [sh] [web:1 localhost:5000/shop/web:latest]\n")
    assert pycompose("image", "history", "--format", "{{.Comment}}", "web:1").stdout.startswith(
        "Imported from /"
    )
    assert pycompose("image", "rm", "web:1").stdout == "Untagged: web:1\n"
    assert pycompose("image", "rm", "localhost:5000/shop/web").stdout == (
        f"Untagged: localhost:5000/shop/web:latest\nDeleted: {id}\n"
    )
    missing = pycompose("image", "rm", "web:1", check=False)
    assert (missing.returncode, missing.stderr) == (
        1,
        "error E500: no such image: web:1\nhint: `pycompose image ls` shows what is here\n",
    )
    assert list((pycompose.paths.images / "layers").iterdir()) == []
    assert list((pycompose.paths.images / "blobs" / "sha256").iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        *(("create",), ("up", "-d"), ("up", "-d", "--force-recreate"), ("start",), ("restart",)),
        *(("run", "--rm", "-T", "web", "true"), ("exec", "-T", "web", "true"), ("images",)),
    ],
    ids=" ".join,
)
def test_what_starts_containers_of_an_image_that_is_here_loads_no_registry_client(
    pycompose: Pycompose, import_image: ImportImage, words: tuple[str, ...]
):
    import_image("web:1", 'CMD ["sleep", "1000"]')
    pycompose.compose_file("services: {web: {image: 'web:1', stop_grace_period: 0s}}")
    if words[0] not in ("create", "up"):
        pycompose("up", "-d")
    program, *rest = pycompose.command(*words)
    done = subprocess.run(
        [program, "-X", "importtime", *rest],
        cwd=pycompose.folder,
        env=pycompose.environment(None),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "runtime.engine" in loaded
    client = {"h11", "ssl", "runtime.images.http_client", "runtime.images.registry"}
    assert loaded & {*client, "runtime.images.pull", "zstandard"} == set()


def test_a_tar_is_imported_from_stdin_and_from_a_server(pycompose: Pycompose, tmp_path: Path):
    (tmp_path / "root.tar.gz").write_bytes(gzip.compress(layer_of({"a": "b"})))
    command = [*pycompose.command("image", "import", "-", "in:1")]
    with open(tmp_path / "root.tar.gz", "rb") as file:
        done = subprocess.run(
            command, stdin=file, env=pycompose.environment(None), capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(tmp_path))

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        pycompose("image", "import", f"{url}/root.tar.gz", "net:1")
        missing = pycompose("image", "import", f"{url}/none", "net:2", check=False)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert names(pycompose) == ["in:1", "net:1"]
    assert missing.returncode == 1
    assert "E526" in missing.stderr
    assert "404" in missing.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("import", "no-such-file", "web"), 1, "cannot read no-such-file"),
        (("import", "root.tar", "Web"), 1, "did you mean `web`?"),
        (("import", "root.tar", "host"), 1, "that name is built in"),
        (
            ("import", "root.tar", "web", "-c", "RUN x"),
            1,
            "`RUN` is no instruction that changes a config",
        ),
        (("import", "bad.tar", "web"), 1, "not a tar archive"),
        (("load", "-i", "bad.tar"), 1, "not a tar archive"),
        (("load", "-i", "root.tar"), 1, "the archive holds no image"),
        (("load", "-i", "no-such-file"), 1, "cannot read no-such-file"),
        (("tag", "none", "web"), 1, "no such image: none"),
        (("save", "none", "-o", "x.tar"), 1, "no such image: none"),
        (("inspect", "none"), 1, "no such image: none"),
        (("history", "none"), 1, "no such image: none"),
        (("rm", "host"), 1, "image host is built in and cannot be removed"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_error(
    pycompose: Pycompose, words: tuple[str, ...], code: int, said: str
):
    (pycompose.folder / "root.tar").write_bytes(layer_of({"a": "b"}))
    (pycompose.folder / "bad.tar").write_bytes(b"0" * 1000)
    done = pycompose("image", *words, check=False)
    # `inspect` shows what it found of several: here nothing
    shown = "[]\n" if words[0] == "inspect" else ""
    assert (done.returncode, done.stdout) == (code, shown)
    assert said in done.stderr
    assert done.stderr.startswith("error E")
    assert not (pycompose.folder / "x.tar").exists()
    assert pycompose("image", "ls", "-q").stdout == ""


@pytest.mark.parametrize("target", ["-o saved.tar", "-o saved.tar.gz", "-o saved/", "stdout"])
def test_what_is_saved_is_loaded_in_another_root(
    pycompose: Pycompose, import_image: ImportImage, tmp_path: Path, target: str
):
    id = import_image("web:1", 'CMD ["sh"]')
    environment = pycompose.environment({"PYCOMPOSE_ROOT": str(tmp_path / "other")})
    if target == "stdout":
        saving = subprocess.Popen(
            pycompose.command("image", "save", "web:1"),
            env=pycompose.environment(None),
            stdout=subprocess.PIPE,
        )
        loading = subprocess.run(
            pycompose.command("image", "load"),
            env=environment,
            stdin=saving.stdout,
            capture_output=True,
            text=True,
        )
        assert saving.wait() == 0
    else:
        path = target.removeprefix("-o ")
        pycompose("image", "save", "web:1", "-o", path)
        loading = subprocess.run(
            pycompose.command("image", "load", "-i", path.rstrip("/")),
            cwd=pycompose.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert (loading.stdout, loading.stderr) == ("Loaded image: web:1\n", "")
    again = subprocess.run(
        pycompose.command("image", "ls", "-q", "--no-trunc"),
        env=environment,
        capture_output=True,
        text=True,
    )
    assert again.stdout == f"{id}\n"


def test_prune_takes_what_has_no_name_and_with_all_what_nobody_needs(
    pycompose: Pycompose, import_image: ImportImage
):
    import_image("old:1", 'CMD ["sleep", "60"]', files={"v": "1"})
    import_image("idle:1", "LABEL keep=yes", files={"v": "2"})
    pycompose.compose_file("services: {web: {image: 'old:1', stop_grace_period: 0s}}")
    pycompose("up", "-d")
    import_image("old:1", files={"v": "3"})
    # without a name now, and needed by the container
    assert names(pycompose) == ["<none>:<none>", "idle:1", "old:1"]
    assert pycompose("image", "prune", "-f").stdout == "Total reclaimed space: 0B\n"
    assert pycompose("image", "prune", "-af", "--filter", "label!=keep").stdout.startswith(
        "Deleted Images:\nuntagged: old:1\ndeleted: sha256:"
    )
    assert names(pycompose) == ["<none>:<none>", "idle:1"]
    pycompose("down", "-t", "0")
    declined = pycompose("image", "prune", stdin="n\n")
    assert declined.stdout == ""
    assert "WARNING! This will remove all dangling images." in declined.stderr
    assert "Deleted Images:" in pycompose("image", "prune", "-f").stdout
    assert names(pycompose) == ["idle:1"]
    assert "Total reclaimed space: 0B" not in pycompose("image", "prune", "-af").stdout
    assert names(pycompose) == []


def test_system_df_and_prune(pycompose: Pycompose, import_image: ImportImage):
    import_image("me:1", 'CMD ["true"]', files={"v": "1"})
    pycompose.compose_file(
        "services: {done: {image: 'me:1', volumes: [/data]}, up: {image: 'me:1', command: [sleep, '60']}}\n"
    )
    pycompose("up", "-d")
    pycompose("wait", "done", check=False)
    rows = {
        row["Type"]: (row["TotalCount"], row["Active"])
        for row in map(
            json.loads, pycompose("system", "df", "--format", "json").stdout.splitlines()
        )
    }
    assert rows == {
        "Images": ("1", "1"),
        "Containers": ("2", "1"),
        "Local Volumes": ("1", "1"),
        "Build Cache": ("0", "0"),
    }
    pruned = pycompose("system", "prune", "-f", "--volumes").stdout.splitlines()
    assert [line for line in pruned if line.startswith("Deleted")] == [
        "Deleted Containers:",
        "Deleted Volumes:",
    ]
    assert pycompose("ps", "-a", "--services").stdout == "up\n"
    assert names(pycompose) == ["me:1"]
    pycompose("down", "-t", "0")
    assert "untagged: me:1" in pycompose("system", "prune", "-af").stdout
    assert names(pycompose) == []


def test_an_import_that_is_interrupted_leaves_nothing(pycompose: Pycompose, tmp_path: Path):
    reading, writing = os.pipe()
    command = pycompose.command("image", "import", "-", "web:1")
    with open(reading, "rb") as stdin:
        running = subprocess.Popen(
            command, env=pycompose.environment(None), stdin=stdin, stderr=subprocess.PIPE
        )
    data = busybox_tar()
    os.write(writing, data[:60_000])
    os.write(writing, data[60_000:120_000])  # it reads: the pipe holds 64 kB
    running.terminate()
    os.close(writing)
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert pycompose("image", "ls", "-q").stdout == ""
    pycompose("image", "prune", "-f")
    assert [
        path
        for path in (pycompose.paths.images).rglob("*")
        if path.is_file() and path.parent.name != "locks"
    ] == []
