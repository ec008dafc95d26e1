"""Who we are to a registry: Docker's `config.json`, containers' `auth.json`, and helper programs.

Looked up anew for each registry and never logged. Where `sudo` was used, the files are those of
the caller. Sources: Docker's page on `docker login`, containers-auth.json(5), the protocol of
docker-credential-helpers.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtime.errors import RuntimeFault
from runtime.images.reference import DEFAULT_REGISTRY, is_registry
from runtime.linux import faults, files
from runtime.values import Login

DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_SECONDS = 30
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


class Credentials:
    """The files of one user."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._home = home_folder(environment)

    def find(self, registry: str, path: str = "") -> Login | None:
        """The login for a repository; the most specific entry wins. Raises RuntimeFault when a file
        or a helper is broken."""
        for file in self._files():
            document = _read(file)
            if (login := self._find_in(document, registry, path)) is not None:
                return login
        return None

    def store(self, registry: str, login: Login) -> Path | None:
        """Keep a login: with the configured helper, else in the file; returns the file when the
        password lies in it unencrypted."""
        file = self.docker_file
        document = _read(file)
        key = _docker_key(registry)
        if helper := _helper_for(document, registry):
            secret = {"ServerURL": key, "Username": login.username, "Secret": login.password}
            if login.identity_token:
                secret.update(Username="<token>", Secret=login.identity_token)
            self._run(helper, "store", json.dumps(secret))
            document.setdefault("auths", {})[key] = {}
        else:
            entry = {"auth": basic_header(login).removeprefix("Basic ")}
            if login.identity_token:
                entry["identitytoken"] = login.identity_token
            document.setdefault("auths", {})[key] = entry
        _write(file, document, owner=_owner(self._environment))
        return None if helper else file

    def erase(self, registry: str) -> bool:
        """Forget a login everywhere; False when there was none."""
        found = False
        for file in self._files():
            document = _read(file)
            auths = document.get("auths") or {}
            keys = [key for key in auths if _host_of(key) == registry]
            if (helper := _helper_for(document, registry)) and keys:
                self._run(helper, "erase", _docker_key(registry))
            for key in keys:
                del auths[key]
            if keys:
                _write(file, document, owner=_owner(self._environment))
            found = found or bool(keys)
        return found

    @property
    def docker_file(self) -> Path:
        folder = self._environment.get("DOCKER_CONFIG")
        return (Path(folder) if folder else self._home / ".docker") / "config.json"

    def _files(self) -> Iterator[Path]:
        if path := self._environment.get("REGISTRY_AUTH_FILE"):
            yield Path(path)
        yield self.docker_file
        if folder := self._environment.get("XDG_RUNTIME_DIR"):
            yield Path(folder) / "containers" / "auth.json"
        config = self._environment.get("XDG_CONFIG_HOME")
        yield (Path(config) if config else self._home / ".config") / "containers" / "auth.json"

    def _find_in(self, document: Mapping[str, Any], registry: str, path: str) -> Login | None:
        if helper := _helper_for(document, registry):
            return self._ask(helper, registry)
        auths = document.get("auths") or {}
        for key in _keys(registry, path):
            for name, entry in auths.items():
                if _normal_key(name) == key and isinstance(entry, dict):
                    return _login_of(entry, name)
        return None

    # --- helpers

    def _ask(self, helper: str, registry: str) -> Login | None:
        text = self._run(helper, "get", _docker_key(registry))
        if text is None:
            return None
        try:
            answer = json.loads(text)
            name, secret = str(answer["Username"]), str(answer["Secret"])
        except (ValueError, KeyError, TypeError) as error:
            raise _broken_helper(helper, "an answer that is none") from error
        if name == "<token>":
            return Login(identity_token=secret)
        return Login(username=name, password=secret)

    def _run(self, helper: str, verb: str, text: str) -> str | None:
        """None when it knows nothing of that registry."""
        if not _HELPER_NAME.match(helper):
            raise _broken_helper(helper, "a name that is none")
        import subprocess  # most users have no helper

        program = f"docker-credential-{helper}"
        try:
            # A short call from a worker thread, before any event loop could be of use
            with faults.point("credential helper"):
                done = subprocess.run(  # noqa: TID251
                    [program, verb],
                    input=text.encode(),
                    capture_output=True,
                    timeout=_HELPER_SECONDS,
                    env={**self._environment, "HOME": str(self._home)},
                    check=False,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _broken_helper(helper, str(error)) from error
        if done.returncode == 0:
            return done.stdout.decode("utf-8", "replace")
        said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
        if "not found" in said.lower():
            return None
        raise _broken_helper(helper, said[:300])


def basic_header(login: Login) -> str:
    """The value of an Authorization header."""
    pair = f"{login.username}:{login.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def registry_of(text: str) -> str:
    """The registry that `login` was given: a host, an address, nothing for Docker Hub. Raises
    RuntimeFault."""
    host = _host_of(text) if text else DEFAULT_REGISTRY
    if not is_registry(host):
        shown = "".join(letter if letter.isprintable() else "?" for letter in text[:200])
        raise RuntimeFault(
            f"`{shown}` is no registry's name", code="E550", hint="give HOST or HOST:PORT"
        )
    return host


def home_folder(environment: Mapping[str, str]) -> Path:
    """The caller's, also under sudo."""
    if os.geteuid() == 0 and (uid := environment.get("SUDO_UID", "")).isdigit():
        import pwd

        try:
            return Path(pwd.getpwuid(int(uid)).pw_dir)
        except KeyError:
            pass
    return Path(environment.get("HOME") or "/root")


def _owner(environment: Mapping[str, str]) -> tuple[int, int] | None:
    uid, gid = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    return (int(uid), int(gid)) if os.geteuid() == 0 and uid.isdigit() and gid.isdigit() else None


def _keys(registry: str, path: str) -> Iterator[str]:
    """From the repository up to the registry, as containers-auth.json(5) says."""
    parts = path.split("/") if path else []
    while parts:
        yield "/".join((registry, *parts))
        parts.pop()
    yield registry


def _normal_key(key: str) -> str:
    """`https://index.docker.io/v1/` and its like are hosts."""
    text = key.partition("://")[2] or key
    host, _, path = text.rstrip("/").partition("/")
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = DEFAULT_REGISTRY
    is_old = path in ("v1", "v2")
    return f"{host}/{path}" if path and not is_old else host


def _host_of(key: str) -> str:
    return _normal_key(key).partition("/")[0]


def _docker_key(registry: str) -> str:
    return DOCKER_HUB_KEY if registry == DEFAULT_REGISTRY else registry


def _helper_for(document: Mapping[str, Any], registry: str) -> str:
    own = document.get("credHelpers") or {}
    for key, helper in own.items():
        if _host_of(key) == registry:
            return str(helper)
    return str(document.get("credsStore") or "")


def _login_of(entry: Mapping[str, Any], name: str) -> Login | None:
    token = str(entry.get("identitytoken") or "")
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if auth := entry.get("auth"):
        try:
            username, _, password = (
                base64.b64decode(str(auth), validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RuntimeFault(
                f"the login for {name} cannot be read",
                code="E547",
                hint="log in again with `pycompose login`",
            ) from error
    password = password.rstrip("\0")
    if not username and not token:
        return None
    return Login(username=username, password=password, identity_token=token)


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    try:
        document = json.loads(text or b"{}")
    except ValueError as error:
        raise RuntimeFault(
            f"{file} is no JSON document", code="E547", answered=str(error)
        ) from error
    if not isinstance(document, dict):
        raise RuntimeFault(f"{file} is no JSON object", code="E547")
    return document


def _write(file: Path, document: Mapping[str, Any], *, owner: tuple[int, int] | None) -> None:
    """0600, in one step; what else stands in the file stays."""
    with faults.point("write login"):
        if not file.parent.is_dir():
            file.parent.mkdir(parents=True, mode=0o700)
            if owner:
                os.chown(file.parent, *owner)
        temporary = files.own_name_beside(file)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600), "w") as target:
            json.dump(document, target, indent="\t")
            if owner:
                os.fchown(target.fileno(), *owner)
        temporary.rename(os.path.realpath(file))


def _broken_helper(helper: str, said: str) -> RuntimeFault:
    shown = "".join(letter if letter.isprintable() else "?" for letter in said)
    return RuntimeFault(
        f"the credential helper `{helper}` does not work",
        code="E547",
        tried=f"run docker-credential-{helper}",
        answered=shown,
        hint="install it, or take it out of ~/.docker/config.json",
    )
