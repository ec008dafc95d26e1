"""A real registry on loopback: Debian's `docker-registry serve`, with whatever configuration."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml

from tests.fakes import layouts

DEADLINE = 60


class Registry:
    """One that serves. `host` is what stands before the first slash of a reference."""

    def __init__(self, port: int, storage: Path) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.storage = storage

    def add(self, name: str, *images: layouts.Image, format: str = "", login: str = "") -> None:
        """Copy images in, as skopeo does it: several become an index."""
        folder = self.storage.parent / f"layout-{len(list(self.storage.parent.iterdir()))}"
        layouts.layout(folder, *images)
        extra = [f"--format={format}"] if format else []
        if len(images) > 1:
            extra.append("--all")
        if login:
            extra.append(f"--dest-creds={login}")
        skopeo("copy", *extra, f"oci:{folder}:latest", f"docker://{self.host}/{name}")

    def inspect(self, name: str) -> Any:
        return json.loads(skopeo("inspect", f"docker://{self.host}/{name}"))

    def manifest(self, name: str, reference: str = "latest") -> tuple[bytes, str]:
        """(bytes, digest) as the registry has them."""
        accepted = ", ".join(
            (
                "application/vnd.oci.image.index.v1+json",
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.distribution.manifest.list.v2+json",
            )
        )
        request = Request(
            f"http://{self.host}/v2/{name}/manifests/{reference}", headers={"Accept": accepted}
        )
        with urlopen(request, timeout=DEADLINE) as answer:
            return answer.read(), answer.headers["Docker-Content-Digest"]


def skopeo(verb: str, *words: str) -> str:
    """What it prints."""
    flags = {
        "copy": ["--src-tls-verify=false", "--dest-tls-verify=false"],
        "inspect": ["--tls-verify=false"],
    }
    run = subprocess.run(
        ["skopeo", "--insecure-policy", verb, *flags.get(verb, ()), *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@contextmanager
def serve(folder: Path, **more: Any) -> Iterator[Registry]:
    """`more` are top-level keys of its configuration: `auth`, and `http` to be merged."""
    storage = folder / "storage"
    storage.mkdir(parents=True)
    configuration = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        **more,
        "http": {"addr": "127.0.0.1:0", **more.get("http", {})},
    }
    file = folder / "config.yml"
    file.write_text(yaml.safe_dump(configuration))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    output = _Output(process.stderr)
    try:
        yield Registry(output.port(), storage)
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)
        output.join()


class _Output(threading.Thread):
    """Reads what it says, so that it never waits for us; where it listens is there, too."""

    def __init__(self, lines: Any) -> None:
        super().__init__(daemon=True)
        self._lines = lines
        self._said: list[str] = []
        self._port = 0
        self._known = threading.Event()
        self.start()

    def run(self) -> None:
        for line in self._lines:
            self._said.append(line)
            if found := re.search(r"listening on [^ ]*?:(\d+)", line):
                self._port = int(found.group(1))
                self._known.set()
        self._known.set()

    def port(self) -> int:
        """Once it is ready."""
        assert self._known.wait(DEADLINE)
        assert self._port, "the registry does not start:\n" + "".join(self._said)
        return self._port
