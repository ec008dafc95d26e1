"""Where a registry really is: mirrors, other locations, plain HTTP, own authorities. Reads files
once; what they mean for a name is pure.

Sources: containers-registries.conf(5) version 2, containers-certs.d(5), Docker's daemon.json and
its rule that 127.0.0.0/8 may be without TLS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runtime.errors import RuntimeFault
from runtime.images.credentials import home_folder
from runtime.images.http_client import Tls, is_loopback
from runtime.images.reference import DEFAULT_REGISTRY, Reference

_SYSTEM = Path("/etc")
DOCKER_HUB_HOST = "registry-1.docker.io"


class Endpoint(NamedTuple):
    """One place to ask for a repository."""

    host: str
    """With port, where it is not the usual one."""
    path: str
    insecure: bool = False
    """May be without TLS, or with a certificate that nobody knows."""
    is_mirror: bool = False
    tls: Tls = Tls()

    @property
    def key(self) -> str:
        """The registry as logins and blob places name it."""
        return DEFAULT_REGISTRY if self.host == DOCKER_HUB_HOST else self.host


class Place(NamedTuple):
    """A `location` of the file."""

    location: str
    insecure: bool = False
    digests_only: bool = False
    tags_only: bool = False


class Rule(NamedTuple):
    """One [[registry]] table."""

    prefix: str
    place: Place
    blocked: bool = False
    mirrors: tuple[Place, ...] = ()


class Registries:
    """The configuration of this machine and user."""

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        insecure: Sequence[str] = (),
        hub_mirrors: Sequence[str] = (),
        certificates: Sequence[Path] = (),
    ) -> None:
        self._rules = tuple(rules)
        self._insecure = frozenset(insecure)
        self._hub_mirrors = tuple(hub_mirrors)
        self._certificates = tuple(certificates)

    def endpoints(self, reference: Reference) -> tuple[Endpoint, ...]:
        """Where to pull it from, in order; the last is the registry itself. Raises RuntimeFault
        when it is blocked.
        """
        name = reference.repository
        rule = self._rule_for(name)
        if rule is None:
            mirrors = self._hub_mirrors if reference.registry == DEFAULT_REGISTRY else ()
            places = [Place(f"{mirror.rstrip('/')}/{reference.path}") for mirror in mirrors]
            found = [self._endpoint(place, "", is_mirror=True) for place in places]
            return (*found, self._endpoint(Place(name), "", is_mirror=False))
        if rule.blocked:
            raise RuntimeFault(f"registry {rule.prefix} is blocked by registries.conf", code="E542")
        fitting = _host_part(rule.prefix, name)
        rest = name[len(fitting) :]
        place = rule.place
        if place.location.startswith("*."):
            place = place._replace(location=fitting)
        usable = [
            mirror
            for mirror in rule.mirrors
            if not (mirror.digests_only and not reference.digest)
            and not (mirror.tags_only and reference.digest)
        ]
        mirrors_found = [self._endpoint(mirror, rest, is_mirror=True) for mirror in usable]
        return (*mirrors_found, self._endpoint(place, rest, is_mirror=False))

    def target(self, reference: Reference) -> Endpoint:
        """Where to push it to: never a mirror."""
        return self.endpoints(reference)[-1]

    def of_host(self, registry: str) -> Endpoint:
        """The registry itself, for what concerns no repository: logins."""
        rule = self._rule_for(registry)
        insecure = rule is not None and rule.place.insecure
        return self._endpoint(Place(registry, insecure), "", is_mirror=False)

    def _rule_for(self, name: str) -> Rule | None:
        fitting = [rule for rule in self._rules if _host_part(rule.prefix, name)]
        return max(fitting, key=lambda rule: len(rule.prefix), default=None)

    def _endpoint(self, place: Place, rest: str, *, is_mirror: bool) -> Endpoint:
        location = place.location.partition("://")[2] or place.location
        host, _, path = f"{location.rstrip('/')}{rest}".partition("/")
        if host in (DEFAULT_REGISTRY, "index.docker.io"):
            host = DOCKER_HUB_HOST
        tls = self.tls_of(host)
        insecure = (
            place.insecure
            or place.location.startswith("http://")
            or self._is_insecure(host, knows_authority=bool(tls.authorities))
        )
        return Endpoint(host, path, insecure, is_mirror, tls._replace(verify=not insecure))

    def _is_insecure(self, host: str, *, knows_authority: bool) -> bool:
        """This machine's own need no TLS; but who keeps an authority for one means it."""
        name = _without_port(host)
        if host in self._insecure or name in self._insecure:
            return True
        return is_loopback(name) and not knows_authority

    def tls_of(self, host: str) -> Tls:
        """Files of the host's folder: *.crt are authorities, *.cert and *.key are ours."""
        authorities: list[Path] = []
        pairs: list[tuple[Path, Path]] = []
        for top in self._certificates:
            for path in sorted(_list(top / host)):
                if path.suffix == ".crt":
                    authorities.append(path)
                elif path.suffix == ".cert" and (key := path.with_suffix(".key")).is_file():
                    pairs.append((path, key))
        return Tls(True, tuple(authorities), tuple(pairs))


def read_registries(
    environment: Mapping[str, str], *, system: Path = _SYSTEM, insecure: Sequence[str] = ()
) -> Registries:
    """Everything that is configured. Raises RuntimeFault for a file that cannot be understood."""
    home = home_folder(environment)
    rules: dict[str, Rule] = {}
    for file in _files(environment, home, system):
        rules.update((rule.prefix, rule) for rule in _read_rules(file))
    daemon = _read_daemon(system / "docker" / "daemon.json")
    return Registries(
        tuple(rules.values()),
        insecure=(*daemon.get("insecure-registries", ()), *insecure),
        hub_mirrors=tuple(daemon.get("registry-mirrors", ())),
        certificates=(
            system / "containers" / "certs.d",
            system / "docker" / "certs.d",
            home / ".config" / "containers" / "certs.d",
        ),
    )


def _files(environment: Mapping[str, str], home: Path, system: Path) -> Iterator[Path]:
    if given := environment.get("CONTAINERS_REGISTRIES_CONF"):
        yield Path(given)
        return
    for folder in (system / "containers", home / ".config" / "containers"):
        yield folder / "registries.conf"
        yield from sorted(
            path for path in _list(folder / "registries.conf.d") if path.suffix == ".conf"
        )


def _read_rules(file: Path) -> Iterator[Rule]:
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    import tomllib

    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuntimeFault(
            f"{file} cannot be understood", code="E548", answered=str(error)
        ) from error
    if "registries" in document:
        raise RuntimeFault(
            f"{file} is in version 1 of the format, which is no longer read",
            code="E548",
            hint="write [[registry]] tables, as containers-registries.conf(5) shows",
        )
    for table in document.get("registry", ()):
        yield _rule(table, file)


def _rule(table: Mapping[str, Any], file: Path) -> Rule:
    location = str(table.get("location") or table.get("prefix") or "")
    prefix = str(table.get("prefix") or location)
    if not prefix:
        raise RuntimeFault(f"{file}: a [[registry]] without location and prefix", code="E548")
    return Rule(
        prefix,
        Place(location, bool(table.get("insecure"))),
        bool(table.get("blocked")),
        tuple(_mirror(mirror, table) for mirror in table.get("mirror", ())),
    )


def _mirror(table: Mapping[str, Any], parent: Mapping[str, Any]) -> Place:
    kind = table.get("pull-from-mirror", "all")
    digests_only = kind == "digest-only" or bool(parent.get("mirror-by-digest-only"))
    return Place(
        str(table.get("location", "")),
        bool(table.get("insecure")),
        digests_only,
        kind == "tag-only",
    )


def _read_daemon(file: Path) -> dict[str, list[str]]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError):  # it is Docker's to complain
        return {}
    return document if isinstance(document, dict) else {}


def _host_part(prefix: str, name: str) -> str:
    """What of the name the prefix stands for; empty when it does not fit. `*.example.com` stands
    for any host below."""
    if prefix.startswith("*."):
        host = name.partition("/")[0]
        return host if host.endswith(prefix[1:]) else ""
    rest = name[len(prefix) :]
    return prefix if name.startswith(prefix) and rest[:1] in ("", "/", ":", "@") else ""


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
