"""One repository of one registry: manifests and blobs, there and back.

Decides what is repeated (R30), where a redirect may lead and what goes with it (V50), and turns
answers into errors. Blocking, for any number of threads. Source: the OCI distribution
specification.
"""

from __future__ import annotations

import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

from runtime.errors import NotFound, RuntimeFault
from runtime.images import digests, manifest
from runtime.images.blobs import Partial
from runtime.images.http_client import (
    SYSTEM_TLS,
    Cancellation,
    Client,
    NobodyListens,
    Origin,
    Response,
    Stalled,
    Tls,
    Unreachable,
    is_loopback,
    origin_of,
)
from runtime.images.reference import is_tag
from runtime.images.registries_conf import Endpoint
from runtime.images.tokens import Authorizer, error_text
from runtime.values import Login

T = TypeVar("T")

ATTEMPTS = 5
MAX_REDIRECTS = 5
_MAX_LOGINS = 3
"""For one request: a token may end between its coming and its use."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0
_LONGEST_OBEYED = 120.0
"""Of a Retry-After; a registry that wants more gets the error instead."""
_MAX_ERROR = 64 << 10
_REPEATED = frozenset((408, 429, 500, 502, 503, 504))
_HINTS = {
    413: "a server before the registry takes no upload of this size: see `client_max_body_size` of"
    " nginx"
}
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SINGLE_UPLOAD = 16 << 20
_PIECE = 16 << 20
_TAGS_AT_ONCE, _MAX_PAGES, _MAX_TAGS_PAGE = 1000, 1000, 4 << 20
_NEXT = re.compile(r'\s*<([^>]*)>\s*;\s*rel="?next"?')
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")


class Tries(NamedTuple):
    """How failures are waited out."""

    attempts: int = ATTEMPTS
    first_pause: float = _FIRST_PAUSE
    random: Callable[[], float] = random.random

    def pause(self, attempt: int) -> float:
        """Seconds before the next attempt: doubled each time, between half and all of it."""
        longest: float = min(self.first_pause * 2.0**attempt, _LONGEST_PAUSE)
        return longest * (0.5 + self.random() / 2)


class Fetched(NamedTuple):
    """A manifest as it came."""

    data: bytes
    media_type: str
    digest: str


DEFAULT_TRIES = Tries()


class _TryAgain(Exception):
    """An answer that another attempt may improve."""

    def __init__(self, fault: RuntimeFault, after: float | None = None) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.after = after


class Repository:
    """What can be done with `host/path`."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: Client,
        cancellation: Cancellation,
        *,
        find_login: Callable[[], Login | None] = lambda: None,
        find_tls: Callable[[Origin], Tls] = lambda origin: SYSTEM_TLS,
        environment: Mapping[str, str] | None = None,
        actions: str = "pull",
        tries: Tries = DEFAULT_TRIES,
    ) -> None:
        self.endpoint = endpoint
        self._client = client
        self.cancellation = cancellation
        self._find_login = find_login
        self._find_tls = find_tls
        self._environment = environment or {}
        self._scope = f"repository:{endpoint.path}:{actions}"
        self._tries = tries
        self._base: str | None = None
        self._may_be_tls = False
        self._has_answered = False
        self._lock = threading.Lock()
        self._authorizer: Authorizer | None = None

    def __str__(self) -> str:
        return f"{self.endpoint.key}/{self.endpoint.path}"

    # --- manifests

    def fetch_manifest(self, name: str) -> Fetched:
        """By tag or digest, verified. Raises NotFound, BadDigest, RuntimeFault."""
        response, data = self._small("GET", self._manifest_path(name), manifest.MAX_MANIFEST)
        if response.headers.get("content-type", "").startswith("text/html"):
            raise RuntimeFault(
                f"{self.endpoint.host} answers with a web page, and not as a registry",
                code="E546",
                tried=f"get {self._subject(self._manifest_path(name))}",
                hint="a proxy or a login page may stand between",
            )
        found = digests.digest_of(data)
        asked = name if digests.is_digest(name) else response.headers.get("docker-content-digest")
        if asked and asked.startswith("sha256:"):
            digests.verify(f"the manifest of {self}", expected=asked, found=found)
        return Fetched(data, response.headers.get("content-type", ""), asked or found)

    def find_digest(self, name: str) -> str:
        """The digest that a tag has now, without fetching it; empty when the registry does not say,
        or does not know the question.

        Costs no share of a rate limit. Raises NotFound, RuntimeFault.
        """
        try:
            response, _ = self._small("HEAD", self._manifest_path(name), 0)
        except RuntimeFault as fault:
            if fault.code != "E546":
                raise
            return ""  # some proxies pass no HEAD on
        found = response.headers.get("docker-content-digest", "")
        return found if digests.is_digest(found) else ""

    def find_tags(self) -> tuple[str, ...]:
        """Every tag, in the registry's order, however many pages they fill. Raises NotFound."""
        found: list[str] = []
        path = f"tags/list?n={_TAGS_AT_ONCE}"
        for _ in range(_MAX_PAGES):
            response, data = self._small("GET", path, _MAX_TAGS_PAGE)
            found += self._parse_tags(data)
            path = _next_page(response)
            if not path:
                return tuple(dict.fromkeys(found))
        raise RuntimeFault(f"{self} lists its tags without end", code="E546")

    def _parse_tags(self, data: bytes) -> list[str]:
        """V52: what is no tag would be part of an address later."""
        try:
            tags = json.loads(data)["tags"] or []
        except (ValueError, KeyError, TypeError) as error:
            raise RuntimeFault(f"{self} sends no list of tags", code="E546") from error
        if not isinstance(tags, list) or not all(map(is_tag, tags)):
            raise RuntimeFault(f"{self} lists tags that are none", code="E546")
        return tags

    def put_manifest(self, name: str, data: bytes, media_type: str) -> str:
        """Returns the digest. Raises RuntimeFault."""
        path = self._manifest_path(name)
        headers = {"Content-Type": media_type}
        self._small("PUT", path, _MAX_ERROR, headers=headers, body=data, expected=(200, 201, 202))
        return digests.digest_of(data)

    def _manifest_path(self, name: str) -> str:
        return f"manifests/{quote(name, safe=':')}"

    # --- blobs, down

    def fetch_small_blob(self, digest: str, limit: int) -> bytes:
        """One that is kept in memory, verified. Raises NotFound, BadDigest, RuntimeFault."""
        _, data = self._small("GET", f"blobs/{digest}", limit)
        measured = digests.new_hash(digest)
        measured.update(data)
        found = f"{digest.partition(':')[0]}:{measured.hexdigest()}"
        digests.verify(f"a blob of {self}", expected=digest, found=found)
        return data

    def fetch_blob(
        self, digest: str, size: int, partial: Partial, on_bytes: Callable[[int], None]
    ) -> None:
        """Append what is missing to the partial file, however often the line breaks (R30).

        Gives up after several attempts that brought nothing. Raises NotFound, RuntimeFault.
        """
        failures = 0
        while partial.size < size:
            before = partial.size
            try:
                self._fetch_rest(digest, size, partial, on_bytes)
            except Unreachable as fault:
                failures = 1 if partial.size > before else failures + 1
                if failures >= self._tries.attempts:
                    raise
                self._wait(failures - 1, None, fault)

    def _fetch_rest(
        self, digest: str, size: int, partial: Partial, on_bytes: Callable[[int], None]
    ) -> None:
        headers = {"Range": f"bytes={partial.size}-"} if partial.size else {}
        expected = (200, 206) if partial.size else (200,)
        response = self._ask("GET", f"blobs/{digest}", headers=headers, expected=(*expected, 416))
        if response.status == 416:
            response.close()
            partial.restart()
            return
        if response.status == 206:
            self._check_range(response, partial.size)
        elif partial.size:
            on_bytes(-partial.size)
            partial.restart()
        try:
            for chunk in response.chunks():
                if partial.size + len(chunk) > size:
                    raise self._wrong_length(digest, size)
                partial.append(chunk)
                on_bytes(len(chunk))
        finally:
            response.close()
        if partial.size < size and response.length is not None:
            raise self._wrong_length(digest, size)

    def _check_range(self, response: Response, start: int) -> None:
        match = _RANGE.match(response.headers.get("content-range", ""))
        if match is None or int(match.group(1)) != start:
            response.close()
            raise RuntimeFault(
                f"{self} answers with another part of a blob than was asked for", code="E546"
            )

    def _wrong_length(self, digest: str, size: int) -> RuntimeFault:
        return digests.BadDigest(
            f"{self} sends a blob that has not the {size} bytes announced",
            code="E511",
            tried=f"fetch {digest}",
            hint="it was damaged on the way, or in the registry; try again",
        )

    # --- blobs, up

    def has_blob(self, digest: str) -> bool:
        response = self._ask("HEAD", f"blobs/{digest}", expected=(200, 404))
        response.close()
        return response.status == 200

    def mount_blob(self, digest: str, source: str) -> str:
        """Take it over from another repository of the same registry. Returns "" when that worked,
        else the address to upload it to."""
        query = urlencode({"mount": digest, "from": source})
        scope = f"repository:{source}:pull {self._scope}"
        response = self._ask("POST", f"blobs/uploads/?{query}", expected=(201, 202), scope=scope)
        return "" if response.status == 201 else self._location(response)

    def start_upload(self) -> str:
        """The address to upload a blob to."""
        return self._location(self._ask("POST", "blobs/uploads/", expected=(202,)))

    def upload_blob(
        self,
        digest: str,
        size: int,
        read: Callable[[int, int], Iterable[bytes]],
        *,
        to: str,
        on_bytes: Callable[[int], None],
    ) -> None:
        """`read(offset, length)` gives a part of the blob. Small ones go in one request, large ones
        in pieces, so that a broken line costs one piece alone."""
        sent = 0
        while size > _SINGLE_UPLOAD and sent < size:
            to, sent = self._upload_piece(to, sent, size, read, on_bytes)
        rest = size - sent
        address = _with_query(to, digest=digest)
        self._upload("PUT", address, lambda: read(sent, rest), rest, {}, (201, 204))
        on_bytes(rest)

    def _upload_piece(
        self,
        to: str,
        sent: int,
        size: int,
        read: Callable[[int, int], Iterable[bytes]],
        on_bytes: Callable[[int], None],
    ) -> tuple[str, int]:
        length = min(_PIECE, size - sent)
        headers = {"Content-Range": f"{sent}-{sent + length - 1}"}
        response = self._upload(
            "PATCH", to, lambda: read(sent, length), length, headers, (202, 204, 416)
        )
        if response.status == 416:  # an attempt before this one did arrive
            response = self._ask("GET", to, expected=(204, 202))
        arrived = _arrived(response, sent + length)
        on_bytes(arrived - sent)
        return self._location(response), arrived

    def _upload(
        self,
        method: str,
        to: str,
        read: Callable[[], Iterable[bytes]],
        length: int,
        headers: Mapping[str, str],
        expected: tuple[int, ...],
    ) -> Response:
        return self._ask(
            method,
            to,
            headers={"Content-Type": "application/octet-stream", **headers},
            body=read,
            length=length,
            expected=expected,
        )

    def _location(self, response: Response) -> str:
        response.close()
        location = response.headers.get("location", "")
        if not location:
            raise RuntimeFault(f"{self} does not say where to upload to", code="E546")
        return self._within(urljoin(self._url(""), location))

    def _within(self, url: str) -> str:
        """Blobs go to where the registry is, or at least to where TLS is."""
        try:
            origin = origin_of(urlsplit(url))
        except ValueError as error:
            raise RuntimeFault(f"{self}: {error}", code="E546") from error
        if origin.scheme == "http" and self._origin.scheme == "https":
            if origin.host != self._origin.host:
                raise RuntimeFault(f"{self} wants an upload without TLS to {origin}", code="E546")
            # Behind a proxy that ends TLS, many registries name themselves so
            return urlsplit(url)._replace(scheme="https", netloc=str(self._origin)).geturl()
        return url

    # --- asking

    def check_login(self) -> None:
        """Whether the registry takes our login. Raises RuntimeFault."""
        self._scope = ""
        try:
            self._small("GET", "/v2/", _MAX_ERROR)
        except RuntimeFault as fault:
            if fault.code == "E542":
                fault.message = f"{self.endpoint.key} does not accept this name and password"
                fault.hint = "some registries want an access token in place of the password"
            raise

    @property
    def _origin(self) -> Origin:
        return _origin_of(self._url(""))

    def _url(self, path: str) -> str:
        if "://" in path:
            return path
        if self._base is None:
            self._base = self._find_base()
        if path.startswith("/"):
            return f"{self._base}{path}"
        return f"{self._base}/v2/{self.endpoint.path}/{path}"

    def _find_base(self) -> str:
        """https, and http only where that was allowed."""
        secure = f"https://{self.endpoint.host}"
        if not self.endpoint.insecure:
            return secure
        if is_loopback(urlsplit(secure).hostname or ""):
            # Mostly without TLS, and nobody listens in between: the first answer tells
            self._may_be_tls = True
            return f"http://{self.endpoint.host}"
        try:
            self._client.request("GET", f"{secure}/v2/", tls=self.endpoint.tls).read(_MAX_ERROR)
        except Unreachable:
            return f"http://{self.endpoint.host}"
        return secure

    def _small(
        self,
        method: str,
        path: str,
        limit: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        expected: tuple[int, ...] = (200,),
    ) -> tuple[Response, bytes]:
        """An answer with its body. A body that breaks off is asked for again."""

        def attempt() -> tuple[Response, bytes]:
            response = self._send(method, path, headers, lambda: body, None, expected, self._scope)
            return response, response.read(limit)

        return self._tried(attempt)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Callable[[], bytes | Iterable[bytes]] = bytes,
        length: int | None = None,
        expected: tuple[int, ...],
        scope: str = "",
    ) -> Response:
        chosen = scope or self._scope
        return self._tried(
            lambda: self._send(method, path, headers, body, length, expected, chosen)
        )

    def _tried(self, attempt: Callable[[], T]) -> T:
        """Until it works, or there is no point in going on."""
        number = 0
        while True:
            try:
                return attempt()
            except Unreachable as fault:
                if isinstance(fault, NobodyListens) and not self._has_answered:
                    raise
                again = _TryAgain(fault)
            except _TryAgain as error:
                again = error
            number += 1
            if number >= self._tries.attempts:
                raise again.fault
            self._wait(number - 1, again.after, again.fault)

    def _wait(self, attempt: int, after: float | None, fault: RuntimeFault) -> None:
        """Raises the fault itself when the registry wants more patience than anybody has."""
        if after is not None and after > _LONGEST_OBEYED:
            raise fault
        self.cancellation.pause(self._tries.pause(attempt) if after is None else after)

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        body: Callable[[], bytes | Iterable[bytes]],
        length: int | None,
        expected: tuple[int, ...],
        scope: str,
    ) -> Response:
        """One attempt, with its logins and redirects."""
        url = self._url(path)
        logins = redirects = 0
        while True:
            is_home = _origin_of(url) == self._origin
            fields = self._headers(headers, scope, is_home=is_home)
            try:
                response = self._client.request(
                    method,
                    url,
                    headers=fields,
                    body=body(),
                    length=length,
                    tls=self.endpoint.tls if is_home else self._find_tls(_origin_of(url)),
                )
            except (Stalled, NobodyListens):
                raise  # a TLS server has an answer to a plain request, or hangs up
            except Unreachable:
                if not self._turns_to_tls(url, None):
                    raise
                url = self._url(path)
                continue
            self._has_answered = True
            if self._turns_to_tls(url, response):
                response.close()
                url = self._url(path)
            elif response.status in _REDIRECTS and response.status not in expected:
                redirects += 1
                url = self._redirected(url, response, redirects)
            elif response.status == 401 and is_home and logins < _MAX_LOGINS:
                logins += 1
                said = error_text(response.read(_MAX_ERROR))
                if not self._log_in(response, scope, sent=fields.get("Authorization", "")):
                    raise self._denied(path, 401, said)
            else:
                return self._judged(response, method, path, expected)

    def _turns_to_tls(self, url: str, response: Response | None) -> bool:
        """Whether the first answer of a registry on this machine was that of a TLS server: a
        complaint in plain text, or none."""
        with self._lock:
            origin, home = _origin_of(url), self._origin
            if origin.scheme == "http" and home == origin._replace(scheme="https"):
                return True  # another thread has found out meanwhile
            if not self._may_be_tls:
                return False
            self._may_be_tls = False
            if response is not None:
                kind = response.headers.get("content-type", "")
                if response.status != 400 or "json" in kind:
                    return False
            self._base = f"https://{self.endpoint.host}"
            return True

    def _headers(
        self, headers: Mapping[str, str] | None, scope: str, *, is_home: bool
    ) -> dict[str, str]:
        """V50: a login goes to the registry's own scheme, host and port, and nowhere else."""
        fields = {"Accept": ", ".join((*manifest.ACCEPTED, "*/*")), **(headers or {})}
        if is_home and self._authorizer and (header := self._authorizer.header(scope)):
            fields["Authorization"] = header
        return fields

    def _log_in(self, response: Response, scope: str, *, sent: str) -> bool:
        challenge = response.headers.get("www-authenticate", "")
        with self._lock:
            if self._authorizer is None:
                self._authorizer = Authorizer(
                    self._client,
                    self._origin,
                    tls=self.endpoint.tls,
                    find_tls=self._find_tls,
                    find_login=self._find_login,
                    environment=self._environment,
                )
            if self._authorizer.header(scope) not in ("", sent):
                return True  # another thread was asked the same meanwhile
            return self._authorizer.answer(challenge, scope)

    def _redirected(self, url: str, response: Response, count: int) -> str:
        location = response.headers.get("location", "")
        response.close()
        try:
            target = urljoin(url, location)
            before, after = origin_of(urlsplit(url)), origin_of(urlsplit(target))
        except ValueError as error:
            raise RuntimeFault(f"{self} redirects to nowhere", code="E546") from error
        if not location or count > MAX_REDIRECTS:
            raise RuntimeFault(f"{self} redirects without end", code="E546", answered=str(after))
        if before.scheme == "https" and after.scheme == "http" and not is_loopback(after.host):
            raise RuntimeFault(
                f"{self} redirects to a place without TLS", code="E546", answered=str(after)
            )
        return target

    def _judged(
        self, response: Response, method: str, path: str, expected: tuple[int, ...]
    ) -> Response:
        """Raises what the status means, unless it is one of the expected."""
        status = response.status
        if status in expected:
            return response
        said = error_text(response.read(_MAX_ERROR)) or f"status {status}"
        if status in (401, 403):
            raise self._denied(path, status, said)
        if status == 404:
            raise NotFound(
                f"{self._subject(path)} is not in the registry",
                code="E545",
                tried=f"ask {self.endpoint.host}",
                answered=said,
                hint="check name and tag; a private repository may need `pycompose login"
                f" {self.endpoint.key}`",
            )
        after = _retry_after(response)
        if status == 429:
            raise _TryAgain(self._limited(method, said, after), after)
        fault = RuntimeFault(
            f"{self.endpoint.host} cannot answer",
            code="E540" if status in _REPEATED else "E546",
            tried=f"{method} for {self}",
            answered=said,
            hint=_HINTS.get(status, ""),
        )
        if status in _REPEATED:
            raise _TryAgain(fault, after)
        raise fault

    def _limited(self, method: str, said: str, after: float | None) -> RuntimeFault:
        when = f"it says to come back after {_duration(after)}; " if after else ""
        return RuntimeFault(
            f"{self.endpoint.host} lets us fetch no more for now",
            code="E544",
            tried=f"{method} for {self}",
            answered=said,
            hint=f"{when}a login may have a larger share: `pycompose login {self.endpoint.key}`",
        )

    def _subject(self, path: str) -> str:
        """What a path below the repository is to people."""
        kind, _, name = path.partition("/")
        if kind == "manifests":
            return f"{self}@{name}" if digests.is_digest(name) else f"{self}:{name}"
        if kind == "blobs" and digests.is_digest(name):
            return f"a part of {self}, {name[:19]},"
        return str(self)

    def _denied(self, path: str, status: int, said: str) -> RuntimeFault:
        verb = "push" if "push" in self._scope else "pull"
        return RuntimeFault(
            f"{verb} access denied for {self._subject(path)}:"
            " it does not exist, or needs another login",
            code="E542",
            tried=f"ask {self.endpoint.host}",
            answered=said or f"status {status}",
            hint=f"log in with `pycompose login {self.endpoint.key}`",
        )


def _origin_of(url: str) -> Origin:
    return origin_of(urlsplit(url))


def _retry_after(response: Response) -> float | None:
    """Seconds; the header may also be a date."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit() or not text:
        return float(text) if text else None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _duration(seconds: float) -> str:
    """For people, rounded up: `90 seconds`, `6 hours`."""
    for unit, size in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{math.ceil(seconds / size)} {unit}s"
    return f"{math.ceil(seconds)} seconds"


def _next_page(response: Response) -> str:
    """Path and query of the page that follows, at the same registry; empty after the last."""
    match = _NEXT.match(response.headers.get("link", ""))
    if match is None:
        return ""
    parts = urlsplit(match.group(1))
    return urlunsplit(("", "", parts.path, parts.query, "")) if parts.path.startswith("/") else ""


def _with_query(url: str, **parameters: str) -> str:
    return url + ("&" if "?" in url else "?") + urlencode(parameters)


def _arrived(response: Response, otherwise: int) -> int:
    """How many bytes the registry has, as it says."""
    _, dash, last = response.headers.get("range", "").rpartition("-")
    return int(last) + 1 if dash and last.isdigit() else otherwise
