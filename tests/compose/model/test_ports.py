"""Short and long syntax of ports."""

from __future__ import annotations

import pytest

from compose.model import ports
from compose.model.ports import is_address, long_ports, port_key
from compose.position import File
from compose.tree import Node, Origin, Refused

HERE = Origin(File("compose.yaml"), 1, 1)


def entries(*written: object) -> list[str]:
    """`host_ip:published->target/protocol` of each."""
    node = Node([Node(port, HERE) for port in written], HERE)  # type: ignore[arg-type, list-item]
    plain = long_ports(node, ()).plain
    return [
        f"{port.get('host_ip', '')}:{port.get('published', '')}->{port['target']}/{port['protocol']}"
        for port in plain  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (80, [":->80/tcp"]),
        ("80", [":->80/tcp"]),
        ("8080:80", [":8080->80/tcp"]),
        ("8080:80/UDP", [":8080->80/udp"]),
        ("0:80", [":0->80/tcp"]),
        (":80", [":->80/tcp"]),
        ("127.0.0.1::80", ["127.0.0.1:->80/tcp"]),
        ("127.0.0.1:81:80", ["127.0.0.1:81->80/tcp"]),
        ("[::1]:81:80", ["::1:81->80/tcp"]),
        ("::1:81:80", ["::1:81->80/tcp"]),
        ("80-82", [":->80/tcp", ":->81/tcp", ":->82/tcp"]),
        ("90-91:80-81", [":90->80/tcp", ":91->81/tcp"]),
        ("3000-3002:80", [":3000-3002->80/tcp"]),
        ("98-101:98-101", [":100->100/tcp", ":101->101/tcp", ":98->98/tcp", ":99->99/tcp"]),
    ],
)
def test_a_short_entry(port: object, expected: list[str]):
    assert entries(port) == expected


@pytest.mark.parametrize(
    ("port", "why"),
    [
        ("", "the container's port is missing"),
        ("80:", "the container's port is missing"),
        ("http", "`http` is no container port (0 to 65535)"),
        ("65536:80", "`65536` is no host port (0 to 65535)"),
        ("80/icmp", "unknown protocol `icmp`"),
        ("localhost:80:80", "`localhost` is no IP address"),
        ("80-81:80-82", "2 host ports cannot be paired with 3 of the container"),
        ("82-80", "the container range `82-80` runs backwards"),
        ("-80", "`` is no container port (0 to 65535)"),
    ],
)
def test_what_is_no_short_entry_is_refused_with_the_reason(port: str, why: str):
    with pytest.raises(Refused) as refused:
        entries(port)
    assert refused.value.code == "E080"
    assert refused.value.message == f"`{port}` is no port mapping: {why}"


@pytest.mark.parametrize("port", [80.5, True, None])
def test_what_is_neither_number_nor_text_is_no_port(port: object):
    with pytest.raises(Refused):
        entries(port)


def test_the_order_of_the_list_is_kept_and_long_entries_stay():
    long = {"target": Node(1, HERE), "protocol": Node("tcp", HERE)}
    assert entries("9:9", long, "8:8") == [":9->9/tcp", ":->1/tcp", ":8->8/tcp"]


def test_ranges_that_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch):
    assert ports.MOST_ENTRIES >= 65535
    monkeypatch.setattr(ports, "MOST_ENTRIES", 100)
    assert len(entries("1-100:1-100")) == 100
    with pytest.raises(Refused) as refused:
        entries("1-100:1-100", "127.0.0.1:1:1")
    assert refused.value.code == "E015"


def key(**fields: object) -> object:
    return port_key(Node({n: Node(v, HERE) for n, v in fields.items()}, HERE), ())  # type: ignore[arg-type]


def test_entries_mean_the_same_port_by_address_number_target_and_protocol():
    assert key(target=80, published="80") == key(
        target=80, published="80", protocol="tcp", host_ip="0.0.0.0", mode="host"
    )
    assert key(target=80, published="80") != key(target=80, published=80)
    assert key(target=80, published="80") != key(target=80, published="80", protocol="udp")


@pytest.mark.parametrize(
    ("text", "answer"),
    [("1.2.3.4", True), ("1.2.3", False), ("01.2.3.4", False), ("::1", True), ("fe80::1%eth0", True), ("x:y", False)],
)  # fmt: skip
def test_an_address(text: str, answer: bool):
    assert is_address(text) is answer
