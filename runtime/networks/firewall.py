"""Every rule that we ever put into the kernel, with its reason; and the table that holds them.

One inet table per project, and one per network that projects share; replaced in one transaction,
deleted whole. `table_of` decides, `ProjectFirewall` acts. Chains are accept by policy and speak of
our bridges alone, so foreign traffic is untouched. Source: D50, D51, V44, V45; DESIGN.md 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from runtime.linux import nftables
from runtime.linux.netlink_socket import NetlinkError, refusal
from runtime.linux.nftables import (
    Chain,
    Hook,
    Rule,
    Table,
    accept,
    destination,
    destination_port,
    drop,
    input_interface,
    is_established,
    is_ipv4,
    is_ipv6,
    jump,
    masquerade,
    output_interface,
    redirect_to,
    source,
    to_this_host,
    was_redirected,
)
from runtime.networks import bridge
from runtime.networks.published import Publication
from runtime.values import NetworkRecord

LOOPBACK = ip_network("127.0.0.0/8")
_ICC = "com.docker.network.bridge.enable_icc"
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallState:
    """What a table is to bring about."""

    networks: tuple[NetworkRecord, ...] = ()
    """Those that the table guards: the project's own, or the one shared network."""
    publications: tuple[Publication, ...] = ()
    """Ports of the containers that run, on whichever network."""


def project_table_name(root_hash: str, project_id: str) -> str:
    return f"pycompose-{root_hash}-{project_id}"


def shared_table_name(root_hash: str, network_id: str) -> str:
    """For a network without a project: every supervisor with an endpoint on it keeps it right."""
    return f"pycompose-{root_hash}-net-{network_id[:8]}"


# --- the rules


def table_of(name: str, state: FirewallState) -> Table:
    """The table for a state. Pure; `str()` of it is what `nft list table` prints."""
    networks = state.networks
    return Table(
        name=name,
        chains=(
            Chain(
                name="raw-prerouting",
                kind="filter",
                hook=Hook.PREROUTING,
                priority=-300,
                rules=(*_loopback_guard(), *_each(networks, _direct_access_guard)),
            ),
            Chain(
                name="forward",
                kind="filter",
                hook=Hook.FORWARD,
                rules=tuple(_each(networks, _forward_rules)),
            ),
            *(_to_bridge_chain(network) for network in networks),
            Chain(
                name="nat-prerouting",
                kind="nat",
                hook=Hook.PREROUTING,
                priority=-100,
                rules=((to_this_host(), jump("published")),),
            ),
            Chain(
                name="nat-output",
                kind="nat",
                hook=Hook.OUTPUT,
                priority=-100,
                rules=((to_this_host(), jump("published")),),
            ),
            Chain(name="published", rules=tuple(_published_rules(state.publications))),
            Chain(
                name="nat-postrouting",
                kind="nat",
                hook=Hook.POSTROUTING,
                priority=100,
                rules=tuple(_each(networks, _masquerade_rules)),
            ),
        ),
    )


def _each(
    networks: tuple[NetworkRecord, ...], rules: Callable[[NetworkRecord], Iterator[Rule]]
) -> Iterator[Rule]:
    for network in networks:
        yield from rules(network)


def _loopback_guard() -> Iterator[Rule]:
    """`route_localnet` on our bridges alone would open the host's 127/8 services to the outside."""
    yield (input_interface("lo", negated=True), is_ipv4(), destination(LOOPBACK), drop())


def _direct_access_guard(network: NetworkRecord) -> Iterator[Rule]:
    """V45: a machine that routes to a container's address does not get past its published ports."""
    foreign = input_interface(network.bridge, negated=True)
    for family, subnet in _subnets(network):
        yield (
            foreign,
            input_interface("lo", negated=True),
            family,
            destination(ip_network(subnet)),
            drop(),
        )


def _forward_rules(network: NetworkRecord) -> Iterator[Rule]:
    """Into the bridge by its own chain; out of an internal one only as an answer."""
    yield (output_interface(network.bridge), jump(_chain_name(network)))
    if network.options.internal:
        yield (input_interface(network.bridge), output_interface(network.bridge), accept())
        yield (input_interface(network.bridge), is_established(), accept())
        yield (input_interface(network.bridge), drop())


def _to_bridge_chain(network: NetworkRecord) -> Chain:
    """D50: answers, neighbours, published connections; nothing else."""
    rules: list[Rule] = [(is_established(), accept())]
    if network.options.driver_opts.get(_ICC, "true") != "false":
        rules.append((input_interface(network.bridge), accept()))
    if not network.options.internal:
        rules.append((was_redirected(), accept()))
    rules.append((drop(),))
    return Chain(name=_chain_name(network), rules=tuple(rules))


def _chain_name(network: NetworkRecord) -> str:
    return f"to-{network.bridge}"


def _published_rules(publications: tuple[Publication, ...]) -> Iterator[Rule]:
    """One redirect a port; a port on one address of the host is redirected for that one alone."""
    for publication in publications:
        address = ip_address(publication.address)
        host = ip_address(publication.port.host_ip)
        if host.version != address.version:
            continue  # the forwarder takes these connections
        family = is_ipv4() if address.version == 4 else is_ipv6()
        where = () if host.is_unspecified else (destination(ip_network(str(host))),)
        yield (
            family,
            *where,
            destination_port(publication.port.protocol, publication.port.host_port),
            redirect_to(address, publication.port.container_port),
        )


def _masquerade_rules(network: NetworkRecord) -> Iterator[Rule]:
    """Out to the world by the host's address; and back in through the bridge it came from
    (hairpin), or the answer would go straight to a client that asked somebody else."""
    for family, subnet in _subnets(network):
        own = source(ip_network(subnet))
        if not network.options.internal and _masquerades(network):
            yield (family, own, output_interface(network.bridge, negated=True), masquerade())
        yield (family, own, output_interface(network.bridge), was_redirected(), masquerade())
    # from 127.0.0.1 on the host: no answer would find its way back to that address
    yield (is_ipv4(), source(LOOPBACK), output_interface(network.bridge), masquerade())


def _masquerades(network: NetworkRecord) -> bool:
    return network.options.driver_opts.get(_MASQUERADE, "true") != "false"


def _subnets(network: NetworkRecord) -> Iterator[tuple[nftables.Part, str]]:
    if network.subnet:
        yield is_ipv4(), network.subnet
    if network.subnet_ipv6:
        yield is_ipv6(), network.subnet_ipv6


# --- in the kernel


class ProjectFirewall:
    """One table of ours, kept as it should be."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._applied: Table | None = None

    def apply(self, state: FirewallState) -> None:
        """Bring the table to this state in one transaction. Nothing is sent when nothing
        changed."""
        table = table_of(self._name, state)
        if table == self._applied and self.is_intact():
            return
        self._send(nftables.replace_table(table), "replace table")
        self._applied = table
        for network in state.networks:
            # only behind the loopback guard, which stands by now
            bridge.allow_loopback_sources(network.bridge)

    def is_intact(self) -> bool:
        """False when somebody flushed or changed it (V44)."""
        if self._applied is None:
            return False
        return nftables.count_rules(self._name) == self._applied.rule_count

    def remove(self) -> None:
        """The whole table; one that is gone is gone."""
        self._applied = None
        if self._name in nftables.list_tables():
            self._send(nftables.delete_table(self._name), "delete table")

    def _send(self, batch: bytes, step: str) -> None:
        try:
            nftables.send(batch, step=step)
        except NetlinkError as error:
            raise refusal(
                error, "cannot change the firewall", tried=f"{step} {self._name}"
            ) from error
