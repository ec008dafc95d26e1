"""One bridge per network: made, mended, removed; and the host's switches that they need.

A bridge that is up is complete: it is set up last, so a half-made one is found and finished.
Source: DESIGN.md 7; V15 for IPv6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_interface, ip_network
from pathlib import Path

from runtime.errors import RuntimeFault, system_call
from runtime.linux import faults, netlink
from runtime.networks import links
from runtime.networks.addresses import derive_mac_address
from runtime.values import NetworkRecord

_BRIDGE_NAME = "com.docker.network.bridge.name"
_MTU = "com.docker.network.driver.mtu"
_SYSCTL = Path("/proc/sys/net")


def choose_bridge_name(
    network_id: str,
    *,
    root_hash: str,
    project_id: str,
    driver_opts: Mapping[str, str] | None = None,
    taken: Collection[str] = (),
) -> str:
    """The kernel name for `NetworkRecord.bridge`: as the user asked, else ours (DESIGN.md 5)."""
    asked = (driver_opts or {}).get(_BRIDGE_NAME, "")
    if asked in taken:
        raise RuntimeFault(
            f"the bridge name `{asked}` is taken by another network",
            code="E634",
            hint=f"choose another `{_BRIDGE_NAME}`, or name that network as external",
        )
    if asked:
        return links.check_name(asked)
    owner = project_id or network_id
    return links.choose_name("b", network_id, root_hash=root_hash, owner=owner, taken=taken)


def mtu_of(record: NetworkRecord) -> int:
    """0: the kernel's default."""
    text = record.options.driver_opts.get(_MTU, "")
    return int(text) if text.isdecimal() else 0


def is_up(record: NetworkRecord) -> bool:
    """Made, and made to its end."""
    link = netlink.find_links([record.bridge]).get(record.bridge)
    return link is not None and link.is_up


def standing(records: Iterable[NetworkRecord]) -> tuple[NetworkRecord, ...]:
    """Those whose bridge is there: a network has none before its first container."""
    given = tuple(records)
    found = netlink.find_links(record.bridge for record in given)
    return tuple(record for record in given if record.bridge in found)


def ensure_bridge(record: NetworkRecord) -> int:
    """The bridge exists, has its addresses and is up; its index. Raises RuntimeFault."""
    link = netlink.find_links([record.bridge]).get(record.bridge)
    if link is not None and link.is_up:
        return link.index
    if link is None:
        _refuse_shared_subnet(record)
    with links.refusals(f"network {record.name}: cannot make its bridge", tried=record.bridge):
        return _make(record)


def _make(record: NetworkRecord) -> int:
    name = record.bridge
    mac_address = derive_mac_address(record.gateway or record.gateway_ipv6)
    create = netlink.create_bridge(name, mac_address=mac_address, mtu=mtu_of(record))
    alias = links.network_alias(record.id, record.name)
    netlink.commit([create, netlink.set_alias(name, alias)], step="create bridge")
    _set_ipv6_switches(name, has_ipv6=bool(record.subnet_ipv6))
    index = netlink.find_links([name])[name].index
    addresses = [
        netlink.add_address(index, ip_interface(f"{gateway}/{ip_network(subnet).prefixlen}"))
        for gateway, subnet in (
            (record.gateway, record.subnet),
            (record.gateway_ipv6, record.subnet_ipv6),
        )
        if gateway
    ]
    netlink.commit([*addresses, netlink.set_up(name)], step="configure bridge")
    return index


def _refuse_shared_subnet(record: NetworkRecord) -> None:
    """Two bridges with the same subnet give no error, only two equal routes: so look before."""
    subnets = [ip_network(text) for text in (record.subnet, record.subnet_ipv6) if text]
    for route in netlink.list_routes():
        for subnet in subnets:
            if route == subnet:
                raise RuntimeFault(
                    f"network {record.name}: its subnet {subnet} is in use on this host by now",
                    code="E627",
                    tried=f"create bridge {record.bridge}",
                    answered=f"there is a route to {route}",
                    hint="remove the network and create it again, or end what has the subnet",
                )


def _set_ipv6_switches(name: str, *, has_ipv6: bool) -> None:
    # V15: a container must not get IPv6 onto the host by router advertisements.
    write_sysctl(f"ipv6/conf/{name}/accept_ra", "0", optional=True)
    write_sysctl(f"ipv6/conf/{name}/disable_ipv6", "0" if has_ipv6 else "1", optional=True)
    if has_ipv6:
        # The addresses are unique; the first packets would wait a second for the link-local one.
        write_sysctl(f"ipv6/conf/{name}/accept_dad", "0", optional=True)


def remove_bridges(records: Iterable[NetworkRecord], *, ports: Iterable[str] = ()) -> None:
    """All of them together, and the host's ends of veths (`Lease.link`) with them: one wait of the
    kernel. Those that are not there are gone."""
    owners = {record.bridge: links.network_alias(record.id) for record in records}
    found = netlink.find_links(owners)
    # A bridge that the user named and that stood before us is not ours to remove.
    ours = [name for name, link in found.items() if link.alias.startswith(owners[name])]
    links.remove([*ports, *ours])


def ensure_forwarding(*, ipv6: bool = False) -> None:
    """The host forwards packets. The one switch of the host that we set, and never set back."""
    _switch_on("ipv4/ip_forward")
    if ipv6 and not _is_on("ipv6/conf/all/forwarding"):
        _keep_router_advertisements()
        _switch_on("ipv6/conf/all/forwarding")


def _keep_router_advertisements() -> None:
    """A forwarding host drops advertisements, and with them its own default route, unless 2."""
    for folder in (_SYSCTL / "ipv6/conf").iterdir():
        if _is_on(f"ipv6/conf/{folder.name}/accept_ra"):
            write_sysctl(f"ipv6/conf/{folder.name}/accept_ra", "2", optional=True)


def allow_loopback_sources(bridge: str) -> None:
    """Let the host reach a published port by 127.0.0.1.

    The firewall's table must stand first: this alone opens the host's loopback services. A bridge
    that is not there yet is left out.
    """
    name = f"ipv4/conf/{bridge}/route_localnet"
    if (_SYSCTL / name).exists():
        _switch_on(name)


def _is_on(name: str) -> bool:
    return (_SYSCTL / name).read_text().strip() == "1"


def _switch_on(name: str) -> None:
    with system_call(f"cannot switch on {name}", tried=f"read net/{name}", code="E612"):
        if _is_on(name):
            return
    write_sysctl(name, "1")


def write_sysctl(name: str, value: str, *, optional: bool = False) -> None:
    """Below net/. `optional`: a kernel without the switch (no IPv6) needs it not."""
    path = _SYSCTL / name
    if optional and not path.exists():
        return
    with (
        faults.point(f"sysctl {path.name}"),
        system_call(f"cannot set net/{name}", tried=f"write {value} to {path}", code="E612"),
    ):
        path.write_text(value)
