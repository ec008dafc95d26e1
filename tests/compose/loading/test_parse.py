"""Bytes -> trees: what YAML means here, with the place of everything."""

from __future__ import annotations

import pytest

from compose.errors import InvalidFile
from compose.loading.parse import decode, parse
from compose.loading.report import Report
from compose.position import File
from compose.tree import walk
from tests.compose.loading.trees import documents, refusal, root


def plain(text: str) -> object:
    return root(text).plain


def test_every_value_and_key_knows_its_place():
    tree = root("services:\n  web: {image: 'a b'}\n  db:\n    ports:\n      - '80'\n")
    places = {path: (repr(node.origin), repr(node.named_at)) for path, node in walk(tree)}
    assert places == {
        (): ("compose.yaml:1:1", "compose.yaml:1:1"),
        ("services",): ("compose.yaml:2:3", "compose.yaml:1:1"),
        ("services", "web"): ("compose.yaml:2:8", "compose.yaml:2:3"),
        ("services", "web", "image"): ("compose.yaml:2:16", "compose.yaml:2:9"),
        ("services", "db"): ("compose.yaml:4:5", "compose.yaml:3:3"),
        ("services", "db", "ports"): ("compose.yaml:5:7", "compose.yaml:4:5"),
        ("services", "db", "ports", 0): ("compose.yaml:5:9", "compose.yaml:5:9"),
    }


def test_merge_keys_are_shallow_and_own_keys_win():
    text = """
        x-a: &a {image: a, environment: {A: 1}, tty: true}
        x-b: &b {image: b, init: true}
        x-web: {<<: [*a, *b], environment: {B: 2}}
    """
    assert plain(text)["x-web"] == {  # type: ignore[index]
        "environment": {"B": 2}, "image": "a", "tty": True, "init": True,
    }  # fmt: skip


def test_an_alias_is_a_copy_that_can_be_changed_alone():
    tree = root("x-a: &a [1]\nx-b: *a\n")
    tree.mapping["x-a"].items.append(tree.mapping["x-b"].items[0])
    assert tree.plain == {"x-a": [1, 1], "x-b": [1]}


def test_anchors_end_with_their_document():
    assert refusal(lambda: documents("x-a: &a 1\n---\nx-b: *a\n")) == (
        "compose.yaml:3:6 E013 there is no anchor `a`"
    )


def test_a_mark_of_byte_order_and_carriage_returns_are_no_part_of_the_text():
    text = decode("compose.yaml", b"\xef\xbb\xbfname: a\r\nx-b: |\r\n  c\r\n")
    (document,) = parse(text, Report())
    assert document.root is not None
    assert document.root.plain == {"name": "a", "x-b": "c\n"}


def test_utf_16_is_read_and_other_encodings_are_refused_with_the_byte():
    assert decode("c", "name: é".encode("utf-16")).text == "name: é"
    with pytest.raises(InvalidFile) as caught:
        decode("compose.yaml", b"name: ok\nx-a: caf\xe9\n")
    (fault,) = caught.value.faults
    assert (repr(fault.where), fault.code) == ("compose.yaml:2:9", "E010")


def test_all_keys_given_twice_and_all_keys_that_are_no_text_are_told_in_one_run():
    text = "a: 1\nb: {c: 1, c: 2}\na: 2\n1: x\nnull: y\n? [d]\n: z\n<<: {}\n<<: {}\n"
    assert refusal(lambda: documents(text)) == (
        "compose.yaml:2:11 E017 `c` is given twice\n"
        "  first given at compose.yaml:2:5\n"
        "compose.yaml:3:1 E017 `a` is given twice\n"
        "  first given at compose.yaml:1:1\n"
        "compose.yaml:4:1 E012 a key must be text, not `1`\n"
        "compose.yaml:5:1 E012 a key must be text, not `null`\n"
        "compose.yaml:6:3 E012 a key must be text, not a list or mapping\n"
        "compose.yaml:9:1 E017 `<<` is given twice\n"
        "  first given at compose.yaml:8:1"
    )


def test_reset_drops_its_value_and_both_tags_remember_their_path():
    (document,) = documents(
        "services: {web: {image: !override a, ports: !reset [1], x-a: [1, !reset 2, 3]}}"
    )
    assert document.root is not None
    assert document.root.plain == {"services": {"web": {"image": "a", "x-a": [1, 3]}}}
    assert document.replaced == [
        ("services", "web", "image"), ("services", "web", "ports"), ("services", "web", "x-a", 1),
    ]  # fmt: skip


def test_tags_below_an_anchor_hold_at_each_alias_and_through_a_merge_key():
    text = "x-a: &a {tty: !reset true}\nservices: {web: *a, db: {<<: *a, image: b}}\n"
    (document,) = documents(text)
    assert ("services", "web", "tty") in document.replaced
    assert ("services", "db", "tty") in document.replaced


def test_documents_without_a_value_have_no_root():
    assert [d.root and d.root.plain for d in documents("# nothing\n---\na: 1\n---\n---\n~\n")] == [
        {"a": 1}, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c\n", "compose.yaml:1:5 E010 this is no YAML: mapping values are not allowed in this context"),
        ("a:\n\tb: 1\n", "compose.yaml:2:1 E010 this is no YAML: found character that cannot start any token"),
        ("a: &b [*b]\n", "compose.yaml:1:8 E014 `*b` stands inside its own anchor"),
        ("a: {<<: 1}\n", "compose.yaml:1:9 E018 `<<` takes a mapping, an alias to one, or a list of those"),
        ("a: !!int b\n", "compose.yaml:1:4 E011 `b` is no integer"),
        ("a: \x07\n", "compose.yaml:1:4 E010 this is no YAML: the character U+0007 is not allowed"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_with_its_place(text: str, said: str):
    assert refusal(lambda: parse(File("compose.yaml", text), Report())) == said
