"""A question of a container and its answer, without a socket."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.networks.dns_wire import Type
from runtime.networks.names import (
    Forward,
    Member,
    View,
    build_view,
    build_zone,
    choose_upstreams,
    decide,
    parse_reverse,
)
from runtime.values import (
    ContainerId,
    ContainerOptions,
    ContainerRecord,
    Endpoint,
    NetworkId,
    NetworkOptions,
    NetworkRecord,
    ProjectId,
)
from tests.runtime.networks.dns_text import lines, question


def network(name: str, number: int, *, internal: bool = False) -> NetworkRecord:
    return NetworkRecord(
        id=NetworkId(str(number) * 64),
        options=NetworkOptions(name=name, internal=internal),
        subnet=f"172.{number}.0.0/16",
        gateway=f"172.{number}.0.1",
    )


def member(container: str, *names: str, at: str = "", project: str = "shop") -> Member:
    return Member(
        container=container,
        project_id=project,
        names=(container, *names),
        addresses=tuple(at.split()),
    )


FRONT = build_zone(
    network("shop_front", 18),
    [
        member("shop-web-1", "web", "www.Example.com", at="172.18.0.2"),
        member("shop-web-2", "web", at="172.18.0.3"),
        member("shop-off-1", "off"),
        member("shop-bad-1", "localhost", "host.docker.internal", at="172.18.0.9"),
    ],
)
BACK = build_zone(network("shop_back", 19), [member("shop-db-1", "db", at="172.19.0.2 fd00::2")])
VIEW = View(project_id="shop", zones=(FRONT, BACK), upstreams=("192.0.2.53",))


def ask(name: str, kind: int = Type.A, view: View = VIEW, **more: int) -> str:
    decision = decide(question(name, kind, **more), view, shuffle=sorted)
    if isinstance(decision, Forward):
        return f"ask {' '.join(decision.upstreams)} for {decision.query.name}"
    return lines(decision)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", "NOERROR 172.18.0.2 172.18.0.3"),
        ("WEB", "NOERROR 172.18.0.2 172.18.0.3"),
        ("shop-web-2", "NOERROR 172.18.0.3"),
        ("www.example.com", "NOERROR 172.18.0.2"),
        ("web.shop_front", "NOERROR 172.18.0.2 172.18.0.3"),
        ("db.shop_back", "NOERROR 172.19.0.2"),
        ("db.shop_front", "ask 192.0.2.53 for db.shop_front"),
        ("db", "NOERROR 172.19.0.2"),
        ("example.com", "ask 192.0.2.53 for example.com"),
        ("localhost", "NOERROR 127.0.0.1"),
        ("x.localhost", "NOERROR 127.0.0.1"),
    ],
)
def test_a_name_is_found_or_asked_for_elsewhere(name: str, expected: str):
    assert ask(name) == expected


def test_a_known_name_without_an_address_of_the_family_is_answered_and_never_forwarded():
    assert ask("web", Type.AAAA) == "NOERROR"
    assert ask("web", 15) == "NOERROR"
    assert ask("db", Type.AAAA) == "NOERROR fd00::2"
    assert ask("db", Type.ANY) == "NOERROR 172.19.0.2 fd00::2"


def test_v41_a_container_that_stands_still_keeps_its_name_to_itself():
    assert ask("off") == "NXDOMAIN"


def test_v41_nobody_takes_the_names_of_the_machine():
    assert ask("localhost") == "NOERROR 127.0.0.1"
    assert ask("host.docker.internal") == "ask 192.0.2.53 for host.docker.internal"
    assert ask("shop-bad-1") == "NOERROR 172.18.0.9"


def test_v41_on_a_shared_network_a_project_finds_its_own_first():
    shared = build_zone(
        network("shared", 20),
        [
            member("other-db-1", "db", at="172.20.0.2", project="other"),
            member("other-cache-1", "cache", at="172.20.0.3", project="other"),
            member("shop-db-1", "db", at="172.20.0.4"),
        ],
    )
    view = View(project_id="shop", zones=(shared,))
    assert ask("db", view=view) == "NOERROR 172.20.0.4"
    assert ask("cache", view=view) == "NOERROR 172.20.0.3"
    stranger = View(project_id="third", zones=(shared,))
    assert ask("db", view=stranger) == "NOERROR 172.20.0.2 172.20.0.4"


def test_a_link_is_a_name_for_one_container_alone():
    linked = View(project_id="shop", zones=(FRONT, BACK), links={"database": "db"})
    assert ask("Database", view=linked) == "NOERROR 172.19.0.2"
    assert ask("database") == "ask 192.0.2.53 for database"


def test_the_addresses_of_replicas_come_in_another_order_each_time():
    decision = decide(question("web"), VIEW, shuffle=lambda found: found[::-1])
    assert lines(decision) == "NOERROR 172.18.0.3 172.18.0.2"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("172.18.0.3", "NOERROR shop-web-2.shop_front"),
        ("fd00::2", "NOERROR shop-db-1.shop_back"),
        ("172.18.0.77", "NXDOMAIN"),
        ("192.0.2.1", "ask 192.0.2.53 for 1.2.0.192.in-addr.arpa"),
    ],
)
def test_an_address_leads_back_to_its_container(address: str, expected: str):
    assert ask(ip_address(address).reverse_pointer, Type.PTR) == expected


def test_a_container_name_longer_than_a_label_has_no_pointer():
    zone = build_zone(network("n", 18), [member("x" * 70, at="172.18.0.2")])
    assert ask("2.0.18.172.in-addr.arpa", Type.PTR, View(zones=(zone,))) == "NXDOMAIN"


def test_names_without_a_dot_stay_here_when_the_user_set_ndots():
    view = View(zones=(FRONT,), upstreams=("192.0.2.53",), ndots=1)
    assert ask("printer", view=view) == "NXDOMAIN"
    assert ask("printer.lan", view=view) == "ask 192.0.2.53 for printer.lan"


def test_without_an_upstream_server_the_question_fails():
    assert ask("example.com", view=View(zones=(FRONT,))) == "SERVFAIL"


# --- who is asked about the rest

INSIDE = build_zone(network("inside", 21, internal=True), [])


@pytest.mark.parametrize(
    ("zones", "own", "expected"),
    [
        ((FRONT,), (), ("192.0.2.53",)),
        ((FRONT,), ("1.1.1.1",), ("1.1.1.1",)),
        ((FRONT,), ("127.0.0.11", "::1"), ()),
        ((FRONT,), ("127.0.0.1", "1.1.1.1"), ("inside:127.0.0.1", "1.1.1.1")),
        ((INSIDE,), ("127.0.0.1", "1.1.1.1"), ("inside:127.0.0.1",)),
        ((INSIDE,), (), ()),
        ((INSIDE,), ("1.1.1.1",), ()),
        ((INSIDE,), ("1.1.1.1", "172.21.0.53"), ("172.21.0.53",)),
        ((INSIDE, FRONT), (), ("192.0.2.53",)),
        ((INSIDE, FRONT), ("1.1.1.1",), ("1.1.1.1",)),
    ],
)
def test_v40_an_internal_network_asks_nobody_outside(
    zones: tuple[object, ...], own: tuple[str, ...], expected: tuple[str, ...]
):
    assert choose_upstreams(zones, own=own, host=("192.0.2.53",)) == expected


def test_the_view_of_a_container_comes_from_its_options():
    options = ContainerOptions(
        project="shop",
        name="shop-web-1",
        endpoints=(Endpoint(network="shop_front", links={"Database": "db"}),),
        dns_opt=("ndots:2",),
    )
    record = ContainerRecord(
        id=ContainerId("c" * 64), project_id=ProjectId("shop"), options=options
    )
    assert build_view(record, (FRONT,), ("192.0.2.53",)) == View(
        project_id="shop",
        zones=(FRONT,),
        links={"database": "db"},
        upstreams=("192.0.2.53",),
        ndots=2,
    )


# --- messages that are odd


def test_the_response_echoes_the_question_letter_by_letter():
    asked = question("wEb")
    answered = decide(asked, VIEW, shuffle=sorted)
    assert isinstance(answered, bytes)
    assert answered[:2] == asked[:2]
    assert answered[12 : len(asked)] == asked[12:]


def test_an_answer_that_is_too_long_for_a_datagram_says_so():
    crowd = [member(f"shop-web-{n}", "web", at=f"172.18.1.{n}") for n in range(1, 200)]
    view = View(zones=(build_zone(network("n", 18), crowd),))
    assert ask("web", view=view) == "NOERROR truncated"
    assert ask("web", view=view, edns=1232) == "NOERROR truncated edns"
    assert ask("web", view=view, edns=4096).startswith("NOERROR 172.18.1.1 172.18.1.10 ")
    stream = decide(question("web"), view, shuffle=sorted, stream=True)
    assert len(lines(stream).split()) == 200


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (question("web", klass=3), "REFUSED"),
        (question("web")[:2] + b"\x28\x00" + question("web")[4:], "NOTIMP"),
        (question("web")[:4] + b"\0\2" + question("web")[6:], "FORMERR"),
        (question("web")[:14], "FORMERR"),
        (question("web")[:12] + b"\xc0\x0c\0\1\0\1", "FORMERR"),
        (question("web")[:12] + b"\x3fabc", "FORMERR"),
        (question("web")[:12] + b"\x40abc\0\0\1\0\1", "FORMERR"),
        (question("web")[:12] + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 4, "FORMERR"),
    ],
)
def test_a_message_that_makes_no_sense_is_answered_with_an_error(message: bytes, expected: str):
    assert lines(decide(message, VIEW, shuffle=sorted)) == expected


def test_what_is_no_question_is_dropped():
    assert decide(b"\0" * 5, VIEW, shuffle=sorted) is None
    reply = question("web")[:2] + b"\x81\x80" + question("web")[4:]
    assert decide(reply, VIEW, shuffle=sorted) is None


def test_a_dot_inside_a_label_is_not_a_dot_between_labels():
    message = question("a")[:12] + b"\x0fwww.example.com\0" + struct.pack(">HH", 1, 1)
    decision = decide(message, VIEW, shuffle=sorted)
    assert isinstance(decision, Forward)
    assert decision.query.name == "www\\046example\\046com"


def test_parse_reverse_takes_whole_addresses_alone():
    assert parse_reverse("1.18.172.in-addr.arpa") is None
    assert parse_reverse("x.0.18.172.in-addr.arpa") is None
    assert parse_reverse("2.ip6.arpa") is None
    assert parse_reverse("web") is None


@given(st.binary(max_size=600))
def test_any_bytes_are_answered_dropped_or_forwarded(data: bytes):
    decision = decide(data, VIEW, shuffle=sorted)
    assert decision is None or isinstance(decision, bytes | Forward)


@given(st.integers(0, 40), st.binary(min_size=1, max_size=8))
def test_a_damaged_question_never_breaks_the_answerer(where: int, damage: bytes):
    message = bytearray(question("web.shop_front", edns=1232))
    message[where : where + len(damage)] = damage
    decision = decide(bytes(message), VIEW, shuffle=sorted)
    assert decision is None or isinstance(decision, bytes | Forward)
