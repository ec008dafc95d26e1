"""The Go templates of `--format`, as far as people use them. Pure.

    {{.Name}}   {{json .Publishers}}   {{.Label "com.example.tier"}}   {{- trimmed -}}
    {{if eq .State "running"}}up{{else}}down{{end}}   {{upper .Name | printf "%-10s"}}
    {{range .Publishers}}{{.URL}}{{end}}   {{with .Health}}({{.}}){{end}}

A row is an object whose attributes are the fields; a callable field takes arguments. Source:
text/template of Go, and what Docker adds: json split join title lower upper pad truncate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from compose.output.go_values import compare, format_go, is_true, printf

Node = Callable[["_Scope"], str]
Value = Callable[["_Scope"], Any]

_ACTION = re.compile(
    r"""\{\{(?P<left>-\s)?\s*(?P<body>/\*.*?\*/|(?:"(?:\\.|[^"\\])*"|`[^`]*`|[^"`}]|\}(?!\}))*?)\s*"""
    r"""(?P<right>\s-)?\}\}""",
    re.DOTALL | re.VERBOSE,
)
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:\\.|[^"\\])*"|`[^`]*`)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<chain>(?<=\))(?:\.[A-Za-z_]\w*)+)
      | (?P<field>(?:\.[A-Za-z_]\w*)+|\.(?!\w))
      | (?P<variable>\$\w*(?:\.[A-Za-z_]\w*)*)
      | (?P<assign>:=|=)
      | (?P<mark>[()|,])
      | (?P<word>[A-Za-z_]\w*)
    )""",
    re.VERBOSE,
)
_ABSENT = object()


class TemplateError(Exception):
    """The template cannot be read, or names what a row does not have."""


class Template:
    """A parsed template. `fields` are the names of the rows' fields, for messages."""

    def __init__(self, text: str, fields: Sequence[str] = ()) -> None:
        self.nodes = _Parser(text, fields).parse()

    def render(self, row: Any, functions: Mapping[str, Callable[..., Any]] | None = None) -> str:
        scope = _Scope(row, {"$": row}, {**FUNCTIONS, **(functions or {})})
        return "".join(node(scope) for node in self.nodes)


class _Scope:
    """What a node sees: dot, variables, functions."""

    __slots__ = ("dot", "functions", "variables")

    def __init__(
        self, dot: Any, variables: dict[str, Any], functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        self.dot = dot
        self.variables = variables
        self.functions = functions

    def at(self, dot: Any, **variables: Any) -> _Scope:
        return _Scope(dot, {**self.variables, **variables}, self.functions)


class _Parser:
    """Text and actions in turn; blocks nest by recursion."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self.parts = list(_split(text))
        self.fields = fields
        self.at = 0

    def parse(self) -> list[Node]:
        nodes, ended = self.block()
        if ended:
            raise TemplateError(f"template parsing error: unexpected {{{{{ended}}}}}")
        return nodes

    def block(self) -> tuple[list[Node], str]:
        """The nodes up to an `else` or `end` of this level, and that word with what follows it."""
        nodes: list[Node] = []
        while self.at < len(self.parts):
            is_action, text = self.parts[self.at]
            self.at += 1
            if not is_action:
                nodes.append(_literal(text))
                continue
            word = text.split(None, 1)[0] if text.split() else ""
            if word in ("else", "end"):
                return nodes, text
            if word in ("if", "with", "range"):
                nodes.append(self.branch(word, text[len(word) :]))
            elif not text.startswith("/*"):
                nodes.append(self.action(text))
        return nodes, ""

    def branch(self, word: str, head: str) -> Node:
        body, ended = self.block()
        other: list[Node] = []
        if ended.startswith("else"):
            rest = ended[4:].strip()
            if rest:  # `else if`: a branch of its own, closed by the same end
                other = [self.branch(rest.split()[0], rest[len(rest.split()[0]) :])]
            else:
                other, ended = self.block()
        elif not ended:
            raise TemplateError("template parsing error: unexpected EOF")
        names, value = _Expression(head, self.fields).declared()
        made = {"if": _if, "with": _with, "range": _range}[word]
        return made(names, value, body, other)

    def action(self, text: str) -> Node:
        names, value = _Expression(text, self.fields).declared()
        if not names:
            return lambda scope: format_go(value(scope))

        def assign(scope: _Scope) -> str:
            scope.variables[names[0]] = value(scope)
            return ""

        return assign


class _Expression:
    """One pipeline: `json .Ports | printf "%s"`, perhaps with `$x :=` before it."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self.text = text
        self.fields = fields
        self.tokens = list(_tokens(text))
        self.at = 0

    def declared(self) -> tuple[list[str], Value]:
        names: list[str] = []
        kinds = [kind for kind, _ in self.tokens]
        if "assign" in kinds:
            end = kinds.index("assign")
            names = [text for kind, text in self.tokens[:end] if kind == "variable"]
            self.at = end + 1
        value = self.pipeline()
        if self.at < len(self.tokens):
            raise self.error(f"unexpected {self.tokens[self.at][1]!r}")
        return names, value

    def error(self, text: str) -> TemplateError:
        return TemplateError(f"template parsing error: {text} in {{{{{self.text.strip()}}}}}")

    def pipeline(self) -> Value:
        value = self.command(None)
        while self.take("|"):
            value = self.command(value)
        return value

    def take(self, mark: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] == ("mark", mark):
            self.at += 1
            return True
        return False

    def command(self, piped: Value | None) -> Value:
        operands: list[tuple[str, Value]] = []
        while self.at < len(self.tokens) and self.tokens[self.at] not in (
            ("mark", "|"),
            ("mark", ")"),
        ):
            operands.append(self.operand())
        if not operands:
            raise self.error("missing value")
        (kind, first), *rest = operands
        arguments = [value for _, value in rest] + ([piped] if piped else [])
        if kind == "function" or arguments:
            return _call(first, arguments, self.error)
        return first

    def operand(self) -> tuple[str, Value]:
        kind, text = self.tokens[self.at]
        self.at += 1
        match kind:
            case "text":
                constant: Any = text[1:-1] if text[0] == "`" else json.loads(text)
                return "value", lambda scope: constant
            case "number":
                number = float(text) if "." in text else int(text)
                return "value", lambda scope: number
            case "field":
                return "value", self.path(lambda scope: scope.dot, text)
            case "variable":
                name, dot, rest = text.partition(".")
                return "value", self.path(self.variable(name), f"{dot}{rest}")
            case "word":
                return self.word(text)
        if (kind, text) == ("mark", "("):
            value = self.pipeline()
            if not self.take(")"):
                raise self.error("unclosed left paren")
            return "value", self.chained(value)
        raise self.error(f"unexpected {text!r}")

    def chained(self, value: Value) -> Value:
        """`(index .Ports 0).HostPort`: a field of what stands in parentheses."""
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "chain":
            self.at += 1
            return self.path(value, self.tokens[self.at - 1][1])
        return value

    def word(self, text: str) -> tuple[str, Value]:
        constants: dict[str, Any] = {"true": True, "false": False, "nil": None}
        if text in constants:
            return "value", lambda scope: constants[text]
        if text not in FUNCTIONS:
            raise self.error(f'function "{text}" not defined')
        return "function", lambda scope: scope.functions[text]

    def variable(self, name: str) -> Value:
        def read(scope: _Scope) -> Any:
            if name not in scope.variables:
                raise self.error(f'undefined variable "{name}"')
            return scope.variables[name]

        return read

    def path(self, start: Value, path: str) -> Value:
        names = [name for name in path.split(".") if name]

        def read(scope: _Scope) -> Any:
            value = start(scope)
            for name in names:
                value = self.field(value, name)
            return value

        return read

    def field(self, value: Any, name: str) -> Any:
        if isinstance(value, Mapping):
            return value.get(name, "<no value>")
        found = getattr(value, name, _ABSENT) if not name.startswith("_") else _ABSENT
        if found is _ABSENT:
            from difflib import get_close_matches

            near = get_close_matches(name, self.fields, n=1)
            hint = f" (did you mean .{near[0]}?)" if near else ""
            raise TemplateError(f"template parsing error: can't evaluate field {name}{hint}")
        return found


def _call(function: Value, arguments: list[Value], error: Callable[[str], TemplateError]) -> Value:
    def call(scope: _Scope) -> Any:
        called = function(scope)
        if not callable(called):
            raise error("can't give argument to non-function")
        try:
            return called(*(argument(scope) for argument in arguments))
        except (TypeError, ValueError, IndexError, KeyError, AttributeError) as cause:
            raise error(str(cause)) from cause

    return call


def _literal(text: str) -> Node:
    return lambda scope: text


def _run(nodes: list[Node], scope: _Scope) -> str:
    return "".join(node(scope) for node in nodes)


def _if(names: list[str], value: Value, body: list[Node], other: list[Node]) -> Node:
    def run(scope: _Scope) -> str:
        found = value(scope)
        inner = scope.at(scope.dot, **dict.fromkeys(names, found))
        return _run(body if is_true(found) else other, inner)

    return run


def _with(names: list[str], value: Value, body: list[Node], other: list[Node]) -> Node:
    def run(scope: _Scope) -> str:
        found = value(scope)
        if not is_true(found):
            return _run(other, scope)
        return _run(body, scope.at(found, **dict.fromkeys(names, found)))

    return run


def _range(names: list[str], value: Value, body: list[Node], other: list[Node]) -> Node:
    def run(scope: _Scope) -> str:
        pairs = list(_pairs(value(scope)))
        if not pairs:
            return _run(other, scope)
        return "".join(_run(body, scope.at(item, **bind(key, item))) for key, item in pairs)

    def bind(key: Any, item: Any) -> dict[str, Any]:
        given = (item,) if len(names) == 1 else (key, item)
        return dict(zip(names, given, strict=False))

    return run


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from sorted(value.items())
    elif isinstance(value, int):
        yield from ((number, number) for number in range(value))
    elif value:
        yield from enumerate(value)


def _split(text: str) -> Iterator[tuple[bool, str]]:
    """(is action, text), with the blanks that `{{-` and `-}}` eat taken away."""
    at, eat = 0, False
    for match in _ACTION.finditer(text):
        between = text[at : match.start()]
        between = between.lstrip() if eat else between
        yield False, between.rstrip() if match["left"] else between
        yield True, match["body"].strip()
        at, eat = match.end(), bool(match["right"])
    rest = text[at:]
    if "{{" in rest:
        raise TemplateError("template parsing error: unclosed action")
    yield False, rest.lstrip() if eat else rest


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise TemplateError(f"template parsing error: unexpected {text[at:].strip()[0]!r}")
        kind = match.lastgroup or ""
        yield kind, match[kind]
        at = match.end()


# ---- functions ----


def _to_json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if as_json := getattr(value, "as_json", None):
        return as_json()
    return [_plain(one) for one in value] if isinstance(value, (tuple, list)) else value


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else value[key]
    return value


def _pad(text: str, before: int, after: int) -> str:
    return f"{' ' * before}{text}{' ' * after}" if text else text


def _join(items: Any, separator: str) -> str:
    if isinstance(items, Mapping):
        return separator.join(sorted(format_go(item) for item in items.values()))
    return separator.join(format_go(item) for item in items)


def _either(*values: Any) -> Any:
    return next((value for value in values[:-1] if is_true(value)), values[-1])


def _both(*values: Any) -> Any:
    return next((value for value in values[:-1] if not is_true(value)), values[-1])


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "json": _to_json,
    "split": lambda text, separator: text.split(separator),
    "join": _join,
    "title": lambda text: re.sub(r"\b\w", lambda found: found[0].upper(), text),
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "pad": _pad,
    "truncate": lambda text, length: text[:length],
    "print": lambda *values: "".join(format_go(value) for value in values),
    "println": lambda *values: " ".join(format_go(value) for value in values) + "\n",
    "printf": printf,
    "len": len,
    "index": _index,
    "slice": lambda value, *bounds: value[
        slice(*bounds) if len(bounds) > 1 else slice(bounds[0], None)
    ],
    "not": lambda value: not is_true(value),
    "and": _both,
    "or": _either,
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda first, other: first != other,
    "lt": lambda first, other: compare(first, other) < 0,
    "le": lambda first, other: compare(first, other) <= 0,
    "gt": lambda first, other: compare(first, other) > 0,
    "ge": lambda first, other: compare(first, other) >= 0,
}

IN_HEADERS: Mapping[str, Callable[..., Any]] = dict.fromkeys(
    ("json", "split", "join", "title", "lower", "upper", "truncate"), lambda text, *_: text
)
"""What those functions do in the header of a table: the names of the columns stay as they are."""
