"""The JSON Schema of Compose files against a tree: every fault, its place, the nearest name.

Reads the part of JSON Schema that schemas/compose-spec.json uses. A general validator would know
neither the lines nor which branch of a choice was meant, and importing one costs more than
validating: 90 ms against 20 for 2,800 lines. tests/compose/loading/test_validate.py compares the
verdicts with the `jsonschema` package. Source: section 9 of the Compose file reference.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from compose.errors import Path
from compose.loading.report import Report
from compose.model.units import print_scalar
from compose.tree import Node
from runtime.schemas import read_schema

Schema = Mapping[str, Any]

_CLASSES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_WORDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}


class Rule:
    """One place of the schema, prepared: what is looked up for each node stands ready."""

    __slots__ = (
        "branches",
        "classes",
        "closed",
        "enum",
        "items",
        "maximum",
        "minimum",
        "pattern",
        "patterns",
        "properties",
        "required",
        "unique",
        "whole",
    )

    def __init__(self, schema: Schema) -> None:
        kinds = schema.get("type", ())
        kinds = (kinds,) if isinstance(kinds, str) else kinds
        classes = [cls for kind in kinds for cls in _CLASSES[kind]]
        self.classes: frozenset[type] | None = frozenset(classes) if kinds else None
        self.whole = "integer" in kinds and "number" not in kinds
        self.branches: tuple[Schema, ...] = tuple(schema.get("oneOf", ()))
        self.properties: Schema = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        self.patterns = [(re.compile(text), inner) for text, inner in patterns.items()]
        self.closed = schema.get("additionalProperties") is False
        self.required: tuple[str, ...] = tuple(schema.get("required", ()))
        self.items: Schema | None = schema.get("items")
        self.unique = bool(schema.get("uniqueItems"))
        self.enum: list[object] | None = schema.get("enum")
        pattern = schema.get("pattern")
        self.pattern = re.compile(pattern) if pattern else None
        self.minimum: float | None = schema.get("minimum")
        self.maximum: float | None = schema.get("maximum")


class SchemaRules:
    """The schema, whose places become rules when they are first needed."""

    def __init__(self, document: Schema) -> None:
        self.document = document
        self._rules: dict[int, Rule] = {}

    def rule(self, schema: Schema) -> Rule:
        """The rule of a place; references are followed."""
        found = self._rules.get(id(schema))
        if found is None:
            target = schema
            while "$ref" in target:
                target = self.document["$defs"][target["$ref"].rpartition("/")[2]]
            found = self._rules[id(schema)] = Rule(target)
        return found

    def classes(self, rule: Rule) -> set[type]:
        """The kinds of value that a rule takes, over all its branches."""
        if rule.branches:
            return {c for branch in rule.branches for c in self.classes(self.rule(branch))}
        return set(rule.classes or _WORDS)


def validate(tree: Node, report: Report) -> None:
    """Raises InvalidFile with every fault."""
    rules = compose_schema()
    _Validation(tree, rules, report).visit(tree, rules.rule(rules.document), (), ())
    report.finish()


_LOADED: list[SchemaRules] = []


def compose_schema() -> SchemaRules:
    """The rules of Compose files; read once."""
    if not _LOADED:
        _LOADED.append(SchemaRules(read_schema("compose-spec.json")))
    return _LOADED[0]


class _Validation:
    def __init__(self, tree: Node, rules: SchemaRules, report: Report) -> None:
        self.tree = tree
        self.rules = rules
        self.report = report

    def visit(self, node: Node, rule: Rule, path: Path, above: tuple[Rule, ...]) -> None:
        """Check a node and all below. `above`: rules of the mappings around, outermost first."""
        kind = node.value.__class__
        if rule.branches:
            branch = self._branch(rule, kind)
            if branch is None:
                self._wrong_kind(node, self.rules.classes(rule), path)
                return
            rule = branch
        if rule.classes is not None and kind not in rule.classes and not _is_whole(node, rule):
            self._wrong_kind(node, rule.classes, path)
        elif kind is dict:
            self._mapping(node, rule, path, above)
        elif kind is list:
            self._list(node, rule, path, above)
        else:
            self._scalar(node, rule, path)

    def _branch(self, rule: Rule, kind: type) -> Rule | None:
        for schema in rule.branches:
            branch = self.rules.rule(schema)
            if branch.branches:
                inner = self._branch(branch, kind)
                if inner is not None:
                    return inner
            elif branch.classes is None or kind in branch.classes:
                return branch
        return None

    # ---- mappings ----

    def _mapping(self, node: Node, rule: Rule, path: Path, above: tuple[Rule, ...]) -> None:
        around = (*above, rule)
        for name, child in node.mapping.items():
            schema = rule.properties.get(name) or _by_pattern(rule, name)
            if schema is not None:
                self.visit(child, self.rules.rule(schema), (*path, name), around)
            elif rule.closed:
                self._unknown(name, child, node, rule, path, above)
        for name in rule.required:
            if name not in node.mapping:
                message = f"`{name}` is missing{_in(path)}"
                self.report.refuse("E034", message, node.named_at, path)

    def _unknown(
        self,
        name: str,
        child: Node,
        parent: Node,
        rule: Rule,
        path: Path,
        above: tuple[Rule, ...],
    ) -> None:
        if not rule.properties:
            message = f"`{name}` cannot be a name{_in(path)}"
            hint = "names hold letters, digits, `.`, `_` and `-`"
            self.report.refuse("E036", message, child.named_at, (*path, name), hint=hint)
            return
        message = f"unknown attribute `{name}`{_in(path)}"
        hint = self._likely(name, child, parent, rule, path, above)
        self.report.refuse("E030", message, child.named_at, (*path, name), hint=hint)

    def _likely(
        self,
        name: str,
        child: Node,
        parent: Node,
        rule: Rule,
        path: Path,
        above: tuple[Rule, ...],
    ) -> str:
        """What was probably meant: another place by indentation, or another spelling."""
        for distance, outer in enumerate(reversed(above)):
            if name in outer.properties:
                place = ".".join(str(part) for part in path[: len(path) - 1 - distance])
                return f"`{name}` belongs to {place or 'the top level'}: indent it less"
        inner = self._inner_place(name, parent, rule)
        if inner:
            return f"`{name}` belongs to `{inner}`: indent it further"
        near = difflib.get_close_matches(name, list(rule.properties), n=1, cutoff=0.6)
        if near:
            return f"did you mean `{near[0]}`?"
        if path and isinstance(path[-1], int) and len(parent.mapping) == 1:
            return _short_form(name, child)
        return "" if path else self._misplaced_at_top(name, child)

    def _inner_place(self, name: str, parent: Node, rule: Rule) -> str:
        for sibling, schema in rule.properties.items():
            if sibling in parent.mapping and name in self._properties(schema):
                return sibling
        return ""

    def _properties(self, schema: Schema) -> Mapping[str, Any]:
        rule = self.rules.rule(schema)
        branch = self._branch(rule, dict) if rule.branches else rule
        return branch.properties if branch is not None else {}

    def _misplaced_at_top(self, name: str, child: Node) -> str:
        service = self.rules.document["$defs"]["service"]["properties"]
        if name in service:
            return f"`{name}` belongs to a service, below `services`"
        if not child.mapping.keys().isdisjoint(("image", "build", "command")):
            return f"put the service `{name}` below `services`"
        return "names of your own begin with `x-`"

    # ---- lists ----

    def _list(self, node: Node, rule: Rule, path: Path, above: tuple[Rule, ...]) -> None:
        if rule.items is not None:
            inner = self.rules.rule(rule.items)
            for index, item in enumerate(node.items):
                self.visit(item, inner, (*path, index), above)
        if rule.unique:
            self._all_different(node, path)

    def _all_different(self, node: Node, path: Path) -> None:
        first: dict[str, Node] = {}
        for index, item in enumerate(node.items):
            key = repr(item.plain) if item.value.__class__ is not str else item.text
            known = first.setdefault(key, item)
            if known is not item:
                trail = (("first given at", known.origin),)
                what = f"`{item.text}`" if item.text else "the same item"
                message = f"{what} is given twice{_in(path)}"
                self.report.refuse("E037", message, item.origin, (*path, index), trail=trail)

    # ---- scalars ----

    def _scalar(self, node: Node, rule: Rule, path: Path) -> None:
        value = node.value
        if rule.enum is not None and value not in rule.enum:
            self._outside(node, rule.enum, path)
        if rule.pattern is not None and not rule.pattern.search(node.text):
            self._no_match(node, rule.pattern.pattern, path)
        if isinstance(value, float) and not math.isfinite(value):
            message = f"`{print_scalar(value)}` is no number that can be used"
            self.report.refuse("E033", message, node.origin, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._in_range(node, value, rule, path)

    def _outside(self, node: Node, choice: Iterable[object], path: Path) -> None:
        words = [str(word) for word in choice]
        near = difflib.get_close_matches(node.text, words, n=1, cutoff=0.6)
        hint = f"did you mean `{near[0]}`?" if near else ""
        names = ", ".join(f"`{word}`" for word in words)
        message = f"`{print_scalar(node.value)}` is not one of {names}"
        self.report.refuse("E032", message, node.origin, path, hint=hint)

    def _no_match(self, node: Node, pattern: str, path: Path) -> None:
        message = f"`{node.text}` is no {path[-1] if path else 'value'} that can be used"
        words = ", ".join(pattern.split("|")) if "|" in pattern else ""
        hint = f"it is one of {words}" if words else f"it matches {pattern}"
        hint = hint.replace("every_([0-9]+[wdhms])+", "every_12h, every_2w3d and the like")
        self.report.refuse("E038", message, node.origin, path, hint=hint)

    def _in_range(self, node: Node, value: float, rule: Rule, path: Path) -> None:
        bound = ""
        if rule.minimum is not None and value < rule.minimum:
            bound = f"at least {rule.minimum}"
        if rule.maximum is not None and value > rule.maximum:
            bound = f"at most {rule.maximum}"
        if bound:
            message = f"{_name_of(path)} must be {bound}, not {print_scalar(value)}"
            self.report.refuse("E033", message, node.origin, path)

    def _wrong_kind(self, node: Node, classes: Iterable[type], path: Path) -> None:
        wanted = list(dict.fromkeys(word for cls, word in _WORDS.items() if cls in set(classes)))
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
        known = self.rules.document["$defs"]["service"]["properties"]
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


def _by_pattern(rule: Rule, name: str) -> Schema | None:
    for pattern, schema in rule.patterns:
        if pattern.search(name):
            return schema  # type: ignore[no-any-return]
    return None


def _is_whole(node: Node, rule: Rule) -> bool:
    value = node.value
    return rule.whole and isinstance(value, float) and value.is_integer()


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
        return f"write it as a list: [{value}]"
    if "a mapping" in wanted and isinstance(value, list):
        return "take the dashes away"
    return ""


_PAIRS = ("environment", "labels", "args", "annotations", "sysctls", "extra_hosts", "options")


def _mapping_in_list(node: Node, path: Path) -> str:
    """`- DEBUG: 1` where `- DEBUG=1` or `DEBUG: 1` was meant."""
    if len(node.mapping) != 1:
        return ""
    ((name, child),) = node.mapping.items()
    if isinstance(child.value, dict | list):
        return ""
    text = "" if child.value is None else print_scalar(child.value)
    if len(path) > 1 and path[-2] in _PAIRS:
        return f"write `- {name}={text}`, or `{name}: {text}` without the dash"
    return f'quote it: - "{name}: {text}"'
