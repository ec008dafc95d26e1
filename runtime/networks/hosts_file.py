"""The texts of a container's /etc/hosts, /etc/resolv.conf and /etc/hostname. Pure but for one read.

Who writes them where: containers/spec. Source: D40-D44.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from runtime.errors import RuntimeFault

RESOLVER_ADDRESS = "127.0.0.11"
HOST_GATEWAY = "host-gateway"
_HOSTS = Path("/etc/hosts")
_RESOLV_CONF = Path("/etc/resolv.conf")
_RESOLVED_CONF = Path("/run/systemd/resolve/resolv.conf")
_STUB = "127.0.0.53"
_MAX_NAMESERVERS = 3
_PUBLIC = ("8.8.8.8", "8.8.4.4")
_CLEAN = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?\Z|\.\Z")

_LOOPBACK = "127.0.0.1\tlocalhost\n"
_LOOPBACK_IPV6 = """\
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


# --- hostname


def hostname_text(hostname: str) -> str:
    return f"{hostname}\n"


# --- hosts


def hosts_text(
    *,
    hostname: str,
    domainname: str = "",
    addresses: Sequence[str] = (),
    extra_hosts: Iterable[tuple[str, str]] = (),
    gateways: Sequence[str] = (),
    ipv6: bool = True,
) -> str:
    """`addresses` are the container's own, in the order of its endpoints; `gateways`, one of each
    family, stand for `host-gateway`. Raises RuntimeFault for a name or an address that is
    none (V46)."""
    lines = [_LOOPBACK, _LOOPBACK_IPV6 if ipv6 else ""]
    for name, address in extra_hosts:
        lines += _extra_lines(name, address, gateways)
    names = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    for name in names.split(" "):
        _check_name(name, "hostname")
    lines += [f"{address}\t{names}\n" for address in addresses]
    return "".join(lines)


def host_hosts_text(*, extra_hosts: Iterable[tuple[str, str]] = ()) -> str:
    """For a container in the host's network: the host's own names, and its own ones below."""
    host = _read(_HOSTS)
    lines = [host if not host or host.endswith("\n") else f"{host}\n"]
    for name, address in extra_hosts:
        lines += _extra_lines(name, address, ("127.0.0.1",))
    return "".join(lines)


def _extra_lines(name: str, address: str, gateways: Sequence[str]) -> list[str]:
    _check_name(name, "extra_hosts")
    if address == HOST_GATEWAY:
        known = [gateway for gateway in gateways if gateway]
        if not known:
            raise RuntimeFault(
                f"extra_hosts: `{name}` asks for the host's gateway, but there is none",
                code="E630",
                hint="a container on an internal network, or on none, has no gateway",
            )
        return [f"{gateway}\t{name}\n" for gateway in known]
    return [f"{_check_address(address, 'extra_hosts')}\t{name}\n"]


def _check_name(name: str, what: str) -> None:
    if not _CLEAN.match(name):
        raise RuntimeFault(
            f"{what}: `{name.encode('unicode_escape').decode()}` is no host name", code="E631"
        )


def _check_address(address: str, what: str) -> str:
    try:
        return str(ip_address(address.strip("[]")))
    except ValueError as error:
        shown = address.encode("unicode_escape").decode()
        raise RuntimeFault(f"{what}: `{shown}` is no address", code="E631") from error


# --- resolv.conf


def read_host_resolv_conf() -> str:
    """The host's file; where that names only systemd-resolved's stub, the one with real servers."""
    text = _read(_RESOLV_CONF)
    if find_nameservers(text) == [_STUB]:
        return _read(_RESOLVED_CONF) or text
    return text


def reachable_resolv_conf(host: str) -> str:
    """The host's file for a container on the machine's bridge: a server on the host's loopback
    is not there inside, and public ones take its place when no other is left (D41)."""
    local = {server for server in find_nameservers(host) if ip_address(_bare(server)).is_loopback}
    if not local and find_nameservers(host):
        return host
    lines = [line for line in host.splitlines() if not local.intersection(line.split()[1:2])]
    if not find_nameservers("\n".join(lines)):
        lines += [f"nameserver {server}" for server in _PUBLIC]
    return "\n".join(lines) + "\n"


def _bare(server: str) -> str:
    """Without its zone."""
    return server.partition("%")[0]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def find_nameservers(text: str) -> list[str]:
    """At most three, as the C library takes; those that are no address are left out."""
    servers = [words[1] for words in _directives(text, "nameserver") if len(words) > 1]
    return [server for server in servers if _is_address(server)][:_MAX_NAMESERVERS]


def find_search(text: str) -> list[str]:
    """The last `search` or `domain` line counts."""
    lines = _directives(text, "search", "domain")
    return lines[-1][1:] if lines else []


def find_options(text: str) -> list[str]:
    return [word for words in _directives(text, "options") for word in words[1:]]


def _directives(text: str, *keywords: str) -> list[list[str]]:
    lines = (line.split() for line in text.splitlines() if not line.startswith(("#", ";")))
    return [words for words in lines if words and words[0] in keywords]


def _is_address(text: str) -> bool:
    try:
        ip_address(_bare(text))
    except ValueError:
        return False
    return True


def resolv_conf_text(
    host: str,
    *,
    dns: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
) -> str:
    """For a container with our resolver: its own servers become the resolver's upstreams.

    The comment says who really answers, for the reader inside. `dns_search: .` means none. Raises
    RuntimeFault for what would be no address or break the file (V46).
    """
    for server in dns:
        _check_address(server, "dns")
    for word in (*search, *options):
        _check_word(word)
    names = list(search) or find_search(host)
    words = list(options) or find_options(host)
    if not any(re.fullmatch(r"ndots:\d+", word) for word in words):
        words.append("ndots:0")
    upstreams = list(dns) or [f"host({server})" for server in find_nameservers(host)]
    lines = [f"nameserver {RESOLVER_ADDRESS}"]
    if names and names != ["."]:
        lines.append("search " + " ".join(names))
    lines.append("options " + " ".join(words))
    lines += ["", f"# upstream servers: {', '.join(upstreams) or 'none'}"]
    return "\n".join(lines) + "\n"


def _check_word(word: str) -> None:
    if not word or not word.isprintable() or " " in word:
        shown = word.encode("unicode_escape").decode()
        raise RuntimeFault(f"dns: `{shown}` does not fit into resolv.conf", code="E631")


def user_ndots(options: Sequence[str]) -> int:
    """What `dns_opt` says about ndots; 0 when nothing."""
    found = [int(m[1]) for word in options if (m := re.fullmatch(r"ndots:(\d{1,3})", word))]
    return found[-1] if found else 0


def plain_resolv_conf_text(
    host: str,
    *,
    dns: Sequence[str] = (),
    search: Sequence[str] = (),
    options: Sequence[str] = (),
) -> str:
    """Without our resolver (network_mode host, none, bridge): the host's file, with what was set
    (D42)."""
    for server in dns:
        _check_address(server, "dns")
    for word in (*search, *options):
        _check_word(word)
    if not (dns or search or options):
        return host
    names = list(search) or find_search(host)
    words = list(options) or find_options(host)
    lines = [f"nameserver {server}" for server in (list(dns) or find_nameservers(host))]
    if names and names != ["."]:
        lines.append("search " + " ".join(names))
    if words:
        lines.append("options " + " ".join(words))
    return "\n".join(lines) + "\n"
