"""Short and long syntax of volumes."""

from __future__ import annotations

import pytest

from compose.model.mounts import config_key, is_host_path, mount_key, parse_short, secret_key
from compose.position import File
from compose.tree import Node, Origin, Refused

HERE = Origin(File("compose.yaml"), 1, 1)
BIND = {"create_host_path": True}


def short(text: str) -> dict[str, object]:
    return parse_short(text, Node(text, HERE))


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("/data", {"type": "volume", "target": "/data", "volume": {}}),
        ("/d", {"type": "volume", "target": "/d"}),
        ("data:/d/../e/", {"type": "volume", "source": "data", "target": "/e", "volume": {}}),
        ("v:/a", {"type": "volume", "source": "v", "target": "/a", "volume": {}}),
        ("./d:/d", {"type": "bind", "source": "./d", "target": "/d", "bind": BIND}),
        ("~/d:/d:ro", {"type": "bind", "source": "~/d", "target": "/d", "read_only": True, "bind": BIND}),
        ("data:/d:rw", {"type": "volume", "source": "data", "target": "/d", "volume": {}}),
        ("data:/d:nocopy", {"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": True}}),
        ("/s:/d:z,rshared,cached", {"type": "bind", "source": "/s", "target": "/d",
                                    "bind": {"selinux": "z", "propagation": "rshared", **BIND}}),
        ("/a:ro", {"type": "bind", "source": "/a", "target": "ro", "bind": BIND}),
        ("${A:-/x}:/d", {"type": "volume", "source": "${A:-/x}", "target": "/d", "volume": {}}),
        (r"C:\src:/d:ro", {"type": "bind", "source": r"C:\src", "target": "/d", "read_only": True, "bind": BIND}),
        (r"\\.\pipe\x:/d", {"type": "bind", "source": r"\\.\pipe\x", "target": "/d", "bind": BIND}),
    ],
)  # fmt: skip
def test_a_short_entry(text: str, mount: dict[str, object]):
    assert short(text) == mount


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("a::/b", "there is nothing between two colons"),
        (":/b", "there is nothing between two colons"),
        ("aa:/b:ro:x", "it has too many colons"),
    ],
)
def test_what_is_no_short_entry_is_refused_with_the_reason(text: str, why: str):
    with pytest.raises(Refused) as refused:
        short(text)
    assert (refused.value.code, refused.value.message) == ("E081", f"`{text}` is no volume: {why}")


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("./a", True),
        ("../a", True),
        (".", True),
        ("/a", True),
        ("~", True),
        ("a/b", False),
        ("a", False),
    ],
)
def test_a_source_is_a_path_or_a_name(source: str, answer: bool):
    assert is_host_path(source) is answer


def test_mounts_are_one_by_target_configs_and_secrets_by_where_they_are_seen():
    def node(**fields: str) -> Node:
        return Node({name: Node(value, HERE) for name, value in fields.items()}, HERE)

    assert mount_key(Node("a:/x/../d", HERE), ()) == mount_key(node(target="/d"), ()) == "/d"
    assert config_key(Node("c", HERE), ()) == config_key(node(source="c"), ()) == "/c"
    assert secret_key(Node("s", HERE), ()) == "/run/secrets/s"
    assert secret_key(node(source="s", target="/t"), ()) == "/t"
    with pytest.raises(Refused):
        mount_key(node(source="a"), ())
