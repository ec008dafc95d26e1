"""A token server as registries have them: JSON web tokens signed with RSA, for `docker-registry`'s own check."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ISSUER, SERVICE = "tests", "registry"


class TokenServer:
    """`users` may do everything, others may pull. `asked` are the scopes, in order."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.key = folder / "token.key"
        self.certificate = folder / "token.crt"
        _openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=tests",
            "-keyout", str(self.key), "-out", str(self.certificate),
        )  # fmt: skip
        der = _openssl("x509", "-in", str(self.certificate), "-outform", "DER")
        self.chain = [base64.b64encode(der).decode()]
        self.users = {"anna": "secret"}
        self.asked: list[str] = []
        self.seconds = 300
        self.realm = ""

    @property
    def configuration(self) -> dict[str, Any]:
        """For the `auth` of a registry."""
        return {
            "token": {
                "realm": self.realm,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(self.certificate),
            }
        }

    def token(self, user: str, scopes: list[str]) -> str:
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = [one for one in actions.split(",") if user or one == "pull"]
            access.append({"type": kind, "name": name, "actions": granted})
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + self.seconds,
            "nbf": now - 10,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        header = {"typ": "JWT", "alg": "RS256", "x5c": self.chain}
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        signature = _openssl("dgst", "-sha256", "-sign", str(self.key), data=signed.encode())
        return f"{signed}.{_base64url(signature)}"


class _Handler(BaseHTTPRequestHandler):
    tokens: TokenServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
        user = self._user()
        if user is None:
            self._reply(401, {"details": "incorrect username or password"})
            return
        self.tokens.asked += scopes
        token = self.tokens.token(user, scopes)
        self._reply(200, {"access_token": token, "expires_in": self.tokens.seconds})

    def _user(self) -> str | None:
        """None: a wrong login. Empty: nobody in particular."""
        given = self.headers.get("Authorization", "")
        if not given:
            return ""
        name, _, password = base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")
        return name if self.tokens.users.get(name) == password else None

    def _reply(self, status: int, document: object) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serve(folder: Path) -> Iterator[TokenServer]:
    tokens = TokenServer(folder)
    handler = type("Handler", (_Handler,), {"tokens": tokens})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    tokens.realm = f"http://127.0.0.1:{server.server_address[1]}/token"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield tokens
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _encoded(document: object) -> str:
    return _base64url(json.dumps(document).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*words: str, data: bytes = b"") -> bytes:
    run = subprocess.run(["openssl", *words], input=data, capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout
