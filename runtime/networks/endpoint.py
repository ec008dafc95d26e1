"""A container on its networks: planned as values, attached by veths, detached.

The host's end becomes a port of the bridge, the far end is born in the container's namespace under
its final name; what must happen inside is handed over as bytes for the init to send, so that no
thread of ours ever enters another namespace (P01). Source: DESIGN.md 7.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network

from runtime.errors import NotFound, RuntimeFault
from runtime.frozen import dataclass, field, replace
from runtime.linux import netlink
from runtime.networks import addresses, bridge, links
from runtime.networks.addresses import Lease
from runtime.values import ContainerRecord, Endpoint, EndpointState, NetworkRecord

_MAC_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
_ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"
_INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPlan:
    """One endpoint, decided: everything that the kernel is to be told."""

    network_id: str
    network: str
    """Full name."""
    container_id: str
    container: str
    """Name, for the link's alias."""
    bridge: str
    link: str
    """Kernel name of the host's end."""
    interface: str
    """Name of the container's end: eth0 ..."""
    mac_address: str
    ipv4: str = ""
    """With its prefix length: `172.18.0.2/16`; empty without the family."""
    ipv6: str = ""
    gateway: str = ""
    """Of the network; routes go by it only where `routes_ipv4` says so."""
    gateway_ipv6: str = ""
    routes_ipv4: bool = False
    routes_ipv6: bool = False
    is_internal: bool = False
    link_local_ips: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """By which the others on this network find it."""
    mtu: int = 0
    sysctls: Mapping[str, str] = field(default_factory=dict)

    @property
    def lease(self) -> Lease:
        """What to remember, so that the container comes back to the same address."""
        return Lease(
            self.network_id,
            self.container_id,
            self.ipv4.partition("/")[0],
            self.ipv6.partition("/")[0],
            self.mac_address,
            self.link,
            self.names,
        )

    @property
    def state(self) -> EndpointState:
        """What `inspect` and `ps` show of it."""
        return EndpointState(
            network=self.network,
            ipv4_address=self.ipv4.partition("/")[0],
            ipv6_address=self.ipv6.partition("/")[0],
            prefix_length=int(self.ipv4.partition("/")[2] or 0),
            gateway=self.gateway if self.routes_ipv4 else "",
            gateway_ipv6=self.gateway_ipv6 if self.routes_ipv6 else "",
            mac_address=self.mac_address,
            aliases=self.names,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What the init is told: fields of messages.Configure."""

    route_batches: tuple[bytes, ...]
    network_sysctls: Mapping[str, str]


# --- planning


def plan_endpoints(
    record: ContainerRecord,
    networks: Mapping[str, NetworkRecord],
    leases: Iterable[Lease],
    *,
    root_hash: str,
    avoided: Collection[str] = (),
) -> tuple[EndpointPlan, ...]:
    """The endpoints of a container, in the order of their interfaces. Pure.

    `networks` by full name; `leases` of the whole root: those of this container are kept, those of
    others are taken. `avoided` as in addresses.choose_ipv4. Raises RuntimeFault, NotFound.
    """
    if record.options.network_mode:
        return ()
    known = list(leases)
    ordered = sorted(record.options.endpoints, key=lambda e: (-e.priority, e.network))
    plans: list[EndpointPlan] = []
    for endpoint in ordered:
        network = _find(networks, endpoint.network, record.name)
        plan = _plan(record, endpoint, network, known, root_hash=root_hash, avoided=avoided)
        known = [lease for lease in known if lease[:2] != plan.lease[:2]] + [plan.lease]
        plans.append(plan)
    return _with_routes(_with_interfaces(plans, ordered, networks), ordered)


def host_gateways(plans: Sequence[EndpointPlan]) -> tuple[str, ...]:
    """For `host-gateway`, as Docker: the host's address of each family, on the network with the
    default route, or on one that leads nowhere else. Alone, a container has itself."""
    by_ipv4 = sorted(plans, key=lambda plan: not plan.routes_ipv4)
    by_ipv6 = sorted(plans, key=lambda plan: not plan.routes_ipv6)
    ipv4 = next((plan.gateway for plan in by_ipv4 if plan.gateway), "")
    ipv6 = next((plan.gateway_ipv6 for plan in by_ipv6 if plan.gateway_ipv6), "")
    return tuple(filter(None, (ipv4, ipv6))) or ("127.0.0.1",)


def _find(networks: Mapping[str, NetworkRecord], name: str, container: str) -> NetworkRecord:
    try:
        return networks[name]
    except KeyError:
        raise NotFound(
            f"{container}: network {name} is not there",
            code="E628",
            hint="`pycompose up` makes the networks of a project; `network create` makes others",
        ) from None


def _plan(
    record: ContainerRecord,
    endpoint: Endpoint,
    network: NetworkRecord,
    leases: Sequence[Lease],
    *,
    root_hash: str,
    avoided: Collection[str],
) -> EndpointPlan:
    own = [lease for lease in leases if lease[:2] == (network.id, record.id)]
    others = [lease for lease in leases if lease[:2] != (network.id, record.id)]
    before = own[0] if own else Lease(network.id, record.id)
    ipv4 = ipv6 = ""
    if network.subnet or endpoint.ipv4_address:
        wanted = endpoint.ipv4_address or _still_fitting(before.ipv4, network.subnet)
        ipv4 = addresses.choose_ipv4(network, others, wanted=wanted, avoided=avoided)
    if network.subnet_ipv6 or endpoint.ipv6_address:
        wanted = endpoint.ipv6_address or _still_fitting(before.ipv6, network.subnet_ipv6)
        ipv6 = addresses.choose_ipv6(network, others, wanted=wanted, avoided=avoided)
    return EndpointPlan(
        network_id=network.id,
        network=network.name,
        container_id=record.id,
        container=record.name,
        bridge=network.bridge,
        link=before.link or _choose_link(record, network, others, root_hash),
        interface="",
        mac_address=_mac_address(record, endpoint, ipv4 or ipv6),
        ipv4=_with_prefix(ipv4, network.subnet),
        ipv6=_with_prefix(ipv6, network.subnet_ipv6),
        gateway=network.gateway,
        gateway_ipv6=network.gateway_ipv6,
        is_internal=network.options.internal,
        link_local_ips=_link_local(record, endpoint),
        names=_names(record, endpoint),
        mtu=bridge.mtu_of(network),
    )


def _still_fitting(address: str, subnet: str) -> str:
    """The address of the last run, unless the network was made anew with another subnet."""
    fits = address and subnet and ip_interface(address).ip in ip_network(subnet)
    return address if fits else ""


def _choose_link(
    record: ContainerRecord, network: NetworkRecord, leases: Sequence[Lease], root_hash: str
) -> str:
    taken = {lease.link for lease in leases}
    seed = f"{record.id}/{network.id}"
    return links.choose_name("v", seed, root_hash=root_hash, owner=record.project_id, taken=taken)


def _mac_address(record: ContainerRecord, endpoint: Endpoint, address: str) -> str:
    is_only = len(record.options.endpoints) == 1
    asked = endpoint.mac_address or (record.options.mac_address if is_only else "")
    if asked and not _MAC_ADDRESS.fullmatch(asked):
        raise _wrong(record, "mac_address", asked, "write it as 02:42:ac:11:00:02")
    return asked or addresses.derive_mac_address(address)


def _wrong(record: ContainerRecord, attribute: str, text: str, hint: str) -> RuntimeFault:
    shown = text.encode("unicode_escape").decode()
    return RuntimeFault(f"{record.name}: {attribute}: `{shown}` is none", code="E636", hint=hint)


def _link_local(record: ContainerRecord, endpoint: Endpoint) -> tuple[str, ...]:
    for text in endpoint.link_local_ips:
        try:
            is_link_local = ip_address(text).is_link_local
        except ValueError:
            is_link_local = False
        if not is_link_local:
            raise _wrong(record, "link_local_ips", text, "one is in 169.254.0.0/16 or fe80::/10")
    return endpoint.link_local_ips


def _with_prefix(address: str, subnet: str) -> str:
    return f"{address}/{ip_network(subnet).prefixlen}" if address else ""


def _names(record: ContainerRecord, endpoint: Endpoint) -> tuple[str, ...]:
    """Container name, service, aliases, short id, hostname: each once, as Docker registers them."""
    options = record.options
    service = options.service if not options.oneoff else ""
    wanted = (options.name, service, *endpoint.aliases, record.id[:12], options.hostname)
    return tuple(dict.fromkeys(name for name in wanted if name))


def _with_interfaces(
    plans: Sequence[EndpointPlan],
    endpoints: Sequence[Endpoint],
    networks: Mapping[str, NetworkRecord],
) -> list[EndpointPlan]:
    """Names as asked; the rest get eth0, eth1 ... in order, around the asked ones."""
    asked = [links.check_name(e.interface_name) for e in endpoints if e.interface_name]
    if len(asked) != len(set(asked)) or "lo" in asked:
        raise RuntimeFault(f"interface name {asked[0]} is used twice", code="E629")
    named: list[EndpointPlan] = []
    for plan, endpoint in zip(plans, endpoints, strict=True):
        prefix = networks[plan.network].options.driver_opts.get(_INTERFACE_PREFIX, "eth")
        used = {*asked, *(other.interface for other in named)}
        free = (name for number in range(1000) if (name := f"{prefix}{number}") not in used)
        interface = endpoint.interface_name or next(free)
        sysctls = _sysctls(endpoint, interface, has_ipv6=bool(plan.ipv6))
        named.append(replace(plan, interface=interface, sysctls=sysctls))
    return named


def _sysctls(endpoint: Endpoint, interface: str, *, has_ipv6: bool) -> dict[str, str]:
    # V15: no IPv6 and no router advertisements on an interface of a network without IPv6.
    switches = {
        f"net.ipv6.conf.{interface}.accept_ra": "0",
        f"net.ipv6.conf.{interface}.disable_ipv6": "0" if has_ipv6 else "1",
    }
    if has_ipv6:
        switches[f"net.ipv6.conf.{interface}.accept_dad"] = "0"
    for entry in endpoint.driver_opts.get(_ENDPOINT_SYSCTLS, "").split(","):
        name, separator, value = entry.strip().partition("=")
        if separator:
            switches[name.replace("IFNAME", interface)] = value
    return switches


def _with_routes(
    plans: Sequence[EndpointPlan], endpoints: Sequence[Endpoint]
) -> tuple[EndpointPlan, ...]:
    """The default route goes by the highest gw_priority, then by the first name; never internal."""
    ranks = {
        plan.network: (-endpoint.gw_priority, plan.network)
        for plan, endpoint in zip(plans, endpoints, strict=True)
        if not plan.is_internal
    }
    ipv4 = min((ranks[p.network] for p in plans if p.network in ranks and p.ipv4), default=None)
    ipv6 = min((ranks[p.network] for p in plans if p.network in ranks and p.ipv6), default=None)
    return tuple(
        replace(
            plan,
            routes_ipv4=ipv4 is not None and ranks.get(plan.network) == ipv4,
            routes_ipv6=ipv6 is not None and ranks.get(plan.network) == ipv6,
        )
        for plan in plans
    )


# --- acting


def attach(plans: Sequence[EndpointPlan], *, pid: int = 0, namespace_fd: int = -1) -> Attachment:
    """Make the veths of a container whose init waits. The bridges exist. Raises RuntimeFault.

    With no plans (network_mode none) only the loopback interface is set up. Nothing of it is left
    behind when it fails.
    """
    if not plans:
        return Attachment(
            route_batches=(netlink.encode([netlink.set_up("lo")]),), network_sysctls={}
        )
    found = netlink.find_links([*(p.bridge for p in plans), *(p.link for p in plans)])
    _remove_stale([plan for plan in plans if plan.link in found], found)
    requests = [
        request
        for plan in plans
        for request in _veth_requests(plan, found, pid=pid, namespace_fd=namespace_fd)
    ]
    with links.refusals(
        f"{plans[0].container}: cannot connect to its networks", tried=_tried(plans)
    ):
        try:
            made = netlink.commit(requests, step="create veth")
        except OSError:
            detach(plans)
            raise
    if gone := [plan.link for plan in plans if plan.link not in made]:
        detach(plans)
        raise RuntimeFault(
            f"{plans[0].container}: cannot connect to its networks",
            code="E610",
            tried=_tried(plans),
            answered=f"{gone[0]} is gone as soon as it was made",
            hint="its other end goes with the namespace of a container that died",
        )
    return _attachment(plans, made)


def _tried(plans: Sequence[EndpointPlan]) -> str:
    return ", ".join(f"veth {plan.link} on {plan.bridge}" for plan in plans)


def _remove_stale(plans: Sequence[EndpointPlan], found: Mapping[str, netlink.Link]) -> None:
    """The link of the last run may still wait for its namespace to die; another's link is no one's
    to remove."""
    for plan in plans:
        alias = found[plan.link].alias
        if not alias.startswith(links.container_alias(plan.container_id)):
            raise RuntimeFault(
                f"{plan.container}: a link named {plan.link} is there already",
                code="E615",
                answered=f"its alias is `{alias}`",
                hint=f"see `ip link show {plan.link}`",
            )
    detach(plans)


def _veth_requests(
    plan: EndpointPlan, found: Mapping[str, netlink.Link], *, pid: int, namespace_fd: int
) -> Iterator[netlink.Request]:
    if plan.bridge not in found:
        raise RuntimeFault(
            f"{plan.container}: the bridge of network {plan.network} is gone",
            code="E616",
            tried=f"find link {plan.bridge}",
            hint="`pycompose up` makes it anew",
        )
    yield netlink.create_veth(
        plan.link,
        bridge_index=found[plan.bridge].index,
        peer_name=plan.interface,
        peer_mac_address=plan.mac_address,
        pid=pid,
        namespace_fd=namespace_fd,
        mtu=plan.mtu,
    )
    # while it is down: of a link that is up the kernel first settles whether it has a carrier
    yield netlink.get_link(plan.link)
    alias = links.container_alias(plan.container_id, plan.container)
    yield netlink.set_bridge_port(plan.link, alias=alias)


def _attachment(plans: Sequence[EndpointPlan], made: Mapping[str, netlink.Link]) -> Attachment:
    requests = [netlink.set_up("lo")]
    for plan in plans:
        requests += _inner_requests(plan, made[plan.link].peer_index)
    for plan in plans:
        requests += _inner_routes(plan, made[plan.link].peer_index)
    sysctls = {key: value for plan in plans for key, value in plan.sysctls.items()}
    return Attachment(route_batches=(netlink.encode(requests),), network_sysctls=sysctls)


def _inner_requests(plan: EndpointPlan, index: int) -> Iterator[netlink.Request]:
    for address in (plan.ipv4, plan.ipv6, *map(_as_link_local, plan.link_local_ips)):
        if address:
            yield netlink.add_address(index, ip_interface(address))
    yield netlink.set_up(plan.interface)


def _as_link_local(address: str) -> str:
    return f"{address}/{64 if ':' in address else 16}"


def _inner_routes(plan: EndpointPlan, index: int) -> Iterator[netlink.Request]:
    if plan.routes_ipv4:
        yield netlink.add_default_route(plan.gateway, index=index)
    if plan.routes_ipv6:
        yield netlink.add_default_route(plan.gateway_ipv6, index=index)


def detach(plans: Iterable[EndpointPlan]) -> None:
    """Take the veths away, of one container or of many: together they cost as much as one."""
    detach_links(plan.link for plan in plans)


def detach_links(names: Iterable[str]) -> None:
    """The same by the names of the host's ends (`Lease.link`). Those that are gone are gone."""
    links.remove([name for name in names if name])
