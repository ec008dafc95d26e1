"""Create a network that files can name as external."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from compose.cli.context import Context
from compose.cli.flags import Argument, Flag
from compose.cli.options import Words, parse_object_labels, parse_pairs
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
    attachable: Annotated[bool, Flag("--attachable", help="shown by inspect; all are")] = False,
    ingress: Annotated[bool, Flag("--ingress", help="refused: it is for clusters")] = False,
    scope: Annotated[str, Flag("--scope", help="refused, but for local: it is for clusters")] = "",
    config_only: Annotated[
        bool, Flag("--config-only", help="refused: give each network its options")
    ] = False,
    config_from: Annotated[
        str, Flag("--config-from", help="refused: give each network its options")
    ] = "",
    ipam_driver: Annotated[
        str, Flag("--ipam-driver", help="refused, but for default: there is one")
    ] = "default",
    ipam_opt: Annotated[
        Words,
        Flag("--ipam-opt", metavar="KEY=VALUE", help="no effect: the one driver has no options"),
    ] = (),
    ipv6: Annotated[bool, Flag("--ipv6", help="with IPv6 addresses")] = False,
    ipv4: Annotated[bool, Flag("--ipv4", help="with IPv4 addresses", default="true")] = True,
    label: Annotated[Words, Flag("--label", metavar="KEY=VALUE", help="add a label")] = (),
) -> None:
    from runtime.values import NetworkOptions

    if not name.strip():
        raise UsageError("a network needs a name")
    _refuse(ingress, scope, config_only or bool(config_from), ipam_driver)
    parse_pairs("--ipam-opt", ipam_opt)
    options = NetworkOptions(
        name=name,
        driver=driver,
        driver_opts=parse_pairs("--opt", opt),
        internal=internal,
        attachable=attachable,
        enable_ipv4=ipv4,
        enable_ipv6=ipv6,
        ipam=_pools(subnet, gateway, ip_range, parse_pairs("--aux-address", aux_address)),
        labels=parse_object_labels(label),
    )
    with context.open_machine() as machine:
        context.console.out.line(machine.create_network(options).id)


def _refuse(ingress: bool, scope: str, config: bool, ipam_driver: str) -> None:
    """What Docker has and a bridge of one machine cannot be."""
    if ingress or scope not in ("", "local"):
        flag = "--ingress" if ingress else f"--scope {scope}"
        raise UsageError(f"{flag} is for clusters: networks here are of one machine")
    if config:
        raise UsageError(
            "--config-only and --config-from are not there: give each network its options"
        )
    if ipam_driver not in ("", "default"):
        raise UsageError(f"there is no driver `{ipam_driver}` for addresses, only `default`")


def _pools(
    subnets: Words, gateways: Words, ranges: Words, aux: dict[str, str]
) -> tuple[IpamPool, ...]:
    """What is said of addresses belongs to the subnet that they are in, as in Docker."""
    from runtime.values import IpamPool

    if not subnets and (gateways or ranges or aux):
        raise UsageError("every ip-range, gateway or aux-address must have a corresponding subnet")
    home_of_gateway = _homes("gateway", gateways, subnets)
    home_of_range = _homes("ip-range", ranges, subnets)
    home_of_aux = [_home("aux-address", one, subnets) for one in aux.values()]
    return tuple(
        IpamPool(
            subnet=subnet,
            gateway=home_of_gateway.get(subnet, ""),
            ip_range=home_of_range.get(subnet, ""),
            aux_addresses={
                name: address
                for (name, address), home in zip(aux.items(), home_of_aux, strict=True)
                if home == subnet
            },
        )
        for subnet in subnets
    )


def _homes(what: str, given: Words, subnets: Words) -> dict[str, str]:
    """Subnet -> the one of these that lies in it."""
    found: dict[str, str] = {}
    for text in given:
        subnet = _home(what, text, subnets)
        if subnet in found:
            raise UsageError(f"{what} {found[subnet]} and {text} are both of subnet {subnet}")
        found[subnet] = text
    return found


def _home(what: str, text: str, subnets: Words) -> str:
    """The subnet that holds an address or a range; one that cannot be read is the engine's to
    refuse, where there is no choice."""
    from ipaddress import ip_network

    if len(subnets) == 1:
        return subnets[0]
    try:
        inner = ip_network(text, strict=False)
        for subnet in subnets:
            outer = ip_network(subnet)
            if inner.version == outer.version and outer.supernet_of(inner):  # type: ignore[arg-type]
                return subnet
    except ValueError as error:
        raise UsageError(f"invalid subnet or address: {error}") from None
    raise UsageError(f"no matching subnet for {what} {text}")
