"""Volumes, binds, tmpfs, configs and secrets, from the Compose file to what a program inside finds there."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import Pycompose
from tests.runtime.init.conftest import busybox_root  # noqa: F401
from tests.scenarios.stage import document, run_all, shell, stage

pytestmark = pytest.mark.kernel
CANARY = f"canary{secrets.token_hex(8)}"
READ_ONLY = "Read-only file system"


class Case(NamedTuple):
    script: str
    expected: str
    attributes: dict[str, Any]


def long(kind: str, target: str, **more: Any) -> dict[str, Any]:
    return {"volumes": [{"type": kind, "target": target, **more}]}


CASES: dict[str, Case] = {
    "named-takes-what-the-image-has": Case(
        "cat /data/file; stat -c '%a %u %g' /data /data/file; readlink /data/link",
        "of the image 2750 5 6 640 7 8 file",
        {"volumes": ["filled:/data"]},
    ),
    "named-below-a-file-of-the-image": Case(
        "ls -A /new; stat -c '%a %u' /new", "755 0", {"volumes": ["new:/new"]}
    ),
    "nocopy": Case(
        "ls -A /data | wc -l", "0", long("volume", "/data", source="empty", volume={"nocopy": True})
    ),
    "nocopy-short": Case("ls -A /data | wc -l", "0", {"volumes": ["empty-too:/data:nocopy"]}),
    "anonymous": Case(
        "cat /data/file; echo x > /data/x; ls /data | wc -l",
        "of the image 3",
        {"volumes": ["/data"]},
    ),
    "named-read-only": Case(
        "cat /data/file; touch /data/x",
        f"of the image touch: /data/x: {READ_ONLY}",
        {"volumes": ["read:/data:ro"]},
    ),
    "bind-short": Case(
        "cat /src/file; touch /src/x",
        f"of the host touch: /src/x: {READ_ONLY}",
        {"volumes": ["./src:/src:ro"]},
    ),
    "bind-writes": Case(
        "echo written > /src/result; cat /src/result", "written", {"volumes": ["./out:/src"]}
    ),
    "bind-of-a-file": Case("cat /etc/one", "of the host", {"volumes": ["./src/file:/etc/one"]}),
    "bind-long": Case(
        "cat /src/file; touch /src/x",
        f"of the host touch: /src/x: {READ_ONLY}",
        long(
            "bind",
            "/src",
            source="./src",
            read_only=True,
            bind={"propagation": "rprivate", "selinux": "z"},
        ),
    ),
    "bind-made": Case(
        "stat -c '%a %u' /m",
        "755 0",
        long("bind", "/m", source="./made/deep", bind={"create_host_path": True}),
    ),
    "bind-made-short": Case("stat -c '%a %u' /m", "755 0", {"volumes": ["./made-too:/m"]}),
    "tmpfs-long": Case(
        "grep ' /t ' /proc/mounts | cut -d' ' -f3,4 | sed s,.inode64,,; stat -c %a /t",
        "tmpfs rw,nosuid,nodev,noexec,relatime,size=2048k,mode=700 700",
        long("tmpfs", "/t", tmpfs={"size": "2m", "mode": 0o700}),
    ),
    "subpath": Case(
        "cat /data/file",
        "of the inner folder",
        long("volume", "/data", source="outside", volume={"subpath": "inner"}),
    ),
    "external": Case("ls /data", "inner", {"volumes": ["outside:/data"]}),
    "driver-opts-bind": Case("cat /data/file", "of the host", {"volumes": ["bound:/data"]}),
    "driver-opts-bind-read-only": Case(
        "touch /data/x", f"touch: /data/x: {READ_ONLY}", {"volumes": ["bound-ro:/data"]}
    ),
    "driver-opts-tmpfs": Case(
        "grep ' /data ' /proc/mounts | cut -d' ' -f1,3,4 | sed s,.inode64,,; stat -c '%a %u' /data",
        "ram tmpfs rw,nosuid,relatime,size=1024k,mode=700,uid=9 700 9",
        {"volumes": ["memory:/data"]},
    ),
    "volumes-from": Case(
        "cat /data/file; cat /src/file; touch /data/x && echo ok; touch /src/x",
        f"of the image of the host ok touch: /src/x: {READ_ONLY}",
        {"volumes_from": ["source"]},
    ),
    "volumes-from-read-only": Case(
        "touch /data/x", f"touch: /data/x: {READ_ONLY}", {"volumes_from": ["source:ro"]}
    ),
    "volumes-from-and-own": Case(
        "ls /data | wc -l", "0", {"volumes_from": ["source"], "volumes": ["own:/data:nocopy"]}
    ),
    "secret-of-a-file": Case(
        "cat /run/secrets/file; touch /run/secrets/file",
        f"of the host touch: /run/secrets/file: {READ_ONLY}",
        {"secrets": ["file"]},
    ),
    "secret-of-the-environment": Case(
        "cat /run/secrets/variable; stat -c ' %a %u %g' /run/secrets/variable",
        "from outside 444 0 0",
        {"secrets": ["variable"]},
    ),
    "secret-with-owner-and-mode": Case(
        "cat /run/secrets/pw; stat -c '%a %u %g' /run/secrets/pw",
        "of the host 400 5 6",
        {"secrets": [{"source": "file", "target": "pw", "uid": "5", "gid": "6", "mode": 0o400}]},
    ),
    "secret-elsewhere": Case(
        "cat /else/where", "of the host", {"secrets": [{"source": "file", "target": "/else/where"}]}
    ),
    "secret-for-a-user": Case(
        "cat /run/secrets/file", "of the host", {"secrets": ["file"], "user": "1000"}
    ),
    "config-of-a-file": Case("cat /file", "of the host", {"configs": ["file"]}),
    "config-inline": Case(
        "cat /etc/my.conf; stat -c '%a %u %g' /etc/my.conf",
        "line one from outside 640 3 4",
        {
            "configs": [
                {
                    "source": "inline",
                    "target": "/etc/my.conf",
                    "uid": "3",
                    "gid": "4",
                    "mode": 0o640,
                }
            ]
        },
    ),
    "config-of-the-environment": Case("cat /variable", "from outside", {"configs": ["variable"]}),
}
TOP: dict[str, Any] = {
    "volumes": {
        **dict.fromkeys(("filled", "new", "empty", "empty-too", "read", "own")),
        "outside": {"external": True},
        "bound": {"driver_opts": {"type": "none", "o": "bind", "device": "${PWD}/src"}},
        "bound-ro": {"driver_opts": {"type": "none", "o": "bind,ro", "device": "${PWD}/src"}},
        "memory": {
            "driver_opts": {"type": "tmpfs", "device": "ram", "o": "size=1m,mode=700,uid=9,nosuid"}
        },
    },
    "secrets": {"file": {"file": "./src/file"}, "variable": {"environment": "PCT_VARIABLE"}},
    "configs": {
        "file": {"file": "./src/file"},
        "variable": {"environment": "PCT_VARIABLE"},
        "inline": {"content": "line one\n${PCT_VARIABLE}\n"},
    },
}


@pytest.fixture(scope="module")
def image(busybox_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: F811
    folder = tmp_path_factory.mktemp("image") / "root"
    shutil.copytree(busybox_root, folder, symlinks=True)
    data = folder / "data"
    data.mkdir()
    (data / "file").write_text("of the image\n")
    (data / "link").symlink_to("file")
    os.chown(data / "file", 7, 8)
    (data / "file").chmod(0o640)
    os.chown(data, 5, 6)
    data.chmod(0o2750)
    return f"dir:{folder}"


@pytest.fixture(scope="module")
def staged(image: str) -> Iterator[tuple[Pycompose, dict[str, str]]]:
    services = {"source": shell("true", image=image, volumes=["/data", "./src:/src:ro"])}
    services |= {
        name: shell(case.script, image=image, **case.attributes) for name, case in CASES.items()
    }
    with stage({"PCT_VARIABLE": "from outside"}) as pycompose:
        (pycompose.folder / "src").mkdir()
        (pycompose.folder / "src/file").write_text("of the host\n")
        (pycompose.folder / "out").mkdir()
        pycompose("volume", "create", "outside")
        inner = pycompose.paths.volumes / "outside/1/inner"
        inner.mkdir()
        (inner / "file").write_text("of the inner folder\n")
        yield pycompose, run_all(pycompose, services, **TOP)
        pycompose("down", "-v", "-t", "0")
        pycompose("volume", "rm", "outside")


@pytest.mark.parametrize("name", CASES)
def test_the_mount_has_its_effect(staged: tuple[Pycompose, dict[str, str]], name: str):
    assert staged[1].get(name, "") == CASES[name].expected


def test_what_was_made_and_written_is_on_the_host(staged: tuple[Pycompose, dict[str, str]]):
    folder = staged[0].folder
    assert (folder / "out/result").read_text() == "written\n"
    assert (folder / "made/deep").is_dir()
    assert (folder / "made-too").is_dir()


def test_a_named_volume_of_the_host_image_holds_nothing_of_the_machine():
    """Owner and mode of the folder alone: a canary in it stays where it is."""
    folder = Path(f"/opt/{CANARY}")
    folder.mkdir(mode=0o711)
    try:
        (folder / "file").write_text(CANARY)
        folder.chmod(0o711)
        os.chown(folder, 5, 6)
        script = f"ls -A {folder} | wc -l; stat -c '%a %u %g' {folder}; cat {folder}/file"
        services = {
            "plain": shell(script, image="host"),
            "volume": shell(script, image="host", volumes=[f"data:{folder}"]),
            "anonymous": shell(script, image="host", volumes=[f"{folder}"]),
        }
        with stage() as pycompose:
            output = run_all(pycompose, services, volumes={"data": None})
    finally:
        shutil.rmtree(folder)
    empty = f"0 711 5 6 cat: {folder}/file: No such file or directory"
    # the control: without a volume the folder shows, as all of /opt does
    assert output == {"plain": f"1 711 5 6 {CANARY}", "volume": empty, "anonymous": empty}


@pytest.mark.parametrize(("propagation", "seen"), [("rprivate", "no"), ("rslave", "yes")])
def test_a_mount_made_later_on_the_host_shows_where_propagation_says_so(
    image: str, propagation: str, seen: str
):
    with stage() as pycompose:
        shared = pycompose.folder / "shared"
        (shared / "inner").mkdir(parents=True)
        with mounted(shared):
            (shared / "inner").mkdir()
            mount = {"type": "bind", "source": "./shared", "target": "/s"}
            mount["bind"] = {"propagation": propagation}  # type: ignore[assignment]
            services = {"web": {"image": image, "command": ["sleep", "1000"], "volumes": [mount]}}
            pycompose.compose_file(document(services))
            pycompose("up", "-d")
            with mounted(shared / "inner"):
                (shared / "inner/file").touch()
                script = "test -e /s/inner/file && echo yes || echo no"
                inside = pycompose("exec", "-T", "web", "sh", "-c", script)
            pycompose("down", "-t", "0")
    assert inside.stdout == f"{seen}\n"


def test_a_mount_made_inside_reaches_the_host_with_shared_propagation_alone(image: str):
    def service(propagation: str) -> dict[str, Any]:
        mount = {"type": "bind", "source": "./shared", "target": "/s"}
        mount["bind"] = {"propagation": propagation}  # type: ignore[assignment]
        script = f"mkdir -p /s/{propagation}; mount -t tmpfs x /s/{propagation}; sleep 1000"
        return shell(script, image=image, cap_add=["SYS_ADMIN"], volumes=[mount])

    with stage() as pycompose:
        shared = pycompose.folder / "shared"
        shared.mkdir()
        with mounted(shared):
            services = {"one": service("rshared"), "two": service("rslave")}
            pycompose.compose_file(document(services))
            pycompose("up", "-d")
            for name, folder in (("one", "rshared"), ("two", "rslave")):
                script = f"until grep -q /s/{folder} /proc/mounts; do sleep 0.05; done"
                pycompose("exec", "-T", name, "sh", "-c", script)
            seen = [name for name in ("rshared", "rslave") if os.path.ismount(shared / name)]
            pycompose("down", "-t", "0")
            subprocess.run(["umount", str(shared / "rshared")], check=False)
    assert seen == ["rshared"]


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A shared tmpfs."""
    subprocess.run(["mount", "-t", "tmpfs", "x", str(folder)], check=True)
    try:
        subprocess.run(["mount", "--make-shared", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_named_volume_outlives_its_containers_and_an_anonymous_one_is_renewed(image: str):
    def service(letter: str) -> dict[str, Any]:
        return shell(
            f"echo {letter} >> /named/file; echo {letter} >> /any/file; cat /named/file /any/file",
            image=image,
            volumes=["named:/named", "/any"],
        )

    with stage() as pycompose:
        first = run_all(pycompose, {"web": service("a")}, volumes={"named": None})
        # recreated: anonymous volumes are handed on
        second = run_all(pycompose, {"web": service("b")}, volumes={"named": None})
        pycompose("down", "-t", "0")
        third = run_all(pycompose, {"web": service("c")}, volumes={"named": None})
        # what `down` kept goes with -v, although no container has it any more
        pycompose("down", "-v", "-t", "0")
        assert pycompose("volume", "ls", "-q").stdout == ""
    assert (first["web"], second["web"], third["web"]) == ("a a", "a b a b", "a b c c")


MEMORY = {
    "name": "memory",
    "driver_opts": {"type": "tmpfs", "device": "ram", "o": "size=1m,nosuid,mode=700,uid=9"},
}


def test_a_tmpfs_volume_is_one_for_all_its_containers_and_goes_with_the_last(image: str):
    """Also for those of another project and of a supervisor that was killed, as Docker has it."""

    def sleeper(**more: Any) -> dict[str, Any]:
        return {"image": image, "command": ["sleep", "1000"], "init": True, **more}

    def ask(service: str, script: str, *words: str) -> str:
        return pycompose(*words, "exec", "-T", service, "sh", "-c", script).stdout.strip()

    with stage() as pycompose:
        services = {
            "one": sleeper(volumes=["data:/data"]),
            "two": sleeper(volumes=["data:/elsewhere:ro"]),
            "three": sleeper(volumes_from=["one"]),
        }
        pycompose.compose_file(document(services, volumes={"data": MEMORY}))
        theirs = {"four": sleeper(volumes=["data:/data"])}
        external = {"data": {"name": "memory", "external": True}}
        other = pycompose.compose_file(document(theirs, volumes=external), "other.yaml")
        pycompose("up", "-d")
        pycompose("-p", "other", "-f", str(other), "up", "-d")
        ask("one", "echo from one > /data/file")
        for record in pycompose.paths.projects.glob("*/keeper.json"):
            os.kill(json.loads(record.read_text())["supervisor_pid"], signal.SIGKILL)
        seen = [
            ask("two", "cat /elsewhere/file; touch /elsewhere/x 2>&1 || true"),
            ask("three", "cat /data/file"),
            ask("four", "cat /data/file", "-p", "other"),
        ]
        assert seen == [
            f"from one\ntouch: /elsewhere/x: {READ_ONLY}",
            "from one",
            "from one",
        ]
        # whoever comes and goes, it stays as long as somebody has it
        pycompose("restart", "-t", "0", "one")
        pycompose("down", "-t", "0")
        pycompose("up", "-d")
        assert ask("one", "cat /data/file") == "from one"
        pycompose("down", "-t", "0")
        pycompose("-p", "other", "down", "-t", "0")
        pycompose("up", "-d", "one")
        assert ask("one", "ls -A /data") == ""


MISSING = """\
services:
  web:
    image: host
    volumes:
      - type: bind
        source: ./nothere
        target: /x
        bind: {create_host_path: false}
    security_opt: ["seccomp=profile.json"]
    secrets: [key]
secrets:
  key:
    file: ./nokey
"""


def test_files_that_are_not_there_are_named_with_their_lines_and_nothing_is_made():
    with stage() as pycompose:
        pycompose.compose_file(MISSING)
        up = pycompose("up", "-d", check=False)
        folder = pycompose.folder
        assert pycompose("ps", "-aq").stdout == ""
    assert (up.returncode, up.stdout) == (1, "")
    assert (
        up.stderr
        == f"""\
compose.yaml:5:9: error E251: bind source path does not exist: {folder}/nothere
  5 |       - type: bind
    |         ^^^^
   at services.web.volumes[0]
hint: make it, or use the short form, which makes a folder

compose.yaml:9:20: error E251: seccomp profile does not exist: {folder}/profile.json
  9 |     security_opt: ["seccomp=profile.json"]
    |                    ^^^^^^^^^^^^^^^^^^^^^^
   at services.web.security_opt[0]

compose.yaml:13:5: error E251: secret file does not exist: {folder}/nokey
 13 |     file: ./nokey
    |     ^^^^
   at secrets.key.file
"""
    )


def test_folders_made_under_sudo_are_the_callers(image: str):
    with stage({"SUDO_UID": "1234", "SUDO_GID": "1235"}) as pycompose:
        run_all(pycompose, {"web": shell("true", image=image, volumes=["./made/deep:/x"])})
        for folder in (pycompose.folder / "made", pycompose.folder / "made/deep"):
            assert (folder.stat().st_uid, folder.stat().st_gid) == (1234, 1235)
