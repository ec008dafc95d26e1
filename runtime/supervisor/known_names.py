"""What each container may know: views for the resolver, from the rows of all projects.

Endpoints of every project stand in one database, so a name on a shared network is known whichever
supervisor started its container. The tables are built anew when somebody has written to the
database since, and only when a question comes. A container has its addresses while its link is
there: of what is up the kernel knows more than any row (R02).
"""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from collections.abc import Collection, Iterable

from runtime.networks import hosts_file, names
from runtime.networks.names import Member, View, Zone
from runtime.paths import Paths
from runtime.state.database import Database, EndpointRow
from runtime.values import ContainerRecord, NetworkRecord

_WATCHED = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")


class KnownNames:
    """The views of one project's containers. It has a connection of its own, which sees what the
    supervisor itself writes as somebody else's writing."""

    def __init__(self, paths: Paths) -> None:
        self._database = Database.open(paths)
        self._version = -1
        self._zones: dict[str, Zone] = {}
        self._views: dict[str, View] = {}
        self._resolv_conf: tuple[object, ...] = ()
        self._nameservers: list[str] = []

    def close(self) -> None:
        self._database.close()

    def view(self, record: ContainerRecord) -> View:
        """As it is now. Quick where nothing has changed."""
        self._refresh()
        if record.id not in self._views:
            zones = [
                self._zones[endpoint.network]
                for endpoint in record.options.endpoints
                if endpoint.network in self._zones
            ]
            self._views[record.id] = names.build_view(record, zones, self._nameservers)
        return self._views[record.id]

    def _refresh(self) -> None:
        version, resolv_conf = self._database.version(), _fingerprint()
        if (version, resolv_conf) == (self._version, self._resolv_conf):
            return
        self._zones = read_zones(self._database)
        self._nameservers = hosts_file.find_nameservers(hosts_file.read_host_resolv_conf())
        self._views.clear()
        self._version, self._resolv_conf = version, resolv_conf


def _fingerprint() -> tuple[object, ...]:
    """Changes with the host's resolvers, as when a laptop comes into another network."""
    found: list[object] = []
    for path in _WATCHED:
        try:
            status = os.stat(path)
        except OSError:
            continue
        found += (status.st_mtime_ns, status.st_ino, status.st_size)
    return tuple(found)


def read_zones(database: Database) -> dict[str, Zone]:
    """Full name of the network -> its zone, for all networks of the root."""
    links = {name for _index, name in socket.if_nameindex()}
    rows: dict[str, list[tuple[EndpointRow, str, str]]] = defaultdict(list)
    for row, container, project_id in database.all_endpoints():
        rows[row.network_id].append((row, container, project_id))
    return {
        network.name: names.build_zone(network, _members(network, rows[network.id], links))
        for network in database.networks()
    }


def _members(
    network: NetworkRecord, rows: Iterable[tuple[EndpointRow, str, str]], links: Collection[str]
) -> list[Member]:
    return [
        Member(
            container=container,
            project_id=project_id,
            names=row.names,
            addresses=tuple(filter(None, (row.ipv4, row.ipv6))) if row.link in links else (),
        )
        for row, container, project_id in rows
    ]
