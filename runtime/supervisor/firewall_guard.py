"""The tables of a project's firewall, kept as they should be while its containers run.

One table for the project's own networks and all its published ports, and one for each foreign
network that it takes part in, the same whoever writes it (firewall.py says which rules). Changes
are put together (together.py); what somebody flushed is put back at the kernel's word (V44).

A table speaks of bridges that stand, and goes before them: another root may have chosen the same
subnet and been faster to make its bridge, and our rules would drop all of its packets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from runtime import tasks
from runtime.errors import RuntimeFault
from runtime.linux import conntrack, nftables
from runtime.networks import bridge
from runtime.networks.firewall import (
    FirewallState,
    ProjectFirewall,
    project_table_name,
    shared_table_name,
)
from runtime.networks.host_facts import address_lock
from runtime.networks.published import Publication
from runtime.state.database import Database
from runtime.supervisor.log_writer import report
from runtime.supervisor.together import Together
from runtime.values import NetworkRecord

_BREATH = 0.1
"""Seconds between two looks, however busy another program is with its own tables."""


class FirewallGuard:
    """What the project's containers need of the firewall, and the tables that hold it."""

    def __init__(self, database: Database, root_hash: str, project_id: str) -> None:
        self._database = database
        self._root_hash = root_hash
        self._project_id = project_id
        self._own = ProjectFirewall(project_table_name(root_hash, project_id))
        self._shared: dict[str, ProjectFirewall] = {}
        self._publications: dict[str, tuple[Publication, ...]] = {}
        self._networks: dict[str, tuple[NetworkRecord, ...]] = {}
        self._settled: frozenset[str] = frozenset()
        """Ids of networks whose rules stand, behind a bridge that stood then."""
        self._gone: set[str] = set()
        """Addresses that ports led to and do not any more."""
        self._leaving: frozenset[str] = frozenset()
        """Ids of networks whose bridges are about to go."""
        self._writing = tasks.lock()
        self._change = Together(self._bring_about)

    def note(
        self,
        container_id: str,
        networks: tuple[NetworkRecord, ...],
        publications: tuple[Publication, ...],
    ) -> None:
        """It runs, or is about to. `change` brings it about."""
        self._leaving -= {network.id for network in networks}
        self._networks[container_id] = networks
        self._publications[container_id] = publications

    def bridge_made(self, network: NetworkRecord) -> None:
        """What was switched on for the one before is not on for this one."""
        self._settled -= {network.id}
        self._leaving -= {network.id}

    def bridges_go(self, network_ids: Collection[str]) -> None:
        """No table speaks of them any more after the next `change`."""
        self._leaving |= frozenset(network_ids)

    def forget(self, container_id: str) -> bool:
        """It does not run any more. True when the tables have to say something else now."""
        gone = self._publications.pop(container_id, ())
        self._gone.update(publication.address for publication in gone)
        networks = self._networks.pop(container_id, ())
        in_use = {network.id for each in self._networks.values() for network in each}
        is_last = any(
            network.project_id != self._project_id and network.id not in in_use
            for network in networks
        )
        return bool(gone) or is_last

    def is_in_use(self, network_ids: Collection[str]) -> bool:
        """Whether one of the project's containers runs on one of these."""
        noted = (network for networks in self._networks.values() for network in networks)
        return any(network.id in network_ids for network in noted)

    async def admit(self, container_id: str) -> None:
        """The tables know what was noted of this container; nothing is asked of the kernel when
        they knew it already. Raises RuntimeFault."""
        networks = {network.id for network in self._networks[container_id]}
        publishes = bool(self._publications[container_id])

        def is_known() -> bool:
            return not publishes and networks <= self._settled

        if not is_known():
            await self._change.ask(is_done=is_known)

    async def change(self) -> None:
        """The tables say what was noted. Raises RuntimeFault."""
        await self._change.ask()

    async def watch(self) -> None:
        """Put back what somebody takes away, until cancelled."""
        with nftables.open_notices() as notices:
            await self.change()
            while True:  # forever: until the project is down
                await tasks.wait_readable(notices)
                if self._concerns_us(nftables.read_removals(notices)):
                    await self._mend()
                    await tasks.sleep(_BREATH)

    def _concerns_us(self, removals: set[str] | None) -> bool:
        ours = {self._own.name, *(table.name for table in self._shared.values())}
        return removals is None or not removals.isdisjoint(ours)

    async def _mend(self) -> None:
        try:
            async with self._writing:
                mended = await tasks.in_thread(self._ensure)
        except RuntimeFault as fault:
            report(f"rules of the firewall are gone: {fault.message}: {fault.answered}")
            return
        for name in mended:
            report(f"somebody removed rules from the firewall table {name}: they are back")

    def _ensure(self) -> list[str]:
        return [table.name for table in (self._own, *self._shared.values()) if table.ensure()]

    async def _bring_about(self) -> None:
        # Together with what is read next: who comes later and relies on a network that this turn
        # leaves has to ask for the next one
        self._settled = frozenset()
        publications = tuple(one for each in self._publications.values() for one in each)
        in_use = {network.id: network for each in self._networks.values() for network in each}
        foreign: dict[str, NetworkRecord] = {
            network_id: network
            for network_id, network in in_use.items()
            if network.project_id != self._project_id
        }
        async with self._writing:
            await tasks.in_thread(self._write, publications, foreign)
            gone, self._gone = self._gone, set()
            await tasks.in_thread(conntrack.forget_addresses, gone)

    def _write(
        self, publications: tuple[Publication, ...], foreign: Mapping[str, NetworkRecord]
    ) -> None:
        rows = self._database.networks(self._project_id)
        own = bridge.standing(row for row in rows if row.id not in self._leaving)
        if own or publications:
            self._own.apply(FirewallState(networks=own, publications=publications))
        else:
            self._own.remove()
        for network_id, network in foreign.items():
            self._table_of(network_id).apply(FirewallState(networks=(network,)))
        self._settled = frozenset((*foreign, *(network.id for network in own)))
        for network_id in [one for one in self._shared if one not in foreign]:
            self._leave(network_id)

    def _table_of(self, network_id: str) -> ProjectFirewall:
        if network_id not in self._shared:
            name = shared_table_name(self._root_hash, network_id)
            self._shared[network_id] = ProjectFirewall(name)
        return self._shared[network_id]

    def _leave(self, network_id: str) -> None:
        """The last one on a shared network takes its table along."""
        table = self._shared.pop(network_id)
        with address_lock():
            rows = self._database.endpoints(network_id=network_id)
            if not any(row.link for row in rows):
                table.remove()
