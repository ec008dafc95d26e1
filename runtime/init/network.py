"""The network as far as it happens inside the container's namespace.

The supervisor encodes what is to be said (addresses, routes, `lo` up) and this process says it on
netlink sockets of its own, so no thread ever enters another network namespace (P01). The sockets
of the resolver are opened here, for a socket belongs to the namespace it was made in, and handed
out with Ready. Source: netlink(7), DESIGN.md 7.
"""

from __future__ import annotations

import fcntl
import socket
import struct

from runtime.init.child import InitChild, receive_one
from runtime.init.namespaces import sysctl_path
from runtime.linux import faults, netlink_socket, nftables, proc
from runtime.linux.netlink_socket import NetlinkError, refusal
from runtime.messages import Configure

RESOLVER_ADDRESS = "127.0.0.11"
_GET_FLAGS, _SET_FLAGS, _IFF_UP = 0x8913, 0x8914, 1
_LINK_REQUEST = struct.Struct("16sH22x")  # struct ifreq, netdevice(7)


def wait_for_configure(child: InitChild) -> None:
    """Until here the network did not matter; from here on the far end of each veth is there."""
    child.configure = receive_one(child, Configure)


def configure(child: InitChild) -> None:
    """The switches before the links go up, or IPv6 would begin where it is to be off (V15)."""
    for name, value in child.configure.network_sysctls.items():
        proc.write_trusted(child.proc, sysctl_path(name), value)
    _say(netlink_socket.ROUTE, child.configure.route_batches)
    _say(netlink_socket.NETFILTER, child.configure.netfilter_batches)


def open_resolver(child: InitChild) -> None:
    """Two sockets on high ports, and the rule that leads port 53 of the address there."""
    if not child.request.resolver:
        return
    _raise_loopback()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    streams = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    child.resolver = [datagrams, streams]
    with faults.point("bind resolver"):
        datagrams.bind((RESOLVER_ADDRESS, 0))
        streams.bind((RESOLVER_ADDRESS, 0))
        streams.listen(64)
    if child.request.asks_inside:
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        child.resolver.append(asking)
        with faults.point("bind resolver"):
            asking.bind(("127.0.0.1", 0))
    ports = datagrams.getsockname()[1], streams.getsockname()[1]
    _say(netlink_socket.NETFILTER, (nftables.dns_redirect_batch(*ports),))


def _raise_loopback() -> None:
    """An address of a link that is down cannot be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = _LINK_REQUEST.pack(b"lo", 0)
        (_name, flags) = _LINK_REQUEST.unpack(fcntl.ioctl(any_socket, _GET_FLAGS, request))
        with faults.point("raise loopback"):
            fcntl.ioctl(any_socket, _SET_FLAGS, _LINK_REQUEST.pack(b"lo", flags | _IFF_UP))


def _say(protocol: int, batches: tuple[bytes, ...]) -> None:
    for batch in batches:
        try:
            with faults.point("configure network"):
                netlink_socket.exchange(protocol, batch)
        except NetlinkError as error:
            raise refusal(
                error,
                "the kernel refused the network of the container",
                tried="netlink requests in its network namespace",
            ) from error
