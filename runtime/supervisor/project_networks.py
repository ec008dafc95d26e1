"""The networks of one project's containers: connected at a start, served while they run, let go.

    lease -> (fork) -> connect -> serve ... -> leave

Who has which address stands in the database before anything is made (intention first), so that
whatever is killed, the next supervisor finds the links. Rules, names and ports have a module each
beside this one. Decides nothing about addresses and rules: networks/ does.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import NamedTuple

from runtime import tasks
from runtime.containers import networks as container_networks
from runtime.errors import RuntimeFault
from runtime.linux import netlink
from runtime.networks import bridge, endpoint, firewall, host_facts, published
from runtime.networks.addresses import Lease
from runtime.networks.endpoint import Attachment, EndpointPlan
from runtime.networks.published import Reservation
from runtime.paths import Paths
from runtime.state import run_states
from runtime.state.database import Database, EndpointRow
from runtime.supervisor import plain_sockets as sockets
from runtime.supervisor.departures import Departures
from runtime.supervisor.firewall_guard import FirewallGuard
from runtime.supervisor.forwarder import Forwarder
from runtime.supervisor.known_names import KnownNames
from runtime.supervisor.resolver import Resolver
from runtime.values import (
    MACHINE_BRIDGE,
    ContainerRecord,
    EndpointState,
    NetworkRecord,
    PublishedPort,
)

_ATTEMPTS = 20
_LOOK_SECONDS = 1.0
"""Containers that start together are told once what the firewalls of others do."""
_UDP, _TCP, _ASK = "resolver-udp", "resolver-tcp", "resolver-ask"


class Connected(NamedTuple):
    """What is to be said inside, and what to remember of it."""

    attachment: Attachment
    endpoints: tuple[EndpointState, ...]


class ProjectNetworks:
    """Of one project. Nothing here outlives a supervisor: rows, kernel and held sockets do."""

    def __init__(self, paths: Paths, project_id: str, database: Database) -> None:
        # whoever had us started is still reading files
        netlink.load()
        self._paths = paths
        self._project_id = project_id
        self._database = database
        self._plans: dict[str, tuple[EndpointPlan, ...]] = {}
        self._guard = FirewallGuard(database, paths.root_hash, project_id)
        self._names = KnownNames(paths)
        self._resolver = Resolver()
        self._forwarder = Forwarder()
        self._told = ""
        self._looked_at = -_LOOK_SECONDS
        self._departures = Departures(database, self._guard, project_id)
        for record in database.containers(project_id):
            state = run_states.stored_state(paths.project(project_id), record.id)
            if state is not None and state.status in ("running", "paused"):
                self._note(record, state.endpoints, state.ports)

    def close(self) -> None:
        self._departures.close()
        self._names.close()

    # --- the start of a run

    def lease(self, record: ContainerRecord) -> tuple[EndpointPlan, ...]:
        """Its addresses, as rows; its bridges stand. Raises RuntimeFault, NotFound."""
        if record.options.network_mode:
            return ()
        networks = {network.name: network for network in self._database.networks()}
        with host_facts.address_lock():
            if record.options.is_on_machine_bridge:
                networks[MACHINE_BRIDGE] = container_networks.ensure_machine_bridge(
                    self._database, self._paths
                )
            for name in {one.network for one in record.options.endpoints} & networks.keys():
                networks[name] = container_networks.ensure_bridge(
                    self._database, networks[name], on_made=self._guard.bridge_made
                )
            plans = self._plans[record.id] = self._write_leases(record, networks)
        return plans

    def _write_leases(
        self, record: ContainerRecord, networks: Mapping[str, NetworkRecord]
    ) -> tuple[EndpointPlan, ...]:
        for _attempt in range(_ATTEMPTS):
            leases = [Lease(*row) for row, _name, _project in self._database.all_endpoints()]
            root_hash = self._paths.root_hash
            plans = endpoint.plan_endpoints(record, networks, leases, root_hash=root_hash)
            try:
                self._database.put_endpoints(EndpointRow(*plan.lease) for plan in plans)
            except sqlite3.IntegrityError:
                continue  # another project took the address on a shared network, between the two
            return plans
        raise RuntimeFault(f"{record.name}: its networks changed while it was started", code="E632")

    def reserve(self, record: ContainerRecord) -> list[Reservation]:
        """Sockets that hold its published ports. Raises PortTaken."""
        if record.options.network_mode or not record.options.ports:
            return []
        networks = {network.name: network for network in self._database.networks()}
        return published.reserve_ports(
            record.options.ports,
            default_host_ip=published.host_binding(record, networks),
            owner=self._find_owner,
        )

    def _find_owner(self, port: PublishedPort) -> str:
        return container_networks.find_port_owner(self._database, self._paths, port)

    def warnings(self, plans: Iterable[EndpointPlan]) -> tuple[str, ...]:
        """What another's firewall does to the container's packets; the same thing is said once."""
        now = time.monotonic()
        if all(plan.is_internal for plan in plans) or now < self._looked_at + _LOOK_SECONDS:
            return ()
        self._looked_at = now
        told, self._told = self._told, firewall.describe_foreign_drops(self._paths.root_hash)
        return (self._told,) if self._told and self._told != told else ()

    async def connect(
        self, record: ContainerRecord, *, pid: int, ports: tuple[PublishedPort, ...]
    ) -> Connected:
        """The veths, with their far ends in the namespace of `pid`, and the rules."""
        plans = self._plans.get(record.id, ())
        # they have the names of the last run's
        await self._departures.end_of({plan.link for plan in plans})
        attachment = endpoint.attach(plans, pid=pid)
        states = tuple(plan.state for plan in plans)
        if plans:
            # the same rows again, as a fact: whoever reads names looks at the links anew
            self._database.put_endpoints(EndpointRow(*plan.lease) for plan in plans)
            bridge.ensure_forwarding(ipv6=any(plan.ipv6 for plan in plans))
            self._note(record, states, ports)
            await self._guard.admit(record.id)
        return Connected(attachment, states)

    def _note(
        self,
        record: ContainerRecord,
        endpoints: tuple[EndpointState, ...],
        ports: tuple[PublishedPort, ...],
    ) -> None:
        found = (self._database.find_network(one.network) for one in endpoints)
        networks = tuple(network for network in found if network is not None)
        self._guard.note(record.id, networks, published.publications_of(endpoints, ports))

    # --- while it runs

    async def serve(self, record: ContainerRecord, descriptors: Mapping[str, int]) -> None:
        """Names and ports, until cancelled. The descriptors stay the caller's."""
        with ExitStack() as stack:
            opened = {
                name: stack.enter_context(sockets.borrow(descriptor))
                for name, descriptor in descriptors.items()
                if name in (_UDP, _TCP, _ASK) or name.startswith("port-")
            }
            ports = {held_name(port): port for port in record.state.ports}
            publications = [
                (publication, opened[held_name(publication.port)])
                for publication in published.publications_of(record.state.endpoints, ports.values())
                if held_name(publication.port) in opened
            ]
            async with tasks.group() as group:
                group.start_soon(self._forwarder.serve, publications)
                if _UDP in opened and _TCP in opened:
                    view = lambda: self._names.view(record)  # noqa: E731
                    group.start_soon(
                        self._resolver.serve, opened[_UDP], opened[_TCP], view, opened.get(_ASK)
                    )

    async def maintain(self) -> None:
        """The rules stay, and what left is taken away, until cancelled."""
        async with tasks.group() as group:
            group.start_soon(self._guard.watch)
            group.start_soon(self._departures.run)

    # --- the end

    async def leave(self, record: ContainerRecord, *, networks_go: bool = False) -> None:
        """Its links go a moment later (`connect` of its next run and `remove` wait for that); with
        published ports, nothing leads to them any more when this returns. Its addresses stay its
        own. `networks_go`: the project's networks go, too, once nothing runs on them.

        Repeatable; what the kernel refuses is written to the engine log, for the end of a container
        does not wait for it."""
        links = {plan.link for plan in self._plans.pop(record.id, ())}
        await self._departures.add(record, links, networks_go=networks_go)

    async def remove(self, networks: Iterable[NetworkRecord]) -> None:
        """Rules and bridges of networks whose rows are gone. Raises RuntimeFault."""
        await self._departures.remove(networks)


def held_name(port: PublishedPort) -> str:
    """The name under which the keeper holds a published port's socket; it says all about it."""
    return f"port-{port.protocol}-{port.host_ip}-{port.host_port}"
