"""Links, rules and bridges of what has left, taken away together: the kernel lets nobody wait less
than 20 ms for a link, and ten at once no longer than for one.

The end of a run does not wait for them; its next run does, and whoever removes a network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import nullcontext, suppress

from runtime import tasks
from runtime.errors import RuntimeFault
from runtime.linux import conntrack
from runtime.networks import bridge, endpoint
from runtime.networks.host_facts import address_lock
from runtime.state.database import Database
from runtime.supervisor.firewall_guard import FirewallGuard
from runtime.supervisor.log_writer import report
from runtime.supervisor.together import Together
from runtime.values import ContainerRecord, NetworkRecord

TOGETHER_SECONDS = 1.0
"""How long those that go with their networks wait for the last of them: one that takes its time to
end, or is never told to, must not keep the published ports of the others."""


class _Leaving:
    """What goes with the next wait for the kernel."""

    def __init__(self) -> None:
        self.links: set[str] = set()
        """Host's ends."""
        self.addresses: set[str] = set()
        """Of containers with published ports."""
        self.rules = False
        """The tables have to say something else."""
        self.networks: set[str] = set()
        """Ids of those that are removed soon."""
        self.removed: list[NetworkRecord] = []
        """Those whose rows are gone."""

    def take_back(self, other: _Leaving) -> None:
        """What could not be done; whoever removes a network hears of that himself."""
        self.links |= other.links
        self.addresses |= other.addresses
        self.networks |= other.networks
        self.rules = self.rules or other.rules

    @property
    def is_empty(self) -> bool:
        return not (self.links or self.addresses or self.rules or self.networks or self.removed)


class Departures:
    """Of one project's containers."""

    def __init__(self, database: Database, guard: FirewallGuard, project_id: str) -> None:
        self._database = database
        self._guard = guard
        self._project_id = project_id
        self._leaving = _Leaving()
        self._in_hand: frozenset[str] = frozenset()
        """Links that are being taken away."""
        self._somebody_left = tasks.event()
        self._clear = Together(self._clear_away)

    def close(self) -> None:
        """With what nobody was left to wait for."""
        with suppress(RuntimeFault):
            endpoint.detach_links(self._leaving.links)

    async def run(self) -> None:
        """Take away what left, until cancelled."""
        while True:  # forever: until the project is down
            await self._somebody_left.wait()
            self._somebody_left = tasks.event()
            with tasks.move_on_after(TOGETHER_SECONDS):
                await self._last_of_those_together()
            if not self._leaving.is_empty:
                await self._clear_reported()

    async def _last_of_those_together(self) -> None:
        while self._guard.is_in_use(self._leaving.networks):
            await self._somebody_left.wait()
            self._somebody_left = tasks.event()

    async def add(
        self, record: ContainerRecord, links: Collection[str], *, networks_go: bool
    ) -> None:
        """Its run ended. With published ports, nothing leads to them any more when this returns.
        `networks_go`: the project's networks are removed next, and nothing leads there a moment
        later."""
        rows = self._database.endpoints(container_id=record.id)
        if networks_go and not (links or any(row.link for row in rows)):
            return  # it has left before
        leaving = self._leaving
        leaving.links |= {*links, *(row.link for row in rows if row.link)}
        if record.options.ports:
            leaving.addresses |= {a for row in rows for a in (row.ipv4, row.ipv6) if a}
        if networks_go:
            leaving.networks |= {row.network_id for row in rows}
        leaving.rules = self._guard.forget(record.id) or leaving.rules
        if rows:
            self._database.forget_links(record.id)
        if record.options.ports and not networks_go:
            await self._clear_reported()
        else:
            self._somebody_left.set()

    async def end_of(self, links: Collection[str]) -> None:
        """Return when none of these is a link that is still to go."""
        if not self._in_hand.isdisjoint(links) or not self._leaving.links.isdisjoint(links):
            await self._clear.ask()

    async def remove(self, networks: Iterable[NetworkRecord]) -> None:
        """Rules and bridges of networks whose rows are gone, and all that left before. Raises
        RuntimeFault."""
        self._leaving.removed += networks
        await self._clear.ask()

    async def _clear_reported(self) -> None:
        try:
            await self._clear.ask()
        except RuntimeFault as fault:
            report(f"links of ended containers: {fault.message}: {fault.answered}")

    async def _clear_away(self) -> None:
        leaving, self._leaving = self._leaving, _Leaving()
        self._in_hand = frozenset(leaving.links)
        going = self._unused(leaving.networks)
        self._guard.bridges_go({network.id for network in going})
        try:
            if leaving.rules or leaving.removed or going:
                # before the bridges: rules without one would hit whoever gets the subnet next
                await self._guard.change()
            await tasks.in_thread(self._remove_links, leaving, going)
            if leaving.addresses:
                # or the kernel would redirect what is open to the old one for two minutes more
                await tasks.in_thread(conntrack.forget_addresses, leaving.addresses)
        except BaseException:
            self._leaving.take_back(leaving)
            raise
        finally:
            self._in_hand = frozenset()

    def _remove_links(self, leaving: _Leaving, going: Collection[NetworkRecord]) -> None:
        # somebody may have begun to start on one of them: alone with the addresses, we see it
        with address_lock() if going else nullcontext():
            unused = self._unused({network.id for network in going})
            bridge.remove_bridges([*leaving.removed, *unused], ports=leaving.links)

    def _unused(self, network_ids: Collection[str]) -> list[NetworkRecord]:
        """Those of the project's own that no container runs on."""
        return [
            network
            for network in (self._database.networks(self._project_id) if network_ids else ())
            if network.id in network_ids
            and not any(row.link for row in self._database.endpoints(network_id=network.id))
        ]
