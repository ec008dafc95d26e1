"""What the tests of the stages share: text in, the tree as text out."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping

import pytest

from compose.errors import InvalidFile
from compose.loading.environment import Environment
from compose.loading.parse import Document, parse
from compose.loading.report import Report
from compose.model.attribute import Attribute
from compose.model.project import ROOT
from compose.output.yaml_text import to_yaml
from compose.position import File
from compose.tree import Node


def documents(text: str, name: str = "compose.yaml") -> list[Document]:
    return parse(File(name, textwrap.dedent(text).lstrip("\n")), Report())


def root(text: str, name: str = "compose.yaml") -> Node:
    (document,) = documents(text, name)
    assert document.root is not None
    return document.root


def shown(node: Node) -> str:
    """The tree as YAML, keys as they stand."""
    return "\n" + to_yaml(node.plain)  # type: ignore[arg-type]


def block(text: str) -> str:
    """An expected text, as it stands in a test."""
    return "\n" + textwrap.dedent(text).lstrip("\n").rstrip(" ")


def refusal(action: Callable[[], object]) -> str:
    """The whole text of what is refused, without excerpts."""
    with pytest.raises(InvalidFile) as caught:
        action()
    return "\n".join(
        f"{fault.where} {fault.code} {fault.message}"
        + "".join(f"\n  {words} {position}" for words, position in fault.trail)
        for fault in caught.value.faults
    )


def service_shape() -> Attribute:
    services = ROOT.inside("services")
    assert services is not None
    shape = services.inside("web")
    assert shape is not None
    return shape


def environment(values: Mapping[str, str] | None = None) -> Environment:
    return Environment(values or {})
