"""The JSON Schema of Compose files against a tree: every fault, its place, the nearest name.

judge.py decides, unless verdicts.py knows the content; here its answers become faults with
positions, and the likely cause. Source: section 9 of the Compose file reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from compose.errors import Path, nearest
from compose.loading.report import Report
from compose.loading.schema import (
    Schema,
    around,
    classes_of,
    properties_of,
    resolved,
    unknown_names,
)
from compose.loading.verdicts import Verdicts, content_of
from compose.model.units import print_scalar
from compose.tree import Node, find
from runtime.schemas import read_data

if TYPE_CHECKING:  # the judge costs 90 ms
    from compose.loading.judge import Violation

_WORDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}
SCHEMA = "compose-spec.json"


def validate(tree: Node, report: Report, verdicts: Verdicts) -> None:
    """Raises InvalidFile with every fault."""
    schema = read_data(SCHEMA)
    plain = tree.plain
    content = content_of(plain)
    _refuse_endless(content, tree, report)
    key = verdicts.key(content, schema)
    if key and verdicts.knows(key):
        return
    from compose.loading.judge import violations

    document = _document(schema)
    explaining = _Explaining(tree, document, report)
    for violation in violations(document, plain):
        explaining.take(violation)
    report.finish()
    verdicts.remember(key)


def _refuse_endless(content: bytes, tree: Node, report: Report) -> None:
    report.judged += len(content) + _EACH
    if report.judged > MOST_JUDGED:
        message = "the documents are too many and too large to be judged one after the other"
        report.refuse("E015", message, tree.origin, hint="merge them into fewer documents")
        report.finish()


MOST_JUDGED = 32 * 1024 * 1024
_EACH = 32 * 1024
"""What judging takes whatever the size."""
_DOCUMENTS: dict[bytes, Schema] = {}


def _document(schema: bytes) -> Schema:
    if schema not in _DOCUMENTS:
        import json

        _DOCUMENTS[schema] = resolved(json.loads(schema))
    return _DOCUMENTS[schema]


class _Explaining:
    """Turns what the judge found into faults."""

    def __init__(self, tree: Node, document: Schema, report: Report) -> None:
        self.tree = tree
        self.document = document
        self.report = report
        named = document["properties"]["services"]["patternProperties"]
        self.service = properties_of(next(iter(named.values())))

    def take(self, violation: Violation) -> None:
        """Note the faults of one violated keyword."""
        node = find(self.tree, violation.path)
        assert node is not None
        _KEYWORDS[violation.keyword](self, node, violation.schema, violation.path)

    # ---- mappings ----

    def missing(self, node: Node, schema: Schema, path: Path) -> None:
        """`required`."""
        for name in schema["required"]:
            if name not in node.mapping:
                message = f"`{name}` is missing{_in(path)}"
                self.report.refuse("E034", message, node.named_at, path)

    def unknown(self, node: Node, schema: Schema, path: Path) -> None:
        """`additionalProperties`."""
        for name in unknown_names(node.mapping, schema):
            child, at = node.mapping[name], (*path, name)
            if schema.get("properties"):
                message = f"unknown attribute `{name}`{_in(path)}"
                hint = self._likely(name, child, node, schema, path)
                self.report.refuse("E030", message, child.named_at, at, hint=hint)
            else:
                message = f"`{name}` cannot be a name{_in(path)}"
                hint = "names hold letters, digits, `.`, `_` and `-`" if name else "name it"
                self.report.refuse("E036", message, child.named_at, at, hint=hint)

    def _likely(self, name: str, child: Node, parent: Node, schema: Schema, path: Path) -> str:
        """What was probably meant: another place by indentation, or another spelling."""
        if len(path) == 2 and path[0] == "services" and path[1] in self.service:
            return f"`{path[1]}` belongs to the service above it: indent it further"
        if len(path) == 2 and path[0] == "services" and name in _OTHER_WORDS:
            return f"did you mean `{_OTHER_WORDS[name]}`?"
        for distance, outer in enumerate(reversed(around(self.document, self.tree, path))):
            if name in outer.get("properties", ()):
                place = ".".join(str(part) for part in path[: len(path) - 1 - distance])
                return f"`{name}` belongs to {place or 'the top level'}: indent it less"
        for sibling, inner in schema["properties"].items():
            if sibling in parent.mapping and name in properties_of(inner):
                return f"`{name}` belongs to `{sibling}`: indent it further"
        near = nearest(name, schema["properties"])
        if near:
            return f"did you mean `{near}`?"
        for missing, inner in schema["properties"].items():
            if path and name in properties_of(inner):
                return f"`{name}` belongs below `{missing}`: write that above it"
        if path and isinstance(path[-1], int) and len(parent.mapping) == 1:
            return _short_form(name, child)
        return "" if path else self._misplaced_at_top(name, child)

    def _misplaced_at_top(self, name: str, child: Node) -> str:
        if name in self.service:
            return f"`{name}` belongs to a service, below `services`"
        if not child.mapping.keys().isdisjoint(("image", "build", "command")):
            return f"put the service `{name}` below `services`"
        return "names of your own begin with `x-`"

    # ---- lists ----

    def equal_items(self, node: Node, _schema: Schema, path: Path) -> None:
        """`uniqueItems`."""
        first: dict[str, Node] = {}
        for index, item in enumerate(node.items):
            known = first.setdefault(repr(item.plain), item)
            if known is not item:
                trail = (("first given at", known.origin),)
                what = f"`{item.text}`" if item.text else "the same item"
                message = f"{what} is given twice{_in(path)}"
                self.report.refuse("E037", message, item.origin, (*path, index), trail=trail)

    # ---- scalars ----

    def outside(self, node: Node, schema: Schema, path: Path) -> None:
        """`enum`."""
        words = [str(word) for word in schema["enum"]]
        near = nearest(node.text, words)
        hint = f"did you mean `{near}`?" if near else ""
        names = ", ".join(f"`{word}`" for word in words)
        message = f"`{print_scalar(node.value)}` is not one of {names}"
        self.report.refuse("E032", message, node.origin, path, hint=hint)

    def no_match(self, node: Node, schema: Schema, path: Path) -> None:
        """`pattern`."""
        pattern = schema["pattern"]
        message = f"`{node.text}` is no {path[-1] if path else 'value'} that can be used"
        words = ", ".join(pattern.split("|")) if "|" in pattern else ""
        hint = f"it is one of {words}" if words else f"it matches {pattern}"
        hint = hint.replace("every_([0-9]+[wdhms])+", "every_12h, every_2w3d and the like")
        self.report.refuse("E038", message, node.origin, path, hint=hint)

    def too_small(self, node: Node, schema: Schema, path: Path) -> None:
        """`minimum`."""
        self._out_of_range(node, f"at least {schema['minimum']}", path)

    def too_large(self, node: Node, schema: Schema, path: Path) -> None:
        """`maximum`."""
        self._out_of_range(node, f"at most {schema['maximum']}", path)

    def _out_of_range(self, node: Node, bound: str, path: Path) -> None:
        message = f"{_name_of(path)} must be {bound}, not {print_scalar(node.value)}"
        self.report.refuse("E033", message, node.origin, path)

    def wrong_kind(self, node: Node, schema: Schema, path: Path) -> None:
        """`type`, and `oneOf` when no alternative fits."""
        if isinstance(node.value, float) and not math.isfinite(node.value):
            message = f"`{print_scalar(node.value)}` is no number that can be used"
            self.report.refuse("E033", message, node.origin, path)
            return
        classes = classes_of(schema)
        wanted = list(dict.fromkeys(word for cls, word in _WORDS.items() if cls in classes))
        found = _WORDS[node.value.__class__]
        name = f"{_name_of(path)}{_in(path[:-1])}"
        message = f"{name} must be {_either(wanted)}, not {found}"
        if node.value is None:
            message = f"{name} must be {_either(wanted)}, but nothing is written"
        where = node.named_at if isinstance(node.value, dict | list | None) else node.origin
        hint = self._indentation(node, path) or _kind_hint(node, wanted, path)
        self.report.refuse("E031", message, where, path, hint=hint)

    def _indentation(self, node: Node, path: Path) -> str:
        """The attributes of a service stand beside its name: one level too far to the left."""
        if len(path) != 2 or path[0] != "services" or node.mapping:
            return ""
        known = self.service
        services = self.tree.get("services")
        if path[1] in known:
            return f"`{path[1]}` belongs to the service above it: indent it further"
        if (
            node.value is None
            and services is not None
            and not known.keys().isdisjoint(services.mapping)
        ):
            return f"what belongs to `{path[1]}` stands below it, indented further"
        return ""


_OTHER_WORDS = {
    "cpu": "cpus",
    "env": "environment",
    "limits": "deploy.resources.limits",
    "log_driver": "logging.driver",
    "log_opt": "logging.options",
    "memory": "mem_limit",
    "mounts": "volumes",
    "name": "container_name",
    "net": "network_mode",
    "publish": "ports",
    "volume_driver": "driver` of a top-level volume, as in `volumes.data.driver",
    "workdir": "working_dir",
}
"""What flags of `docker run`, the first version of Compose files and other tools call it."""

_KEYWORDS: dict[str, Callable[[_Explaining, Node, Schema, Path], None]] = {
    "additionalProperties": _Explaining.unknown,
    "enum": _Explaining.outside,
    "maximum": _Explaining.too_large,
    "minimum": _Explaining.too_small,
    "oneOf": _Explaining.wrong_kind,
    "pattern": _Explaining.no_match,
    "required": _Explaining.missing,
    "type": _Explaining.wrong_kind,
    "uniqueItems": _Explaining.equal_items,
}
"""Keyword -> what it means to the user when it is violated."""


def _in(path: Path) -> str:
    """` in services.web`, or nothing at the top."""
    return " in " + ".".join(str(part) for part in path) if path else ""


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _name_of(path: Path) -> str:
    return f"`{path[-1]}`" if path and isinstance(path[-1], str) else "the item"


def _short_form(name: str, child: Node) -> str:
    """`- ./data: /data` is a mapping, where `- ./data:/data` was meant."""
    if isinstance(child.value, dict | list) or child.value is None:
        return ""
    return f"for the short form leave the blank out: `- {name}:{print_scalar(child.value)}`"


_HINTS: dict[tuple[Path, object], str] = {
    (("restart",), False): 'the policy is the word "no", in quotes',
    (("version",), None): "leave it out: Compose files have no versions any more",
}
"""Last part of the path and value -> what was meant."""


def _kind_hint(node: Node, wanted: list[str], path: Path) -> str:
    value = node.value
    if not isinstance(value, dict | list):
        special = _HINTS.get((path[-1:], value)) or _HINTS.get((path[-1:], None))
        if special:
            return special
    if value is None:
        return "give it a value, or leave it out"
    if "text" in wanted and isinstance(value, bool | int | float):
        return f'quote it: "{print_scalar(value)}"'
    if "text" in wanted and isinstance(value, dict) and path and isinstance(path[-1], int):
        return _mapping_in_list(node, path)
    if "a list" in wanted and isinstance(value, str):
        return _list_of(value)
    if "a list" in wanted and isinstance(value, dict) and path[-1:] == ("env_file",):
        return "write it as a list: begin it with `- `"
    if "a mapping" in wanted and isinstance(value, list):
        if any(isinstance(item.value, str) for item in value):
            return "take the dashes away, and write a `:` behind each name"
        return "take the dashes away"
    if wanted == ["a mapping"] and isinstance(value, str):
        name, colon, rest = value.partition(":")
        if colon and rest and name.replace("_", "").isalnum() and rest[0] not in "/ ":
            return f"a blank stands behind the colon: {name}: {rest}"
    return ""


def _list_of(text: str) -> str:
    """`-80:80` and several lines of `A=1` were meant as items."""
    words = text.split()
    if text.startswith("-") and len(words[0]) > 1:
        return f"a blank stands behind the dash: - {words[0][1:]}"
    if len(words) > 1 and all("=" in word for word in words):
        return f"begin each line with `- `: - {words[0]}"
    return f'write it as a list: ["{text}"]'


_NAMED = ("depends_on", "networks", "models")
_PAIRS = ("environment", "labels", "args", "annotations", "sysctls", "extra_hosts", "options")


def _mapping_in_list(node: Node, path: Path) -> str:
    """`- DEBUG: 1` where `- DEBUG=1` or `DEBUG: 1` was meant."""
    if len(node.mapping) != 1:
        return ""
    ((name, child),) = node.mapping.items()
    if isinstance(child.value, dict) and path[-2] in _NAMED:
        return f"take the dashes away: with settings, `{path[-2]}` is a mapping of names"
    if isinstance(child.value, dict | list):
        return ""
    text = "" if child.value is None else print_scalar(child.value)
    if len(path) > 1 and path[-2] in _PAIRS:
        return f"write `- {name}={text}`, or `{name}: {text}` without the dash"
    if isinstance(child.value, bool | None):
        return f"write `- {name}`"
    return f'quote it: - "{name}: {text}"'
