"""One HTTP/1.1 exchange after the other over kept connections: h11 for the protocol, sockets for
the bytes. Follows no redirect, repeats nothing, knows no registry: registry.py decides all that.

Blocking, meant for worker threads; `Cancellation` ends whatever waits in any of them. Bodies whose
length is known go from the socket to the reader without passing through h11.
"""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

import h11

from runtime.errors import RuntimeFault, describe_errno

if TYPE_CHECKING:  # a registry on this machine is mostly asked without TLS
    import ssl

CONNECT_SECONDS = 15.0
IDLE_SECONDS = 60.0
"""Without a byte for so long, a connection counts as stalled."""
SMALL_SECONDS = 120.0
"""For a manifest or a token, from its first byte to its last."""
_READ = 1 << 18
_MAX_HEAD = 128 << 10
_AGENT = "pycompose"


class Unreachable(RuntimeFault):
    """Nobody answered, or not to the end: worth another attempt."""


class Stalled(Unreachable):
    """Connected, and then not a byte for too long."""


class NobodyListens(Unreachable):
    """This machine itself says so: worth another attempt only where somebody did until now."""


class UnknownHost(RuntimeFault):
    """The resolver is sure that there is no such name: not worth another attempt."""


class BadCertificate(RuntimeFault):
    """The server is not who it says: not worth another attempt."""


class Cancelled(RuntimeFault):
    """The caller wants the answer no more."""

    def __init__(self) -> None:
        super().__init__("interrupted", code="E549")


class Origin(NamedTuple):
    """Scheme, host and port: as far as credentials may go (V50)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def origin_of(url: SplitResult) -> Origin:
    """Raises ValueError for anything but http and https with a host."""
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"not an address of the web: {url.geturl()[:200]}")
    return Origin(url.scheme, url.hostname, url.port or {"https": 443, "http": 80}[url.scheme])


class Tls(NamedTuple):
    """How a server proves who it is, and we to it. Paths of PEM files."""

    verify: bool = True
    authorities: tuple[Path, ...] = ()
    """In addition to those of the system."""
    certificates: tuple[tuple[Path, Path], ...] = ()
    """(certificate, key) that we show."""


SYSTEM_TLS = Tls()
"""The authorities that the machine trusts."""

_Key: TypeAlias = tuple[Origin, Tls]


class Cancellation:
    """Ends what several threads wait for: their sockets are shut."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._parts: list[Cancellation] = []

    def part(self) -> Cancellation:
        """A piece of the work that can be given up by itself, and is with the whole."""
        part = Cancellation()
        with self._lock:
            self._parts.append(part)
        if self._event.is_set():
            part.cancel()
        return part

    def cancel(self) -> None:
        self._event.set()
        with self._lock:
            for part in self._parts:
                part.cancel()
            for connection in self._sockets:
                try:
                    # Not TLS's own shutdown: its state belongs to the thread that reads
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                except OSError:
                    continue

    def check(self) -> None:
        """Raises Cancelled."""
        if self._event.is_set():
            raise Cancelled

    def pause(self, seconds: float) -> None:
        """Wait; raises Cancelled as soon as nobody wants it any more."""
        if self._event.wait(seconds):
            raise Cancelled

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.add(connection)
        self.check()

    def remove(self, connection: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(connection)


class Response:
    """Status and headers; the body is read through `chunks` or `read`, to its end or never."""

    def __init__(self, connection: _Connection, head: h11.Response, method: str) -> None:
        self.status = int(head.status_code)
        self.headers: dict[str, str] = {}
        for name, value in head.headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        self._connection = connection
        self._is_over = False
        has_body = method != "HEAD" and self.status not in (204, 304) and self.status >= 200
        self.length = self._find_length() if has_body else 0

    def _find_length(self) -> int | None:
        if "transfer-encoding" in self.headers:
            return None
        text = self.headers.get("content-length", "")
        return int(text) if text.isdigit() else None

    def chunks(self) -> Iterator[bytes]:
        """Raises Unreachable when the body breaks off."""
        if not self._is_over:
            yield from self._connection.read_body(self.length)
            self.finish()

    def finish(self) -> None:
        """The body was read: from here on the connection is somebody else's."""
        if not self._is_over:
            self._is_over = True
            self._connection.end_exchange()

    def read(self, limit: int) -> bytes:
        """A small body, whole. Raises RuntimeFault above `limit` bytes (V54), Unreachable when it
        only trickles."""
        body = b""
        end = time.monotonic() + SMALL_SECONDS
        for chunk in self.chunks():
            body += chunk
            if time.monotonic() > end:
                self.close()
                raise Unreachable(
                    "an answer does not come to its end",
                    code="E540",
                    tried=f"read it for {SMALL_SECONDS:.0f} s",
                    answered=f"{len(body)} bytes",
                )
            if len(body) > limit:
                self.close()
                raise RuntimeFault(
                    f"the answer has more than {limit} bytes", code="E546", tried="read it"
                )
        return body

    def close(self) -> None:
        """Without reading what is left."""
        if not self._is_over:
            self._is_over = True
            self._connection.close()


class Client:
    """Connections, kept per origin. For any number of threads."""

    def __init__(
        self,
        cancellation: Cancellation,
        *,
        environment: Mapping[str, str] | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._cancellation = cancellation
        self._environment = os.environ if environment is None else environment
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._kept: dict[_Key, list[_Connection]] = {}

    def close(self) -> None:
        with self._lock:
            kept, self._kept = self._kept, {}
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] = b"",
        length: int | None = None,
        tls: Tls = SYSTEM_TLS,
    ) -> Response:
        """Send and read the head of the answer. A streamed body needs its `length`.

        Raises Unreachable, NobodyListens, UnknownHost, BadCertificate, Cancelled.
        """
        self._cancellation.check()
        parts = urlsplit(url)
        origin = origin_of(parts)
        key = (origin, tls)
        while (kept := self._take(key)) is not None:
            try:
                return self._exchange(kept, origin, method, parts, headers, body, length)
            except Unreachable:
                # The server had closed it meanwhile. A streamed body is gone by now
                if not isinstance(body, bytes):
                    raise
                self._cancellation.check()
        connection = self._connect(origin, tls)
        return self._exchange(connection, origin, method, parts, headers, body, length)

    def _take(self, key: _Key) -> _Connection | None:
        with self._lock:
            waiting = self._kept.get(key)
            return waiting.pop() if waiting else None

    def _keep(self, key: _Key, connection: _Connection) -> None:
        with self._lock:
            self._kept.setdefault(key, []).append(connection)

    def _exchange(
        self,
        connection: _Connection,
        origin: Origin,
        method: str,
        url: SplitResult,
        headers: Mapping[str, str] | None,
        body: bytes | Iterable[bytes],
        length: int | None,
    ) -> Response:
        fields = {
            "Host": str(origin),
            "User-Agent": _AGENT,
            "Accept-Encoding": "identity",
            **(headers or {}),
        }
        if isinstance(body, bytes):
            length = len(body)
        if length or method in ("POST", "PUT", "PATCH"):
            fields["Content-Length"] = str(length or 0)
        return connection.exchange(method, url, fields, body)

    def _connect(self, origin: Origin, tls: Tls) -> _Connection:
        proxy = find_proxy(self._environment, origin)
        host, port = (proxy.hostname or "", proxy.port or 3128) if proxy else origin[1:]
        plain = self._open_socket(host, port)
        connection = _Connection(plain, self._cancellation, str(origin), self._idle_seconds)
        connection.on_idle = lambda: self._keep((origin, tls), connection)
        try:
            if proxy and origin.scheme == "https":
                connection.open_tunnel(origin, _proxy_headers(proxy))
            elif proxy:
                connection.absolute = True
                connection.proxy_headers = _proxy_headers(proxy)
            if origin.scheme == "https":
                connection.start_tls(origin.host, tls)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_socket(self, host: str, port: int) -> socket.socket:
        """The first of the host's addresses that answers."""
        started = time.monotonic()
        failure = OSError("it has no address")
        try:
            # As bytes where it can be: else Python loads the tables of all alphabets first
            name = host.encode() if host.isascii() else host
            addresses = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise _unresolved(host, port, error) from error
        for family, kind, protocol, _, address in addresses:
            plain = socket.socket(family, kind, protocol)
            plain.settimeout(CONNECT_SECONDS)
            try:
                self._cancellation.add(plain)  # from here on it can be interrupted
                plain.connect(address)
                return plain
            except BaseException as error:
                self._cancellation.remove(plain)
                plain.close()
                self._cancellation.check()
                if not isinstance(error, OSError):
                    raise
                failure = error
        raise _unreachable(host, port, failure, started) from failure


class _Connection:
    def __init__(
        self, plain: socket.socket, cancellation: Cancellation, peer: str, idle: float
    ) -> None:
        self._socket: socket.socket = plain
        self._cancellation = cancellation
        self._peer = peer
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._keeps = False
        self.on_idle: Callable[[], None] = lambda: None
        self.absolute = False
        self.proxy_headers: dict[str, str] = {}
        plain.settimeout(idle)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._cancellation.remove(self._socket)
        self._socket.close()

    # --- opening

    def open_tunnel(self, origin: Origin, headers: Mapping[str, str]) -> None:
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}"
        head = self._send_and_receive("CONNECT", target, {"Host": target, **headers}, b"")
        if head.status_code != 200:
            raise Unreachable(
                f"the proxy does not connect to {target}",
                code="E540",
                answered=f"{head.status_code} {bytes(head.reason).decode('latin-1')}",
                hint="check HTTPS_PROXY and NO_PROXY",
            )

    def start_tls(self, host: str, tls: Tls) -> None:
        import ssl

        plain = self._socket
        self._socket = make_context(tls).wrap_socket(
            plain, server_hostname=host, do_handshake_on_connect=False
        )
        self._cancellation.remove(plain)
        self._cancellation.add(self._socket)
        try:
            self._socket.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise BadCertificate(
                f"the certificate of {self._peer} is not to be trusted",
                code="E541",
                tried=f"open a TLS connection to {self._peer}",
                answered=error.verify_message,
                hint="put its authority's certificate into"
                f" /etc/docker/certs.d/{self._peer}/ca.crt",
            ) from error
        except OSError as error:
            self._cancellation.check()
            raise Unreachable(
                f"{self._peer} does not speak TLS with us",
                code="E540",
                tried=f"open a TLS connection to {self._peer}",
                answered=str(getattr(error, "reason", "") or error),
            ) from error

    # --- one exchange

    def exchange(
        self,
        method: str,
        url: SplitResult,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes],
    ) -> Response:
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        if self.absolute:
            path = f"http://{headers['Host']}{path}"
        head = self._send_and_receive(method, path, {**headers, **self.proxy_headers}, body)
        closes = any(
            name == b"connection" and b"close" in value.lower() for name, value in head.headers
        )
        self._keeps = not closes and head.http_version >= b"1.1"
        response = Response(self, head, method)
        if response.length == 0:
            response.finish()
        return response

    def _send_and_receive(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes],
    ) -> h11.Response:
        # A new one for each exchange: bodies are read past it
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        try:
            request = h11.Request(method=method, target=target, headers=list(headers.items()))
        except h11.LocalProtocolError as error:
            raise RuntimeFault(f"cannot ask {self._peer}: {error}", code="E546") from error
        try:
            self._send(self._protocol.send(request))
            for chunk in (body,) if isinstance(body, bytes) else body:
                if chunk:
                    self._send(self._protocol.send(h11.Data(data=chunk)))
            self._send(self._protocol.send(h11.EndOfMessage()))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may have answered before it hung up: a refusal of a large body
        except OSError as error:
            raise self._broken(error) from error
        return self._receive_head()

    def _send(self, data: bytes | None) -> None:
        if data:
            self._socket.sendall(data)

    def _receive_head(self) -> h11.Response:
        while True:
            event = self._next_event()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise self._broken(None)

    def _next_event(self) -> Any:
        while True:
            try:
                event = self._protocol.next_event()
            except h11.RemoteProtocolError as error:
                raise self._broken(error) from error
            if event is not h11.NEED_DATA:
                return event
            data = self._receive()
            self._protocol.receive_data(data)
            if not data and self._protocol.their_state is h11.SEND_RESPONSE:
                raise self._broken(None)

    def _receive(self, size: int = _READ) -> bytes:
        self._cancellation.check()
        try:
            return self._socket.recv(size)
        except OSError as error:
            raise self._broken(error) from error

    def read_body(self, length: int | None) -> Iterator[bytes]:
        if length is None:
            yield from self._read_framed_body()
        else:
            yield from self._read_body_of(length)

    def _read_framed_body(self) -> Iterator[bytes]:
        while True:
            event = self._next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                return

    def _read_body_of(self, left: int) -> Iterator[bytes]:
        data, _ = self._protocol.trailing_data
        while left > 0:
            data = data[:left] or self._receive(min(_READ, left))
            if not data:
                raise self._broken(None)
            left -= len(data)
            yield data
            data = b""

    def end_exchange(self) -> None:
        if self._keeps:
            self.on_idle()
        else:
            self.close()

    def _broken(self, error: BaseException | None) -> Unreachable:
        self.close()
        self._cancellation.check()
        is_stall = isinstance(error, TimeoutError)
        return (Stalled if is_stall else Unreachable)(
            f"{self._peer} {'sends nothing any more' if is_stall else 'broke off'}",
            code="E540",
            tried=f"talk to {self._peer}",
            answered="nothing" if is_stall else str(error or "end of the connection"),
        )


@lru_cache(maxsize=64)
def make_context(tls: Tls) -> ssl.SSLContext:
    """Raises RuntimeFault for a certificate file that cannot be read."""
    import ssl

    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for authority in tls.authorities:
            context.load_verify_locations(authority)
        for certificate, key in tls.certificates:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = [*tls.authorities, *(path for pair in tls.certificates for path in pair)]
        raise RuntimeFault(
            f"cannot use the certificates in {files[0].parent}", code="E541", answered=str(error)
        ) from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def find_proxy(environment: Mapping[str, str], origin: Origin) -> SplitResult | None:
    """HTTP_PROXY, HTTPS_PROXY and NO_PROXY as curl reads them; never for this machine itself."""
    names = (f"{origin.scheme}_proxy", f"{origin.scheme.upper()}_PROXY")
    text = next((environment[name] for name in names if environment.get(name)), "")
    if not text or is_loopback(origin.host) or _is_exempt(environment, origin):
        return None
    proxy = urlsplit(text if "://" in text else f"http://{text}")
    return proxy if proxy.hostname else None


def is_loopback(host: str) -> bool:
    """Whether it can only be this machine."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_exempt(environment: Mapping[str, str], origin: Origin) -> bool:
    text = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    for entry in text.split(","):
        name = entry.strip().lower()
        if name == "*" or _matches(name, origin):
            return True
    return False


def _matches(name: str, origin: Origin) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(origin.host) in ipaddress.ip_network(name)
    except ValueError:
        pass
    host, _, port = name.partition(":")
    host = host.removeprefix("*").removeprefix(".")
    if not host or (port and port != str(origin.port)):
        return False
    return origin.host == host or origin.host.endswith(f".{host}")


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _unreachable(host: str, port: int, error: OSError, started: float) -> Unreachable:
    peer = f"{host}:{port}"
    waited = time.monotonic() - started
    is_final = isinstance(error, ConnectionRefusedError) and is_loopback(host)
    return (NobodyListens if is_final else Unreachable)(
        f"cannot reach {peer}",
        code="E540",
        tried=f"connect to {peer}",
        answered=_answer(error, waited),
    )


def _answer(error: OSError, waited: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer for {waited:.0f} s"
    import ssl  # late: who needs no TLS has not loaded it

    # the number of an SSLError is OpenSSL's
    return str(error) if isinstance(error, ssl.SSLError) else describe_errno(error)


def _unresolved(host: str, port: int, error: OSError) -> RuntimeFault:
    """A resolver that cannot say whether there is such a name (EAI_AGAIN) may know it soon."""
    is_sure = error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
    return (UnknownHost if is_sure else Unreachable)(
        f"cannot reach {host}:{port}",
        code="E540",
        tried=f"find the address of {host}",
        answered=error.strerror or str(error),
        hint="check the registry's name in the image reference, and HTTPS_PROXY if it is set",
    )
