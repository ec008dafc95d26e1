"""A registry that does as it is told: right by default, wrong where a test says so.

    registry.add("shop/web:1", layouts.image(...))
    registry.faults += [broken_after(1000, on="GET .*/blobs/")]     the first such request, once
    registry.asked                                                  "GET shop/web/manifests/1", ...

Every request is kept with its headers. Threads and sockets end with the block.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.fakes import layouts
from tests.fakes.certificates import Pair

Handler = Any
Fault = Callable[["Handler"], bool]
"""Answers the request and returns True, or lets it pass."""


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]

    @property
    def line(self) -> str:
        return f"{self.method} {self.path.removeprefix('/v2/')}"


class ScriptedRegistry:
    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        self.server = server
        self.port = server.server_address[1]
        self.scheme = scheme
        self.host = f"{server.server_address[0]}:{self.port}"
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[bytes, str]] = {}
        """`shop/web:1` and `shop/web@sha256:...` -> (bytes, media type)."""
        self.uploads: dict[str, bytearray] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.released = threading.Event()
        """Ends every stall."""
        self.login = ""
        """`name:password`: basic authentication is asked for."""
        self.realm = ""
        """A token server: bearer authentication is asked for."""
        self.tokens: dict[str, int] = {}
        """Token -> how many more requests it is good for."""
        self.uses_of_a_token = 1_000_000
        self.tags_on_a_page = 3
        self.lock = threading.Lock()

    # --- what it has

    def add(self, name: str, *images: layouts.Image) -> str:
        """Returns the digest that the name means."""
        repository, _, tag = name.rpartition(":")
        for image in images:
            for blob in (*image.layers, image.config):
                self.blobs[blob.digest] = blob.data
            self.put(repository, "", image.manifest.data, image.manifest.media_type)
        top = layouts.index(*images) if len(images) > 1 else images[0].manifest
        return self.put(repository, tag, top.data, top.media_type)

    def put(self, repository: str, tag: str, data: bytes, media_type: str) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.manifests[f"{repository}@{digest}"] = (data, media_type)
        if tag:
            self.manifests[f"{repository}:{tag}"] = (data, media_type)
        return digest

    # --- what it was asked

    @property
    def asked(self) -> list[str]:
        """Without the questions for tokens."""
        return [one.line for one in self.requests if not one.path.startswith("/token")]

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, one.line)) for one in self.requests)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def forget(self) -> None:
        self.requests.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: ScriptedRegistry
    wbufsize = 1 << 16

    def log_message(self, *_: object) -> None:
        pass

    def _any(self) -> None:
        registry = self.registry
        self.body = b""
        headers = {key.lower(): value for key, value in self.headers.items()}
        with registry.lock:
            registry.requests.append(Request(self.command, self.path, headers))
            faults = list(registry.faults)
        for fault in faults:
            if fault(self):
                return
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path == "/token":
            self._give_token()
        elif self._is_allowed():
            self._answer()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _any

    # --- who asks

    def _is_allowed(self) -> bool:
        registry = self.registry
        given = self.headers.get("Authorization", "")
        if registry.realm:
            token = given.removeprefix("Bearer ")
            with registry.lock:
                left = registry.tokens.get(token, 0)
                if given.startswith("Bearer ") and left > 0:
                    registry.tokens[token] = left - 1
                    return True
            challenge = f'Bearer realm="{registry.realm}",service="tests"'
        elif registry.login:
            expected = base64.b64encode(registry.login.encode()).decode()
            if given == f"Basic {expected}":
                return True
            challenge = 'Basic realm="tests"'
        else:
            return True
        self.reply(
            401, error("UNAUTHORIZED", "authentication required"), {"WWW-Authenticate": challenge}
        )
        return False

    def _give_token(self) -> None:
        registry = self.registry
        expected = f"Basic {base64.b64encode(registry.login.encode()).decode()}"
        if self.command == "POST":
            fields = parse_qs(self.body.decode())
            is_known = fields.get("refresh_token") == [registry.login]
        else:
            is_known = not registry.login or self.headers.get("Authorization") == expected
        if not is_known:
            self.reply(401, json.dumps({"details": "incorrect username or password"}).encode())
            return
        with registry.lock:
            token = f"token-{len(registry.tokens)}"
            registry.tokens[token] = registry.uses_of_a_token
        self.reply(200, json.dumps({"token": token, "expires_in": 300}).encode())

    # --- what is there

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        if path == "/v2/":
            self.reply(200, b"{}")
        elif found := re.fullmatch(r"/v2/(.+)/tags/list", path):
            self._tags(found[1])
        elif found := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path):
            self._manifest(found[1], found[2])
        elif found := re.fullmatch(r"/v2/(.+)/blobs/uploads/(.*)", path):
            self._upload(found[1], found[2])
        elif found := re.fullmatch(r"/v2/(.+)/blobs/([^/]+)", path):
            self._blob(found[2])
        else:
            self.reply(404, error("UNSUPPORTED", "what?"))

    def _manifest(self, repository: str, name: str) -> None:
        registry = self.registry
        if self.command == "PUT":
            tag = "" if name.startswith("sha256:") else name
            digest = registry.put(repository, tag, self.body, self.headers["Content-Type"])
            self.reply(201, b"", {"Docker-Content-Digest": digest})
            return
        key = f"{repository}{'@' if name.startswith('sha256:') else ':'}{name}"
        if key not in registry.manifests:
            self.reply(404, error("MANIFEST_UNKNOWN", "manifest unknown"))
            return
        data, media_type = registry.manifests[key]
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.reply(200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def _tags(self, repository: str) -> None:
        """In pages, of as many as the registry likes."""
        registry = self.registry
        start = f"{repository}:"
        tags = sorted(
            one.removeprefix(start) for one in registry.manifests if one.startswith(start)
        )
        if not tags:
            self.reply(404, error("NAME_UNKNOWN", "repository name not known to registry"))
            return
        last = parse_qs(urlsplit(self.path).query).get("last", [""])[0]
        left = [tag for tag in tags if tag > last]
        page, more = left[: registry.tags_on_a_page], left[registry.tags_on_a_page :]
        following = f"/v2/{repository}/tags/list?last={page[-1]}" if page else ""
        headers = {"Link": f'<{following}>; rel="next"'} if more else {}
        self.reply(200, json.dumps({"name": repository, "tags": page}).encode(), headers)

    def _blob(self, digest: str) -> None:
        data = self.registry.blobs.get(digest)
        if data is None:
            self.reply(404, error("BLOB_UNKNOWN", "blob unknown to registry"))
            return
        if found := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(found[1])
            if start >= len(data):
                self.reply(416, b"")
                return
            part = data[start:]
            span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            self.reply(206, part, span)
            return
        self.reply(200, data)

    def _upload(self, repository: str, name: str) -> None:
        registry = self.registry
        query = parse_qs(urlsplit(self.path).query)
        if self.command == "POST":
            mounted = query.get("mount", [""])[0]
            if mounted in registry.blobs and "from" in query:
                self.reply(201, b"", {"Location": f"/v2/{repository}/blobs/{mounted}"})
                return
            name = f"upload-{len(registry.uploads)}"
            registry.uploads[name] = bytearray()
            self.reply(202, b"", {"Location": f"/v2/{repository}/blobs/uploads/{name}"})
            return
        held = registry.uploads.get(name)
        if held is None:
            self.reply(404, error("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"))
            return
        if self.command != "GET":
            span = self.headers.get("Content-Range")
            if span and int(span.partition("-")[0]) != len(held):
                self.reply(416, b"")
                return
            held += self.body
        if self.command == "PUT":
            digest = query["digest"][0]
            if f"sha256:{hashlib.sha256(held).hexdigest()}" != digest:
                self.reply(400, error("DIGEST_INVALID", "provided digest did not match"))
                return
            registry.blobs[digest] = bytes(held)
            del registry.uploads[name]
            self.reply(201, b"")
            return
        where = {
            "Location": f"/v2/{repository}/blobs/uploads/{name}",
            "Range": f"0-{len(held) - 1}",
        }
        self.reply(202 if self.command == "PATCH" else 204, b"", where)

    # --- how it is said

    def reply(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.head(status, len(data), headers)
        if self.command != "HEAD":
            self.wfile.write(data)

    def head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        fields = {"Content-Length": str(length), **(headers or {})}
        for key, value in fields.items():
            self.send_header(key, value)
        self.end_headers()

    def content(self) -> bytes:
        """What a blob request asks for, whole."""
        digest = urlsplit(self.path).path.rpartition("/")[2]
        return self.registry.blobs[digest]


def error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that refuses our certificate, or leaves, is what many tests are about: its end
        would be printed between the dots."""
        if not isinstance(sys.exc_info()[1], (ssl.SSLError, ConnectionError)):
            super().handle_error(request, client_address)


@contextmanager
def serve(
    tls: Pair | None = None,
    *,
    client_authority: Path | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[ScriptedRegistry]:
    handler = type("Handler", (_Handler,), {})
    server = _Server((address, port), handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        if client_authority is not None:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    registry = ScriptedRegistry(server, "https" if tls else "http")
    handler.registry = registry  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


# --- faults


def once(act: Callable[[Handler], bool | None], on: str, *, times: int = 1) -> Fault:
    """For the first requests whose line matches."""
    left = [times]
    lock = threading.Lock()

    def fault(handler: Handler) -> bool:
        line = f"{handler.command} {handler.path.removeprefix('/v2/')}"
        if not re.search(on, line):
            return False
        with lock:
            if left[0] == 0:
                return False
            left[0] -= 1
        act(handler)
        return True

    return fault


def broken_after(count: int, on: str, *, times: int = 1) -> Fault:
    """A blob of which so many bytes come before the connection ends."""

    def act(handler: Handler) -> None:
        _begin(handler, count)
        _hang_up(handler)

    return once(act, on, times=times)


def stalled_after(count: int, on: str, *, times: int = 1) -> Fault:
    """The same, but the connection stays open and nothing comes."""

    def act(handler: Handler) -> None:
        _begin(handler, count)
        handler.registry.released.wait()
        _hang_up(handler)

    return once(act, on, times=times)


def refused(status: int, on: str, *, times: int = 1, said: bytes = b"", **headers: str) -> Fault:
    named = {key.replace("_", "-"): value for key, value in headers.items()}

    def act(handler: Handler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.reply(status, said, named)

    return once(act, on, times=times)


def redirected(location: str, on: str, *, times: int = 1, status: int = 307) -> Fault:
    return once(lambda handler: handler.reply(status, b"", {"Location": location}), on, times=times)


def replaced(change: Callable[[bytes], bytes], on: str, *, times: int = 1) -> Fault:
    """A blob with other content."""
    return once(lambda handler: handler.reply(200, change(handler.content())), on, times=times)


def without_ranges(on: str, *, times: int = 1) -> Fault:
    return once(lambda handler: handler.reply(200, handler.content()), on, times=times)


def _begin(handler: Handler, count: int) -> None:
    data = handler.content()
    if found := re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", "")):
        start = int(found[1])
        span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        handler.head(206, len(data) - start, span)
        handler.wfile.write(data[start : start + count])
    else:
        handler.head(200, len(data))
        handler.wfile.write(data[:count])
    handler.wfile.flush()


def _hang_up(handler: Handler) -> None:
    handler.close_connection = True
    try:
        handler.connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
