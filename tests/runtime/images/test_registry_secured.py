"""Registries that want to know who asks, and prove who they are: Debian's docker-registry with logins, tokens, TLS, nginx."""

from __future__ import annotations

import random
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import RuntimeFault
from runtime.images.credentials import Credentials
from runtime.images.http_client import BadCertificate
from runtime.images.reference import parse_reference
from runtime.values import Login
from tests.fakes import certificates, layouts, nginx, registries, scripted_registry, token_server
from tests.fakes.certificates import Pair
from tests.runtime.images.remote import Remote, remote
from tests.runtime.images.tars import Tar

pytestmark = pytest.mark.servers

__all__ = ["remote"]

# anna:secret
HTPASSWD = "anna:$2b$04$mxnv5.SWmEB.pnze/WpAK.9bOK0FPWtiexbGvnccya2Dap198lPW.\n"
IMAGE = layouts.image(Tar().file("one", b"one" * 1000).bytes, Cmd=["sh"])
ANNA = Login(username="anna", password="secret")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secured")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Pair:
    return certificates.authority(folder / "tls")


@pytest.fixture(scope="module")
def server_pair(folder: Path, authority: Pair) -> Pair:
    return certificates.signed(folder / "tls", authority)


@pytest.fixture(scope="module")
def open_registry(folder: Path) -> Iterator[registries.Registry]:
    with registries.serve(folder / "open") as registry:
        registry.add("shop/web:1", IMAGE)
        yield registry


@pytest.fixture(scope="module")
def basic(folder: Path) -> Iterator[registries.Registry]:
    file = folder / "htpasswd"
    file.write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(file)}}
    with registries.serve(folder / "basic", auth=auth) as registry:
        registry.add("shop/web:1", IMAGE, login="anna:secret")
        yield registry


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Iterator[token_server.TokenServer]:
    with token_server.serve(folder / "tokens") as tokens:
        yield tokens


@pytest.fixture(scope="module")
def bearer(folder: Path, tokens: token_server.TokenServer) -> Iterator[registries.Registry]:
    with registries.serve(folder / "bearer", auth=tokens.configuration) as registry:
        registry.add("shop/web:1", IMAGE, login="anna:secret")
        yield registry


@pytest.fixture(scope="module")
def secure(folder: Path, server_pair: Pair) -> Iterator[registries.Registry]:
    tls = {"certificate": str(server_pair.certificate), "key": str(server_pair.key)}
    with registries.serve(folder / "secure", http={"tls": tls}) as registry:
        registry.add("shop/web:1", IMAGE)
        yield registry


def log_in(remote: Remote, host: str, login: Login = ANNA) -> None:
    Credentials(remote.environment).store(host, login)


def trust(remote: Remote, host: str, authority: Pair, client: Pair | None = None) -> Path:
    """In the user's own certs.d."""
    folder = remote.home / ".config" / "containers" / "certs.d" / host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    if client:
        (folder / "client.cert").write_bytes(client.certificate.read_bytes())
        (folder / "client.key").write_bytes(client.key.read_bytes())
    return folder


def round_trip(remote: Remote, host: str) -> None:
    """Pull, push under another name, and pull that."""
    remote.pull(f"{host}/shop/web:1")
    remote.store.tag(f"{host}/shop/web:1", parse_reference(f"{host}/mine/web:2"))
    remote.push(f"{host}/mine/web:2")
    assert remote.pull(f"{host}/mine/web:2").image.manifest_digest == IMAGE.manifest.digest


def refusal(remote: Remote, name: str) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        remote.pull(name)
    return caught.value


# --- logins


def test_basic_authentication(remote: Remote, basic: registries.Registry):
    log_in(remote, basic.host)

    round_trip(remote, basic.host)


def test_without_a_login_nothing_is_given(remote: Remote, basic: registries.Registry):
    fault = refusal(remote, f"{basic.host}/shop/web:1")

    assert fault.code == "E542"
    assert fault.message == (
        f"pull access denied for {basic.host}/shop/web:1: it does not exist, or needs another login"
    )
    assert fault.answered == "UNAUTHORIZED: authentication required"


def test_a_login_is_tried_before_it_is_kept(remote: Remote, basic: registries.Registry):
    with remote.access() as access:
        access.check_login(basic.host, ANNA)
        with pytest.raises(RuntimeFault) as caught:
            access.check_login(basic.host, Login(username="anna", password="wrong"))

    assert caught.value.code == "E542"
    assert caught.value.message == f"{basic.host} does not accept this name and password"


def test_tokens_for_pull_push_and_mount(
    remote: Remote, bearer: registries.Registry, tokens: token_server.TokenServer
):
    log_in(remote, bearer.host)
    tokens.asked.clear()

    round_trip(remote, bearer.host)

    assert sorted(set(tokens.asked)) == [
        "repository:mine/web:pull",
        "repository:mine/web:pull,push",
        "repository:shop/web:pull",
    ]


def test_who_may_only_pull_cannot_push(
    remote: Remote, bearer: registries.Registry, tokens: token_server.TokenServer
):
    name = f"{bearer.host}/shop/web:1"
    remote.pull(name)

    remote.store.tag(name, parse_reference(f"{bearer.host}/mine/denied:1"))
    with pytest.raises(RuntimeFault) as caught:
        remote.push(f"{bearer.host}/mine/denied:1")

    assert caught.value.code == "E542"
    assert caught.value.message.startswith("push access denied for")


def test_a_login_of_a_token_server_is_tried(remote: Remote, bearer: registries.Registry):
    with remote.access() as access:
        access.check_login(bearer.host, ANNA)
        with pytest.raises(RuntimeFault) as caught:
            access.check_login(bearer.host, Login(username="anna", password="wrong"))

    assert caught.value.code == "E542"
    assert caught.value.answered == "incorrect username or password"


# --- helper programs


def helper(remote: Remote, name: str, script: str) -> None:
    program = remote.home / "bin" / f"docker-credential-{name}"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def configure(remote: Remote, text: str) -> None:
    file = remote.home / ".docker" / "config.json"
    file.parent.mkdir()
    file.write_text(text)


def test_a_credential_helper_is_asked_for_the_login(remote: Remote, basic: registries.Registry):
    configure(remote, f'{{"credHelpers": {{"{basic.host}": "safe"}}}}')
    helper(
        remote,
        "safe",
        f'read host; [ "$1 $host" = "get {basic.host}" ] || exit 1\n'
        'echo \'{"ServerURL": "x", "Username": "anna", "Secret": "secret"}\'',
    )

    assert remote.pull(f"{basic.host}/shop/web:1").is_new


def test_a_helper_that_fails_is_named_with_its_words(remote: Remote, basic: registries.Registry):
    configure(remote, '{"credsStore": "broken"}')
    helper(remote, "broken", "echo the safe is locked; exit 1")

    fault = refusal(remote, f"{basic.host}/shop/web:1")

    assert fault.code == "E547"
    assert fault.message == "the credential helper `broken` does not work"
    assert fault.answered == "the safe is locked"


def test_a_helper_that_is_not_needed_is_not_called(
    remote: Remote, open_registry: registries.Registry
):
    configure(remote, '{"credsStore": "missing"}')

    assert remote.pull(f"{open_registry.host}/shop/web:1").is_new


# --- who the registry is


def test_a_registry_with_an_authority_of_its_own(
    remote: Remote, secure: registries.Registry, authority: Pair
):
    trust(remote, secure.host, authority)

    round_trip(remote, secure.host)


def test_a_registry_of_this_machine_needs_no_certificate(
    remote: Remote, secure: registries.Registry
):
    round_trip(remote, secure.host)


def test_a_certificate_of_another_authority_is_refused(
    remote: Remote, secure: registries.Registry, tmp_path: Path
):
    trust(remote, secure.host, certificates.authority(tmp_path, "another"))

    fault = refusal(remote, f"{secure.host}/shop/web:1")

    assert (type(fault), fault.code) == (BadCertificate, "E541")
    assert fault.message == f"the certificate of {secure.host} is not to be trusted"
    assert fault.answered == "unable to get local issuer certificate"


def test_a_certificate_for_another_name_is_refused(
    remote: Remote, authority: Pair, server_pair: Pair, secure: registries.Registry
):
    host = f"127.0.0.2:{secure.port}"
    trust(remote, host, authority)

    # docker-registry listens on 127.0.0.1 alone: a server that answers everywhere
    with scripted_registry.serve(server_pair, address="127.0.0.2") as registry:
        trust(remote, registry.host, authority)
        fault = refusal(remote, f"{registry.host}/shop/web:1")

    assert fault.code == "E541"
    assert "IP address mismatch" in fault.answered


def test_a_certificate_file_that_is_none_is_named(
    remote: Remote, secure: registries.Registry, authority: Pair
):
    folder = trust(remote, secure.host, authority)
    (folder / "ca.crt").write_text("no certificate")

    fault = refusal(remote, f"{secure.host}/shop/web:1")

    assert (fault.code, fault.message) == ("E541", f"cannot use the certificates in {folder}")


def test_a_registry_behind_nginx(
    remote: Remote,
    open_registry: registries.Registry,
    authority: Pair,
    server_pair: Pair,
    tmp_path: Path,
):
    with nginx.before(open_registry.host, tmp_path / "nginx", server_pair) as port:
        trust(remote, f"localhost:{port}", authority)

        round_trip(remote, f"localhost:{port}")


def test_nginx_takes_no_upload_of_that_size(
    remote: Remote,
    open_registry: registries.Registry,
    authority: Pair,
    server_pair: Pair,
    tmp_path: Path,
):
    """Its default is a megabyte; it answers at once and hangs up while we still send."""
    noise = Tar().file("noise", random.Random(1).randbytes(3 << 20)).bytes
    open_registry.add("shop/large:1", layouts.image(noise, compression="none"))
    remote.pull(f"{open_registry.host}/shop/large:1")
    with nginx.before(open_registry.host, tmp_path / "nginx", server_pair, body_limit="1m") as port:
        trust(remote, f"localhost:{port}", authority)
        name = f"localhost:{port}/mine/large:1"
        remote.store.tag(f"{open_registry.host}/shop/large:1", parse_reference(name))

        with pytest.raises(RuntimeFault) as caught:
            remote.push(name)

    assert (caught.value.code, caught.value.answered) == ("E546", "status 413")
    assert "`client_max_body_size` of nginx" in caught.value.hint


def test_nginx_wants_a_certificate_of_ours(
    remote: Remote,
    open_registry: registries.Registry,
    authority: Pair,
    server_pair: Pair,
    tmp_path: Path,
):
    client = certificates.signed(tmp_path, authority, "anna")
    with nginx.before(
        open_registry.host,
        tmp_path / "nginx",
        server_pair,
        client_authority=authority.certificate,
    ) as port:
        trust(remote, f"localhost:{port}", authority, client)
        round_trip(remote, f"localhost:{port}")

        (remote.home / ".config/containers/certs.d" / f"localhost:{port}" / "client.cert").unlink()
        fault = refusal(remote, f"localhost:{port}/shop/web:2")

    assert fault.code == "E546"
    assert fault.message == f"localhost:{port} cannot answer"


def test_no_redirect_leads_out_of_tls(
    remote: Remote, authority: Pair, server_pair: Pair, monkeypatch: pytest.MonkeyPatch
):
    with scripted_registry.serve(server_pair) as registry:
        registry.add("shop/web:1", IMAGE)
        trust(remote, registry.host, authority)
        registry.faults.append(
            scripted_registry.redirected("http://192.0.2.1/blob", "GET .*/blobs/", times=9)
        )
        fault = refusal(remote, f"{registry.host}/shop/web:1")

    assert (fault.code, fault.answered) == ("E546", "192.0.2.1")
    assert fault.message.endswith("redirects to a place without TLS")


def test_a_token_server_without_tls_gets_no_login_of_a_registry_with_it(
    remote: Remote, authority: Pair, server_pair: Pair, tokens: token_server.TokenServer
):
    with scripted_registry.serve(server_pair) as registry:
        registry.login, registry.realm = "anna:secret", tokens.realm
        trust(remote, registry.host, authority)
        log_in(remote, registry.host)
        tokens.asked.clear()

        fault = refusal(remote, f"{registry.host}/shop/web:1")

    assert fault.code == "E543"
    assert fault.message.endswith("it is without TLS")
    assert tokens.asked == []


def test_a_token_server_on_another_host_gets_the_login_only_when_it_is_known(
    remote: Remote, authority: Pair, server_pair: Pair
):
    with (
        scripted_registry.serve(server_pair) as registry,
        scripted_registry.serve(server_pair) as tokens,
    ):
        registry.add("shop/web:1", IMAGE)
        registry.login = tokens.login = "anna:secret"
        registry.realm = f"https://localhost:{tokens.port}/token"
        tokens.tokens = registry.tokens
        trust(remote, registry.host, authority)
        trust(remote, f"localhost:{tokens.port}", authority)
        log_in(remote, registry.host)

        fault = refusal(remote, f"{registry.host}/shop/web:1")
        assert fault.code == "E543"
        assert tokens.requests == []
        assert fault.hint == "if it does, set PYCOMPOSE_TOKEN_HOSTS=127.0.0.1=localhost"

        allowed = remote.with_environment(PYCOMPOSE_TOKEN_HOSTS="127.0.0.1=localhost")
        assert allowed.pull(f"{registry.host}/shop/web:1").is_new


# --- by way of


class _Proxy(BaseHTTPRequestHandler):
    """CONNECT and plain requests to one place; keeps what it was asked."""

    seen: list[tuple[str, str, str]]
    upstream: tuple[str, int]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        import http.client

        self._note()
        host, port = self.upstream
        connection = http.client.HTTPConnection(host, port, timeout=30)
        headers = {key: value for key, value in self.headers.items() if "roxy" not in key}
        connection.request(
            self.command, self.path.split("/", 3)[3].join(("/", "")), headers=headers
        )
        answer = connection.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in ("connection", "transfer-encoding"):
                self.send_header(key, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    do_HEAD = do_GET

    def do_CONNECT(self) -> None:
        import socket

        self._note()
        target = socket.create_connection(self.upstream, timeout=30)
        self.send_response(200)
        self.end_headers()
        one = threading.Thread(target=_copy, args=(self.connection, target), daemon=True)
        one.start()
        _copy(target, self.connection)
        self.close_connection = True

    def _note(self) -> None:
        authorization = self.headers.get("Proxy-Authorization", "")
        self.seen.append((self.command, self.path, authorization))


def _copy(source: Any, target: Any) -> None:
    import socket

    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def proxy() -> Iterator[Any]:
    handler = type("Proxy", (_Proxy,), {"seen": [], "upstream": ("127.0.0.1", 0)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    handler.port = server.server_address[1]  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_proxy_is_used_for_plain_requests(
    remote: Remote, open_registry: registries.Registry, proxy: Any
):
    proxy.upstream = ("127.0.0.1", open_registry.port)
    (remote.home / "registries.conf").write_text(
        '[[registry]]\nlocation = "registry.test"\ninsecure = true\n'
    )
    through = remote.with_environment(
        http_proxy=f"http://bob:word@127.0.0.1:{proxy.port}",
        CONTAINERS_REGISTRIES_CONF=str(remote.home / "registries.conf"),
        https_proxy="http://127.0.0.1:1",
    )

    assert through.pull("registry.test/shop/web:1").is_new

    assert {(method, path) for method, path, _ in proxy.seen} >= {
        ("GET", "http://registry.test/v2/shop/web/manifests/1")
    }
    assert {authorization for _, _, authorization in proxy.seen} == {"Basic Ym9iOndvcmQ="}


def test_a_proxy_makes_a_tunnel_for_tls(remote: Remote, authority: Pair, folder: Path, proxy: Any):
    pair = certificates.signed(folder / "tls", authority, "registry.test")
    with scripted_registry.serve(pair) as registry:
        registry.add("shop/web:1", IMAGE)
        proxy.upstream = ("127.0.0.1", registry.port)
        trust(remote, "registry.test", authority)
        through = remote.with_environment(HTTPS_PROXY=f"127.0.0.1:{proxy.port}")

        assert through.pull("registry.test/shop/web:1").is_new

    assert {(method, path) for method, path, _ in proxy.seen} == {("CONNECT", "registry.test:443")}


def test_this_machine_and_what_no_proxy_names_are_reached_without_a_proxy(
    remote: Remote, open_registry: registries.Registry
):
    nowhere = remote.with_environment(HTTP_PROXY="http://127.0.0.1:1")

    assert nowhere.pull(f"{open_registry.host}/shop/web:1").is_new
