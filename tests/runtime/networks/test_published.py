"""A host port is ours or somebody's with a name; all ports of a container are reserved, or none."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.errors import PortTaken, RuntimeFault
from runtime.networks import published
from runtime.networks.published import Publication, publications_of
from runtime.values import (
    HOST_BINDING,
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    EndpointState,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    PortBinding,
    ProjectId,
    PublishedPort,
)


def binding(port: int = 0, host_ip: str = "127.0.0.1", **more: object) -> PortBinding:
    return PortBinding(container_port=80, host_port=port, host_ip=host_ip, **more)


def port(host_ip: str = "0.0.0.0", number: int = 8080, protocol: str = "tcp") -> PublishedPort:
    return PublishedPort(container_port=80, protocol=protocol, host_ip=host_ip, host_port=number)


def taken_port() -> socket.socket:
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    return holder


def test_the_kernel_chooses_a_port_when_none_is_named():
    (reservation,) = published.reserve_ports([binding()])
    with reservation.socket:
        assert reservation.port.host_port == reservation.socket.getsockname()[1] > 0


def test_both_families_get_the_same_number():
    reserved = published.reserve_ports([PortBinding(container_port=80)])
    numbers = {one.port.host_port for one in reserved}
    addresses = [one.port.host_ip for one in reserved]
    for one in reserved:
        one.socket.close()
    assert len(numbers) == 1
    assert addresses == ["0.0.0.0", "::"]


def test_a_network_says_where_ports_without_an_address_are_published():
    """The one that leads outside: by gw_priority, then by name; never an internal one."""

    def network(name: str, host: str, *, internal: bool = False) -> NetworkRecord:
        options = {HOST_BINDING: host}
        return NetworkRecord(
            id=NetworkId(name),
            options=NetworkOptions(name=name, driver_opts=options, internal=internal),
        )

    def on(*endpoints: Endpoint) -> ContainerRecord:
        options = ContainerOptions(project="p", name="p-web-1", image="host", endpoints=endpoints)
        return ContainerRecord(id=ContainerId("c"), project_id=ProjectId("p"), options=options)

    made = (network("a", "", internal=True), network("b", "127.0.0.1"), network("c", "127.0.0.2"))
    networks = {one.name: one for one in made}
    a, b, c = (Endpoint(network=name) for name in "abc")
    first = Endpoint(network="c", gw_priority=1)
    found = [published.host_binding(on(*them), networks) for them in ((a, c, b), (b, first), (a,))]
    assert found == ["127.0.0.1", "127.0.0.2", ""]


def test_a_udp_port_is_bound():
    (reservation,) = published.reserve_ports([binding(protocol="udp")])
    with reservation.socket, pytest.raises(PortTaken) as caught:
        published.reserve_ports([binding(reservation.port.host_port, protocol="udp")])
    assert caught.value.answered.endswith(f"(pid {os.getpid()})")


def test_a_taken_port_is_reported_with_its_holder_and_the_line_that_asks_for_it():
    with taken_port() as holder:
        number = holder.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            published.reserve_ports([binding(number, origin="compose.yaml:12:7")])
    name = Path("/proc/self/comm").read_text().strip()
    assert caught.value.message == (
        f"port 127.0.0.1:{number}/tcp is already in use (asked for at compose.yaml:12:7)"
    )
    assert caught.value.tried == f"listen on 127.0.0.1:{number}/tcp"
    assert caught.value.answered == f"held by {name} (pid {os.getpid()})"
    assert caught.value.hint == "end what holds it, or publish another host port"


def test_a_holder_of_another_address_is_found_when_all_addresses_are_wanted():
    with taken_port() as holder:
        number = holder.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            published.reserve_ports([binding(number, host_ip="")])
    assert caught.value.message == f"port 0.0.0.0:{number}/tcp is already in use"
    assert caught.value.answered.endswith(f"(pid {os.getpid()})")


def test_a_port_of_ipv6_alone_is_reported():
    with socket.socket(socket.AF_INET6) as holder:
        holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        holder.bind(("::", 0))
        holder.listen()
        number = holder.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            published.reserve_ports([binding(number, host_ip="")])
    assert caught.value.answered.endswith(f"(pid {os.getpid()})")


def test_a_container_of_ours_is_named_rather_than_its_supervisor():
    with taken_port() as holder:
        number = holder.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            published.reserve_ports(
                [binding(number)],
                owner=lambda wanted: f"container shop-web-{wanted.container_port}",
            )
    assert caught.value.answered == "held by container shop-web-80"


def test_a_range_takes_the_first_free_port():
    with taken_port() as holder:
        first = holder.getsockname()[1]
        (reservation,) = published.reserve_ports([binding(first, host_port_end=first + 20)])
        with reservation.socket:
            assert reservation.port.host_port > first


@contextmanager
def taken_neighbours() -> Iterator[int]:
    """The first of two ports in a row that somebody listens on."""
    for first in range(20000, 30000, 2):
        with socket.socket() as one, socket.socket() as other:
            try:
                for handle, port in ((one, first), (other, first + 1)):
                    handle.bind(("127.0.0.1", port))
                    handle.listen()
            except OSError:
                continue
            yield first
            return


def test_a_range_that_is_all_taken_is_named_whole():
    # two neighbours below the ports that the kernel gives away by itself
    with taken_neighbours() as first:
        with pytest.raises(PortTaken) as caught:
            published.reserve_ports([binding(first, host_port_end=first + 1)])
    assert caught.value.message == (f"port 127.0.0.1:{first}-{first + 1}/tcp is already in use")


def test_all_are_reserved_or_none():
    with taken_port() as holder:
        number = holder.getsockname()[1]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = probe.getsockname()[1]
        with pytest.raises(PortTaken):
            published.reserve_ports([binding(free), binding(number)])
        published.check_ports([binding(free)])


def test_an_address_that_is_not_ours_is_said():
    with pytest.raises(RuntimeFault) as caught:
        published.reserve_ports([binding(0, host_ip="192.0.2.1")])
    assert caught.value.message == "cannot listen on 192.0.2.1:0/tcp"
    assert caught.value.answered == "EADDRNOTAVAIL (Cannot assign requested address)"
    assert caught.value.hint == "no interface of this host has that address; see `ip address`"


def test_a_lingering_connection_of_the_last_run_holds_no_port():
    (reservation,) = published.reserve_ports([binding()])
    with reservation.socket as listener:
        listener.setblocking(True)
        with socket.create_connection(listener.getsockname()) as client:
            served, _ = listener.accept()
            served.close()  # the server's end closes first: TIME_WAIT is here
            client.recv(1)
    published.check_ports([binding(reservation.port.host_port)])


# --- where ports lead


def test_a_port_leads_to_the_endpoint_with_the_default_route():
    endpoints = (
        EndpointState(network="inside", ipv4_address="172.19.0.2"),
        EndpointState(network="outside", ipv4_address="172.18.0.2", gateway="172.18.0.1"),
    )
    assert publications_of(endpoints, [port(), port("::")]) == (
        Publication(port(), "172.18.0.2"),
        Publication(port("::"), "172.18.0.2"),
    )


def test_a_port_of_ipv6_leads_to_the_ipv6_address_where_there_is_one():
    endpoints = (
        EndpointState(
            network="n",
            ipv4_address="172.18.0.2",
            gateway="172.18.0.1",
            ipv6_address="fd00::2",
            gateway_ipv6="fd00::1",
        ),
    )
    assert publications_of(endpoints, [port("::")]) == (Publication(port("::"), "fd00::2"),)


def test_a_container_on_internal_networks_alone_publishes_nothing():
    endpoints = (EndpointState(network="inside", ipv4_address="172.19.0.2"),)
    assert publications_of(endpoints, [port()]) == ()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (port(), port("127.0.0.1"), True),
        (port("127.0.0.1"), port("127.0.0.2"), False),
        (port(), port("::"), False),
        (port(), port(number=81), False),
        (port(), port(protocol="udp"), False),
    ],
)
def test_two_ports_clash(one: PublishedPort, other: PublishedPort, expected: bool):
    assert published.clash(one, other) is expected
