"""A Compose file as a tree that remembers where each value was written.

`Node(value, origin)`: what the phases of loading pass on to each other. Knows YAML's kinds of
values and nothing of Compose. After loading/bind.py no tree exists any more, but Project.origins
still answers from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from compose.errors import Path
from compose.position import File, Position

Scalar = str | int | float | bool | None
Value = Scalar | dict[str, "Node"] | list["Node"]


class Step(NamedTuple):
    """One thing that happened to a value on its way into the model.

    `kind` is one of KINDS; `text` its object in words (a variable, a service, a file).
    """

    kind: str
    text: str
    where: Position | None = None

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.kind} {self.text}".rstrip() + place


KINDS = ("variable", "extends", "include", "override", "default", "environment", "env_file")
"""How a value may have come to its place, besides being written there."""


class Origin(Position):
    """A position, and how the value came from there to where it is now."""

    __slots__ = ("how",)

    def __init__(self, file: File, line: int, column: int, how: tuple[Step, ...] = ()) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.how = how

    @property
    def unset_variable(self) -> str:
        """The variable without a value that it came through; "" for none."""
        for step in self.how:
            name, _, state = step.text.partition(", ")
            if step.kind == "variable" and state:
                return name
        return ""

    def through(self, *steps: Step) -> Origin:
        """The same place, with further steps."""
        return Origin(self.file, self.line, self.column, (*self.how, *steps))


class Node:
    """A value of the tree with its origin; `key` is where the key of this entry stands, if it has
    one.

    Each place of the tree has a node of its own (aliases are copied), so phases may change `value`
    in place.
    """

    __slots__ = ("key", "origin", "value")

    def __init__(self, value: Value, origin: Origin, key: Origin | None = None) -> None:
        self.value = value
        self.origin = origin
        self.key = key

    def __repr__(self) -> str:
        return f"Node({self.plain!r}, {self.origin!r})"

    @property
    def named_at(self) -> Origin:
        """Where the key stands; for an item of a list, where the item begins."""
        return self.key or self.origin

    @property
    def plain(self) -> object:
        """The value as dicts, lists and scalars, without origins."""
        value = self.value
        if value.__class__ is dict:
            return {name: child.plain for name, child in value.items()}
        if value.__class__ is list:
            return [child.plain for child in value]
        return value

    @property
    def mapping(self) -> dict[str, Node]:
        """The children of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list; empty for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str:
        """The value if it is text, else the empty string."""
        return self.value if isinstance(self.value, str) else ""

    def get(self, name: str) -> Node | None:
        """A child of a mapping; None when there is none, or this is no mapping."""
        value = self.value
        return value.get(name) if isinstance(value, dict) else None

    def derived(self, value: Value) -> Node:
        """Another value made from this one: it keeps the place."""
        return Node(value, self.origin, self.key)

    def copy(self) -> Node:
        """A deep copy: what is done to it does not show here."""
        value = self.value
        if value.__class__ is dict:
            value = {name: child.copy() for name, child in value.items()}
        elif value.__class__ is list:
            value = [child.copy() for child in value]
        return Node(value, self.origin, self.key)

    def through(self, *steps: Step) -> Node:
        """A deep copy whose values all took further steps."""
        return self.retold({}, steps)

    def retold(self, told: dict[int, Origin], steps: tuple[Step, ...]) -> Node:
        """`through`, with one new origin for each old one."""
        value = self.value
        if value.__class__ is dict:
            value = {name: child.retold(told, steps) for name, child in value.items()}
        elif value.__class__ is list:
            value = [child.retold(told, steps) for child in value]
        origin = told.get(id(self.origin))
        if origin is None:
            origin = told[id(self.origin)] = self.origin.through(*steps)
        return Node(value, origin, self.key)


class Refused(Exception):
    """What an attribute's own function says of a node that it cannot take.

    The walkers of loading/ add the path and collect it (report.py). `node` is the one at fault.
    """

    def __init__(self, message: str, node: Node, *, code: str = "E100", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.code = code
        self.hint = hint


def find(node: Node | None, path: Path) -> Node | None:
    """The node at a path below `node`."""
    for part in path:
        if node is None:
            return None
        node = _child(node, part)
    return node


def _child(node: Node, part: str | int) -> Node | None:
    if isinstance(part, int):
        return node.items[part] if part < len(node.items) else None
    return node.get(part) or next((item for item in node.items if _names(item, part)), None)


def _names(item: Node, name: str) -> bool:
    """Whether an item of a list of `KEY=value` is that of a key: the two forms mean the same."""
    text = item.text
    return text == name or text.startswith(f"{name}=")


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every node with its path, parents first."""
    yield path, node
    for name, child in node.mapping.items():
        yield from walk(child, (*path, name))
    for index, item in enumerate(node.items):
        yield from walk(item, (*path, index))
