"""Every rule that we ever put into the kernel, with its reason; and the table that holds them.

One inet table per project, and one per network that projects share; replaced in one transaction,
deleted whole. `table_of` decides, `ProjectFirewall` acts. Chains are accept by policy and speak of
our bridges alone, so foreign traffic is untouched. Source: D50, D51, V44, V45; DESIGN.md 7.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_network

from runtime.frozen import dataclass
from runtime.linux import conntrack, nftables, xtables
from runtime.linux.netlink_socket import NetlinkError
from runtime.linux.nftables import (
    Chain,
    Hook,
    Network,
    Part,
    Rule,
    Table,
    accept,
    destination,
    destination_port,
    drop,
    input_interface,
    is_established,
    is_ipv4,
    jump,
    masquerade,
    output_interface,
    redirect_to,
    source,
    to_this_host,
    was_redirected,
)
from runtime.networks import bridge, links
from runtime.networks.published import ANY_IPV4, ANY_IPV6, Publication
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


RulesOfNetwork = Callable[[NetworkRecord], Iterator[Rule]]


def _each(networks: tuple[NetworkRecord, ...], rules_of: RulesOfNetwork) -> Iterator[Rule]:
    for network in networks:
        yield from rules_of(network)


def _subnets(network: NetworkRecord) -> Iterator[tuple[Network, Network]]:
    """(subnet, gateway as a network of one) of each family that the network has."""
    for subnet, gateway in (
        (network.subnet, network.gateway),
        (network.subnet_ipv6, network.gateway_ipv6),
    ):
        if subnet:
            yield ip_network(subnet), ip_network(gateway)


def _loopback_guard() -> Iterator[Rule]:
    """V45: nobody outside reaches 127/8, or pretends to come from it.

    Else a port published on 127.0.0.1, and with route_localnet every service on the host's
    loopback, is open to whoever routes such packets to us.
    """
    outside = input_interface("lo", negated=True)
    yield (outside, destination(LOOPBACK), drop())
    yield (outside, source(LOOPBACK), drop())


def _direct_access_guard(network: NetworkRecord) -> Iterator[Rule]:
    """V45: containers are not reached by their own addresses from other networks or machines.

    Before DNAT: what was published still carries the host's address here. The gateway's address
    is the host's own.
    """
    for subnet, gateway in _subnets(network):
        yield (
            input_interface("lo", negated=True),
            input_interface(network.bridge, negated=True),
            destination(subnet),
            destination(gateway, negated=True),
            drop(),
        )


def _forward_rules(network: NetworkRecord) -> Iterator[Rule]:
    if network.options.internal:
        yield (
            input_interface(network.bridge),
            output_interface(network.bridge, negated=True),
            drop(),
        )
    yield (output_interface(network.bridge), jump(_to_bridge(network)))


def _to_bridge(network: NetworkRecord) -> str:
    return f"to-{network.bridge}"


def _to_bridge_chain(network: NetworkRecord) -> Chain:
    """What may be sent to the containers of a network by forwarding."""
    neighbours = accept() if network.options.driver_opts.get(_ICC) != "false" else drop()
    outside: tuple[Rule, ...] = ((is_established(), accept()), (was_redirected(), accept()))
    if network.options.internal:
        outside = ()
    # With br_netfilter even frames from port to port come through here. Published ports come first:
    # a sibling may use those even where it may not talk to its neighbours (icc).
    inside: Rule = (input_interface(network.bridge), neighbours)
    return Chain(name=_to_bridge(network), rules=(*outside, inside, (drop(),)))


def _masquerade_rules(network: NetworkRecord) -> Iterator[Rule]:
    bridge_out = output_interface(network.bridge)
    if not network.options.internal:
        # The host reached the container by 127.0.0.1: that is no address to answer to (V16).
        yield (source(LOOPBACK), bridge_out, masquerade())
    for subnet, _gateway in _subnets(network):
        if network.options.internal:
            continue
        if network.options.driver_opts.get(_MASQUERADE) != "false":
            yield (
                source(subnet),
                output_interface("lo", negated=True),
                output_interface(network.bridge, negated=True),
                masquerade(),
            )
        # Hairpin: came from this bridge and goes back to it. Unmasked, the answer would go from
        # container to container and never be translated back.
        yield (source(subnet), bridge_out, was_redirected(), masquerade())


def _published_rules(publications: tuple[Publication, ...]) -> Iterator[Rule]:
    """One redirect a port; a port on one address of the host is redirected for that one alone."""
    for port, address in publications:
        target = ip_address(address)
        # From IPv6 to an IPv4 container, and from ::1, which cannot be routed: the forwarder.
        if ip_address(port.host_ip).version == target.version and port.host_ip != "::1":
            yield (
                _host_address(port.host_ip),
                destination_port(port.protocol, port.host_port),
                redirect_to(target, port.container_port),
            )


def _host_address(text: str) -> Part:
    if text == ANY_IPV4:
        return is_ipv4()
    if text == ANY_IPV6:
        return destination(ip_network("::1"), negated=True)
    return destination(ip_network(text))


# --- the table in the kernel


class ProjectFirewall:
    """One table of ours, kept as it should be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._state: FirewallState | None = None
        self._socket: socket.socket | None = None

    def apply(self, state: FirewallState) -> None:
        """Bring the table to this state in one transaction. Raises RuntimeFault; then it is as
        before.

        The bridges exist. Nothing is sent when nothing changed.
        """
        before = self._state or FirewallState()
        if state != self._state or not self.is_intact():
            self._replace(state)
        self._state = state
        self._allow_loopback_sources()
        conntrack.forget_udp(_changed_udp(before, state))

    def ensure(self) -> bool:
        """Apply the last state again if somebody flushed or changed the table (V44). True if so."""
        if self._state is None or self.is_intact():
            return False
        self._replace(self._state)
        self._allow_loopback_sources()
        return True

    def is_intact(self) -> bool:
        """False when rules of it are missing: somebody flushed the ruleset, or a part of it."""
        if self._state is None:
            return False
        return nftables.count_rules(self.name) == table_of(self.name, self._state).rule_count

    def remove(self) -> None:
        """Delete the table whole, and forget what its UDP rules led to. It may be gone already."""
        before, self._state = self._state or FirewallState(), None
        with links.refusals("cannot change the firewall", tried=f"delete table {self.name}"):
            self._send(nftables.delete_table(self.name), step="delete table")
        conntrack.forget_udp(_changed_udp(before, FirewallState()))

    def _replace(self, state: FirewallState) -> None:
        with links.refusals("cannot change the firewall", tried=f"replace table {self.name}"):
            table = table_of(self.name, state)
            if nftables.count_rules(self.name) is not None or not self._make(table):
                self._send(nftables.replace_table(table), step="replace table")

    def _make(self, table: Table) -> bool:
        """False when it is there: the table of a shared network is every project's to make."""
        try:
            self._send(nftables.make_table(table), step="make table")
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
            return False
        return True

    def _send(self, batch: bytes, *, step: str) -> None:
        """On one socket for as long as this lives, since closing it waits for the kernel."""
        if self._socket is None:
            self._socket = nftables.open_socket()
        nftables.send(self._socket, batch, step=step)

    def _allow_loopback_sources(self) -> None:
        # Only behind the loopback guard, which stands by now. Asked for each time, since a bridge
        # that was made anew has forgotten it. An internal network publishes nothing.
        for network in self._state.networks if self._state else ():
            if network.subnet and not network.options.internal:
                bridge.allow_loopback_sources(network.bridge)


def _changed_udp(before: FirewallState, after: FirewallState) -> set[int]:
    """Host ports of UDP rules that came or went: an old client's packets would follow the old."""
    changed = set(before.publications) ^ set(after.publications)
    return {one.port.host_port for one in changed if one.port.protocol == "udp"}


# --- what others do to our packets


def describe_foreign_drops(root_hash: str) -> str:
    """A warning when another's firewall drops what is forwarded to our containers, else nothing.

    Docker and ufw set the policy of the FORWARD chain to drop: an accept of ours does not outvote
    it, and we never touch another's rules. Nothing is said once a rule there names our links.
    """
    ours = f"pc{root_hash}"
    foreign = [
        f"{chain.family} {chain.table} {chain.name}"
        for chain in nftables.list_base_chains()
        if chain.hook == Hook.FORWARD
        and chain.drops
        and not chain.table.startswith("pycompose-")
        and not nftables.chain_mentions(chain, ours)
    ]
    legacy = [
        chain.program
        for chain in xtables.list_forward_chains()
        if chain.drops and ours.encode() not in chain.rules
    ]
    rules = [
        *(
            f'`nft insert rule {chain} {direction} "{ours}*" accept`'
            for chain in foreign
            for direction in ("iifname", "oifname")
        ),
        *(
            f"`{program}-legacy -I FORWARD {direction} {ours}+ -j ACCEPT`"
            for program in legacy
            for direction in ("-i", "-o")
        ),
    ]
    if not rules:
        return ""
    where = [*foreign, *(f"{program} FORWARD" for program in legacy)]
    return (
        f"the firewall of another program drops forwarded packets by policy (chain"
        f" `{'`, `'.join(where)}`): containers may reach neither the outside nor each other's"
        f" published ports; this helps: {' and '.join(rules)}"
    )
