"""Short syntaxes and list rules that several attributes share.

Each function is one facet (see attribute.py): canonical forms, merge rules, identities. The rules
of a single attribute stand in its topic. Source: sections 8 and 10 of the Compose file reference.
"""

from __future__ import annotations

from compose.errors import Path
from compose.model.units import print_scalar
from compose.tree import Node, Refused

ComposePath = str
HostPath = str
"""A path of the host: relative to the project directory, `~` is HOME; absolute after loading."""
SourcePath = str
"""The same for the file of a config or secret, where empty is the project directory itself."""
WatchedPath = str
"""A host path whose first link is followed: events tell the real one."""
ContextPath = str
"""A host path unless it is a URL or `service:NAME`."""
BindSource = str
"""A host path when the mount is a bind, else a name."""
Command = tuple[str, ...] | None
"""Words; text is split as a shell would. None: not set; (): explicitly empty."""
Switches = tuple[str, ...]


# ---- canonical forms
# -------------------------------------------------------------------------------------


def one_or_many(node: Node, _path: Path) -> Node:
    """Text -> a list of one."""
    return node.derived([Node(node.value, node.origin)]) if isinstance(node.value, str) else node


def names_to_mapping(node: Node, _path: Path) -> Node:
    """A list of names -> a mapping of names to null."""
    if not isinstance(node.value, list):
        return node
    return node.derived(_by_name(node))


def _by_name(node: Node) -> dict[str, Node]:
    named: dict[str, Node] = {}
    for item in node.items:
        if not isinstance(item.value, str):
            kind = "a mapping" if item.mapping else "a list" if item.items else "a number"
            raise Refused(f"a name must be text, not {kind}", item)
        named[item.value] = Node(None, item.origin, item.origin)
    return named


def external_names(node: Node, _path: Path) -> Node:
    """`external: {name: N}` -> `external: true` and `name: N`, for each of the mapping."""
    if not isinstance(node.value, dict):
        return node
    return node.derived({name: _external_name(child) for name, child in node.value.items()})


def _external_name(node: Node) -> Node:
    external = node.get("external")
    if external is None or not isinstance(external.value, dict):
        return node
    children = dict(node.mapping)
    inner, outer = external.get("name"), node.get("name")
    if inner is not None:
        if outer is not None and outer.value != inner.value:
            raise Refused(
                "`name` and `external.name` differ", inner, code="E092", hint="keep `name` alone"
            )
        children["name"] = inner
    children["external"] = Node(True, external.origin, external.key)
    return node.derived(children)


# ---- merge rules
# -----------------------------------------------------------------------------------------


def replaced(_base: Node, override: Node) -> Node:
    """The override wins whole, even when it is null."""
    return override


def as_lists(base: Node, override: Node) -> tuple[Node, Node]:
    """Both sides become lists (`K: V` -> `K=V`), which are appended; identity then keeps the
    last."""
    return to_list(base), to_list(override)


def as_set(base: Node, override: Node) -> Node:
    """Both sides become lists; what is already there is not repeated."""
    items = list(to_list(base).items)
    present = {print_scalar(item.value) for item in items if not item.mapping}
    for item in to_list(override).items:
        if print_scalar(item.value) not in present:
            items.append(item)
    return base.derived(list(items))


def to_list(node: Node) -> Node:
    """A mapping -> sorted `K=V` items; text -> one item; null -> nothing."""
    value = node.value
    if value is None:
        return node.derived([])
    if isinstance(value, dict):
        return node.derived([item for name in sorted(value) for item in _items(name, value[name])])
    if isinstance(value, list):
        return node
    return node.derived([Node(value, node.origin)])


def _items(name: str, node: Node) -> list[Node]:
    origin = node.origin
    if node.value is None:
        return [Node(name, node.named_at)]
    if isinstance(node.value, list):
        return [Node(f"{name}={print_scalar(item.value)}", item.origin) for item in node.items]
    return [Node(f"{name}={print_scalar(node.value)}", origin, node.key)]


def as_name_maps(base: Node, override: Node) -> tuple[Node, Node]:
    """Both sides become mappings of names; a name alone keeps the settings of the base."""
    return names_to_mapping(base, ()), names_to_mapping(override, ())


# ---- identities
# ------------------------------------------------------------------------------------------


def before_equals(item: Node, _path: Path) -> object:
    """The text before the first `=`; what is no text is refused by the schema, which knows more."""
    if not isinstance(item.value, str):
        return id(item)
    return item.value.partition("=")[0]


def as_text(item: Node, _path: Path) -> object:
    """The value as text: 80 and "80" are the same."""
    if item.mapping or item.items:
        return id(item)
    return print_scalar(item.value)
