"""Real git servers on loopback: `git daemon` for git://, `git http-backend` for http://, and what only hangs."""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_IDENTITY = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "PATH": "/usr/bin:/bin",
}


class Repository:
    """One below the folder that the servers serve."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "http.receivepack", "false")

    def git(self, *words: str) -> str:
        """What git prints."""
        run = subprocess.run(
            ["git", *words],
            cwd=self.folder,
            env=_IDENTITY,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def commit(self, files: Mapping[str, str], *, links: Mapping[str, str] | None = None) -> str:
        """Write files and links, and commit all there is; the commit."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, target in (links or {}).items():
            (self.folder / name).symlink_to(target)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=x")
        return self.git("rev-parse", "HEAD")


@contextmanager
def daemon(folder: Path) -> Iterator[str]:
    """`git daemon` of every repository in the folder; `git://HOST:PORT`."""

    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            command = [
                "git",
                "daemon",
                "--inetd",
                "--export-all",
                f"--base-path={folder}",
                str(folder),
            ]
            run = subprocess.Popen(command, stdin=self.request, stdout=self.request, env=_IDENTITY)
            run.wait(timeout=60)

    with _serving(_Threads(("127.0.0.1", 0), Answer)) as port:
        yield f"git://127.0.0.1:{port}"


@contextmanager
def backend(folder: Path, *, password: str = "") -> Iterator[str]:
    """`git http-backend` of every repository in the folder; `http://HOST:PORT`."""

    class Answer(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if password and "Authorization" not in self.headers:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            environment = {
                **_IDENTITY,
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(length),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
            }
            run = subprocess.run(
                ["git", "http-backend"],
                input=self.rfile.read(length),
                env=environment,
                capture_output=True,
                timeout=60,
            )
            head, _, body = run.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Answer)) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def silence() -> Iterator[str]:
    """Takes connections and never says anything; `git://HOST:PORT`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"git://127.0.0.1:{server.getsockname()[1]}"


class _Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def _serving(server: Any) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
