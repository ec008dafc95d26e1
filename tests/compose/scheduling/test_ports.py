"""Two containers of one plan that want the same port, and who else has it."""

import pytest

from compose.errors import ComposeError
from compose.model.attribute import replace
from compose.model.ports import Port
from compose.scheduling.ports import check_distinct, fixed_ports
from runtime.values import PortBinding
from tests.fakes.projects import project_of


def port(number: int, host_ip: str = "", protocol: str = "tcp", origin: str = "") -> PortBinding:
    return PortBinding(
        container_port=80, host_port=number, host_ip=host_ip, protocol=protocol, origin=origin
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (port(8080), port(8081)),
        (port(8080), port(8080, protocol="udp")),
        (port(8080, "127.0.0.1"), port(8080, "127.0.0.2")),
    ],
)
def test_these_do_not_meet(one, other):
    check_distinct([("a-1", one), ("b-1", other)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (port(8080), port(8080)),
        (port(8080, "127.0.0.1"), port(8080)),
        (port(8080, "127.0.0.1"), port(8080, "127.0.0.1")),
    ],
)
def test_these_meet(one, other):
    with pytest.raises(ComposeError, match="a-1 and b-1 both publish port 8080/tcp"):
        check_distinct([("a-1", one), ("b-1", other)])


def test_ports_without_an_address_are_asked_for_where_their_network_says():
    project = project_of("""
      services:
        web: {image: host, networks: [inner, local]}
      networks:
        inner: {internal: true}
        local: {driver_opts: {com.docker.network.bridge.host_binding_ipv4: 127.0.0.1}}
    """)
    ports = (Port(target=80, published="8080"), Port(target=80, published="8081", host_ip="::1"))
    asked = fixed_ports(project, replace(project.services["web"], ports=ports))
    assert [(one.host_ip, one.host_port) for one in asked] == [
        ("127.0.0.1", 8080),
        ("::1", 8081),
    ]


def test_both_places_are_named():
    wanted = [
        ("a-1", port(8080, origin="compose.yaml:4:7")),
        ("b-1", port(8080, origin="compose.yaml:9:7")),
    ]
    with pytest.raises(ComposeError) as caught:
        check_distinct(wanted)
    assert caught.value.message == (
        "a-1 and b-1 both publish port 8080/tcp"
        " (asked for at compose.yaml:4:7) (asked for at compose.yaml:9:7)"
    )
    assert caught.value.hint == "publish another host port for one of them"
