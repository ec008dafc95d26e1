"""Create a network that files can name as external."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import Words, parse_labels, parse_pairs
from compose.cli.parsing import UsageError

if TYPE_CHECKING:
    from runtime.values import IpamPool


def command(
    context: Context,
    name: Annotated[str, Argument("NETWORK", minimum=1)],
    driver: Annotated[str, Flag("-d", "--driver", help="which", default="bridge")] = "bridge",
    opt: Annotated[
        Words, Flag("-o", "--opt", metavar="KEY=VALUE", help="an option of the driver")
    ] = (),
    subnet: Annotated[Words, Flag("--subnet", metavar="CIDR", help="its addresses")] = (),
    gateway: Annotated[Words, Flag("--gateway", metavar="IP", help="address of the host")] = (),
    ip_range: Annotated[
        Words,
        Flag("--ip-range", metavar="CIDR", help="the part that containers get addresses from"),
    ] = (),
    aux_address: Annotated[
        Words, Flag("--aux-address", metavar="NAME=IP", help="an address to leave alone")
    ] = (),
    internal: Annotated[bool, Flag("--internal", help="no way to the outside")] = False,
    attachable: Annotated[bool, Flag("--attachable", help="no effect: all are")] = False,
    ipv6: Annotated[bool, Flag("--ipv6", help="with IPv6 addresses")] = False,
    ipv4: Annotated[bool, Flag("--ipv4", help="with IPv4 addresses", default="true")] = True,
    label: Annotated[Words, Flag("--label", metavar="KEY=VALUE", help="add a label")] = (),
) -> None:
    from runtime.values import NetworkOptions

    options = NetworkOptions(
        name=name,
        driver=driver,
        driver_opts=parse_pairs("--opt", opt),
        internal=internal,
        attachable=attachable,
        enable_ipv4=ipv4,
        enable_ipv6=ipv6,
        ipam=_pools(subnet, gateway, ip_range, parse_pairs("--aux-address", aux_address)),
        labels=parse_labels(label),
    )
    with context.open_machine() as machine:
        context.console.out.line(machine.create_network(options).id)


def _pools(
    subnets: Words, gateways: Words, ranges: Words, aux: dict[str, str]
) -> tuple[IpamPool, ...]:
    """The gateway and the range of each subnet stand at the same place in their lists."""
    from runtime.values import IpamPool

    if not subnets and (gateways or ranges or aux):
        raise UsageError("every ip-range, gateway or aux-address must have a corresponding subnet")
    return tuple(
        IpamPool(
            subnet=subnet,
            gateway=gateways[at] if at < len(gateways) else "",
            ip_range=ranges[at] if at < len(ranges) else "",
            aux_addresses=aux if at == 0 else {},
        )
        for at, subnet in enumerate(subnets)
    )
