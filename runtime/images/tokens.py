"""How a registry wants to be shown who asks: challenges, basic authentication, bearer tokens.

V50: what a registry may ask for is bounded here. A login goes to the registry's own origin, or to
a token server on the same host or one that is known to belong to it; never to a place that an
answer merely names. Source: the token specification of the distribution project.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from runtime.errors import RuntimeFault
from runtime.images.credentials import basic_header
from runtime.images.http_client import SYSTEM_TLS, Client, Origin, Tls, Unreachable, origin_of
from runtime.values import Login

MAX_TOKEN = 1 << 20
_LEAST_SECONDS = 60
"""A token without an end lives so long, says the specification."""
_EARLY = 5

# Token servers on a host of their own, by the host of the registry
TOKEN_HOSTS = {
    "registry-1.docker.io": ("auth.docker.io",),
    "registry.gitlab.com": ("gitlab.com",),
}
ALLOWED_HOSTS = "PYCOMPOSE_TOKEN_HOSTS"
"""`registry.example.com=login.example.com,...`: further pairs, for own installations."""


class Challenge(NamedTuple):
    """What a 401 says."""

    scheme: str
    """basic or bearer."""
    parameters: Mapping[str, str]


_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Each scheme that a WWW-Authenticate header offers."""
    found = []
    rest = header.strip()
    while rest:
        scheme, _, rest = rest.partition(" ")
        parameters: dict[str, str] = {}
        while match := _PARAMETER.match(rest):
            quoted, plain = match.group(2), match.group(3)
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(match.group(1).lower(), value)
            rest = rest[match.end() :]
        found.append(Challenge(scheme.strip(", ").lower(), parameters))
        rest = rest.strip(" ,")
    return tuple(found)


class _Token(NamedTuple):
    value: str
    until: float


class Authorizer:
    """The Authorization header for one origin, kept and renewed."""

    def __init__(
        self,
        client: Client,
        origin: Origin,
        *,
        tls: Tls = SYSTEM_TLS,
        find_tls: Callable[[Origin], Tls] = lambda origin: SYSTEM_TLS,
        find_login: Callable[[], Login | None],
        environment: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._origin = origin
        self._tls = tls
        self._find_tls = find_tls
        self._find_login = find_login
        self._environment = environment
        self._clock = clock
        self._basic = ""
        self._tokens: dict[str, _Token] = {}

    def header(self, scope: str) -> str:
        """What to send at once; empty before the first challenge."""
        token = self._tokens.get(scope)
        if token is not None and token.until > self._clock():
            return f"Bearer {token.value}"
        return self._basic

    def answer(self, challenge_header: str, scope: str) -> bool:
        """Get ready for another attempt. False when there is nothing more to show.

        Raises RuntimeFault when the token server is not to be trusted, or refuses.
        """
        before = self.header(scope)
        for challenge in parse_challenges(challenge_header):
            if challenge.scheme == "bearer":
                self._tokens.pop(scope, None)
                self._tokens[scope] = self._fetch(challenge, scope)
                return self.header(scope) != before
            if challenge.scheme == "basic":
                login = self._find_login()
                self._basic = basic_header(login) if login is not None and login.username else ""
                return self._basic not in ("", before)
        return False

    def _fetch(self, challenge: Challenge, scope: str) -> _Token:
        realm = challenge.parameters.get("realm", "")
        service = challenge.parameters.get("service", "")
        login = self._find_login()
        trusted = self._check_realm(realm, has_login=login is not None)
        if login is not None and login.identity_token:
            fields = {
                "grant_type": "refresh_token",
                "refresh_token": login.identity_token,
                "service": service,
                "client_id": "pycompose",
                "scope": scope,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            body = urlencode(fields).encode()
            return self._ask("POST", realm, headers, body, trusted)
        query = urlencode([("service", service), *(("scope", one) for one in scope.split())])
        url = realm + ("&" if "?" in realm else "?") + query
        headers = {"Authorization": basic_header(login)} if login is not None else {}
        return self._ask("GET", url, headers, b"", trusted)

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, tls: Tls
    ) -> _Token:
        response = self._client.request(method, url, headers=headers, body=body, tls=tls)
        data = response.read(MAX_TOKEN)
        if response.status in (301, 302, 303, 307, 308):
            raise _untrusted(self._origin, url, "it redirects to another place")
        if response.status != 200:
            said = error_text(data) or f"status {response.status}"
            if response.status == 429 or response.status >= 500:
                raise Unreachable(
                    f"{urlsplit(url).hostname} gives no token for {self._origin} now",
                    code="E544" if response.status == 429 else "E540",
                    answered=said,
                )
            raise RuntimeFault(
                f"{self._origin}: the login was refused",
                code="E542",
                tried=f"get a token from {urlsplit(url).hostname}",
                answered=said,
                hint=f"log in with `pycompose login {self._origin}`",
            )
        return self._parse(data, url)

    def _parse(self, data: bytes, url: str) -> _Token:
        try:
            document = json.loads(data)
            value = document.get("token") or document["access_token"]
            seconds = float(document.get("expires_in") or _LEAST_SECONDS)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _untrusted(self._origin, url, "its answer is no token") from error
        if not isinstance(value, str) or not value.isprintable() or " " in value:
            raise _untrusted(self._origin, url, "its answer is no token")
        return _Token(value, self._clock() + max(seconds, _LEAST_SECONDS) - _EARLY)

    def _check_realm(self, realm: str, *, has_login: bool) -> Tls:
        """Raises RuntimeFault unless a login, or the question alone, may go there."""
        try:
            origin = origin_of(urlsplit(realm))
        except ValueError as error:
            raise _untrusted(self._origin, realm, "it has no usable address") from error
        if origin.scheme != "https" and self._origin.scheme == "https":
            raise _untrusted(self._origin, realm, "it is without TLS")
        if origin.host == self._origin.host:
            return self._tls
        if origin.scheme != "https":
            raise _untrusted(self._origin, realm, "it is without TLS, and on another host")
        if has_login and origin.host not in self._known_hosts():
            raise RuntimeFault(
                f"{self._origin} wants your login to be sent to {origin}, which is not known to"
                " belong to it",
                code="E543",
                hint=f"if it does, set {ALLOWED_HOSTS}={self._origin.host}={origin.host}",
            )
        return self._find_tls(origin)

    def _known_hosts(self) -> tuple[str, ...]:
        given = self._environment.get(ALLOWED_HOSTS, "")
        pairs = [pair.strip().partition("=") for pair in given.split(",")]
        further = tuple(host for name, _, host in pairs if name == self._origin.host)
        return (*TOKEN_HOSTS.get(self._origin.host, ()), *further)


def error_text(data: bytes) -> str:
    """What a registry says was wrong, in one line (V46: it is anybody's text)."""
    try:
        document: Any = json.loads(data)
        errors = document.get("errors") if isinstance(document, dict) else None
        if errors:
            texts = [f"{one.get('code', '')}: {one.get('message', '')}" for one in errors]
            text = "; ".join(texts)
        else:
            text = str(document.get("details") or document.get("message") or "")
    except (ValueError, AttributeError, TypeError):
        text = data[:200].decode("utf-8", "replace") if data[:1] != b"<" else ""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:400]


def _untrusted(origin: Origin, realm: str, problem: str) -> RuntimeFault:
    shown = "".join(letter if letter.isprintable() else "?" for letter in realm[:200])
    return RuntimeFault(
        f"{origin} names a token server that is not to be trusted: {problem}",
        code="E543",
        tried="get a token",
        answered=shown,
    )
