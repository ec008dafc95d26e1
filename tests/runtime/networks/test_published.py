"""A host port is ours or somebody's with a name; all ports of a container are reserved, or none."""

import os
import socket
from pathlib import Path

import pytest

from runtime.errors import PortTaken
from runtime.networks import published
from runtime.values import PortBinding


def binding(port: int = 0, **more: object) -> PortBinding:
    return PortBinding(container_port=80, host_port=port, host_ip="127.0.0.1", **more)


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
    for one in reserved:
        one.socket.close()
    assert len(numbers) == 1


def test_a_taken_port_is_reported_with_its_holder_and_the_line_that_asks_for_it():
    with taken_port() as holder:
        number = holder.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            published.reserve_ports([binding(number, origin="compose.yaml:12:7")])
    name = Path("/proc/self/comm").read_text().strip()
    assert caught.value.message == (
        f"port 127.0.0.1:{number}/tcp is already in use (asked for at compose.yaml:12:7)"
    )
    assert caught.value.answered == f"held by {name} (pid {os.getpid()})"


def test_a_range_takes_the_first_free_port():
    with taken_port() as holder:
        first = holder.getsockname()[1]
        (reservation,) = published.reserve_ports([binding(first, host_port_end=first + 20)])
        with reservation.socket:
            assert reservation.port.host_port > first


def test_all_are_reserved_or_none():
    with taken_port() as holder:
        number = holder.getsockname()[1]
        with pytest.raises(PortTaken):
            published.reserve_ports([binding(), binding(number)])
    published.check_ports([binding(number)])


def test_udp_ports_are_reserved_as_well():
    (reservation,) = published.reserve_ports([binding(protocol="udp")])
    with reservation.socket:
        with pytest.raises(PortTaken):
            published.reserve_ports([binding(reservation.port.host_port, protocol="udp")])


def test_a_connected_socket_on_the_port_is_no_holder():
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1\n"
        "   1: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 22 1\n"
    )
    assert list(published.parse_inodes(table, 8080)) == ["11"]
