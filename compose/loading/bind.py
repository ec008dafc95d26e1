"""Tree -> Project: text becomes sizes, durations, words; after this no raw dict exists.

What a value is bound to is said by the annotation of its attribute; BINDERS lists them all. Source:
11 of the Compose file reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from compose.errors import Path, path_text
from compose.loading.interpolate import parse_float, parse_integer
from compose.loading.normalise import CONTENT
from compose.loading.report import Report
from compose.loading.words import split_words
from compose.model.attribute import Attribute, required_of, table_of
from compose.model.files import Secret
from compose.model.project import ROOT
from compose.model.resources import Ulimit
from compose.model.service import Service
from compose.model.units import parse_boolean, parse_duration, parse_size, print_scalar
from compose.tree import Node, Refused

Binder = Callable[[Node], Any]
_LONGEST = 2**63
"""Docker keeps numbers in signed 64 bits."""
_SKIP: Any = object()
"""The value counts as not given."""


def bind(root: Node, report: Report) -> dict[str, Any]:
    """The sections of a project by attribute name. Raises InvalidFile with every bad value."""
    values = _Binding(report).attributes(root, ROOT, ())
    report.finish()
    return values


class _Binding:
    def __init__(self, report: Report) -> None:
        self.report = report

    def attributes(self, node: Node, shape: Attribute, path: Path) -> dict[str, Any]:
        """The attributes of one mapping."""
        assert shape.of is not None
        table = table_of(shape.of)
        values: dict[str, Any] = {}
        extensions: dict[str, object] = {}
        for name, child in node.mapping.items():
            declared = table.get(name)
            if declared is not None and declared.written:
                value = self._attribute(child, declared, (*path, name))
                if value is not _SKIP:
                    values[name] = value
            elif name.startswith("x-"):
                extensions[name] = child.plain
        if extensions and "extensions" in table:
            values["extensions"] = extensions
        return values

    def _attribute(self, node: Node, declared: Attribute, path: Path) -> Any:
        if declared.of is not None:
            return self._nested(node, declared, path)
        if node.value is None and declared.annotation not in _TAKES_NULL:
            return _SKIP
        try:
            if not declared.text and isinstance(node.value, str):
                raise ValueError(f'a number is needed here, not the text "{node.value}"')
            return self._plain(node, declared.annotation, path)
        except Refused as refused:
            self.report.take(refused, path)
        except ValueError as error:
            code = _CODES.get(declared.annotation, "E085")
            hint = _LIKE.get(declared.annotation, "")
            self.report.refuse(code, str(error), node.origin, path, hint=hint)
        return None  # stands for what was refused until the stage ends with the faults

    def _plain(self, node: Node, annotation: str, path: Path) -> Any:
        if annotation in _WARN:
            _WARN[annotation](node, self.report)
        return BINDERS[annotation](node)

    def _nested(self, node: Node, declared: Attribute, path: Path) -> Any:
        if node.value is None:
            return _SKIP
        if declared.many == "list":
            return tuple(self._items(node, declared, path))
        if declared.many == "map":
            return dict(self._entries(node, declared, path))
        return self._one(node, declared, path)

    def _items(self, node: Node, declared: Attribute, path: Path) -> Iterator[Any]:
        for index, item in enumerate(node.items):
            inside = declared.inside(index)
            if inside is not None:
                yield self._one(item, inside, (*path, index))

    def _entries(self, node: Node, declared: Attribute, path: Path) -> Iterator[tuple[str, Any]]:
        optional = declared.annotation.endswith("| None]")
        for name, child in node.mapping.items():
            inside = declared.inside(name)
            if inside is None:
                continue
            if child.value is None and optional:
                yield name, None
            else:
                yield name, self._one(child, inside, (*path, name))

    def _one(self, node: Node, shape: Attribute, path: Path) -> Any:
        cls = shape.of
        assert cls is not None
        if cls is Ulimit and not isinstance(node.value, dict):
            return self._single_limit(node, path)
        values = self.attributes(node, shape, path)
        if cls is Service:
            values["name"] = path[-1]
        if cls is Secret and CONTENT in node.mapping:
            values["content"] = node.mapping[CONTENT].value
        missing = [name for name in required_of(cls) if name not in values]
        for name in missing:
            message = f"`{name}` is missing in {path_text(path)}"
            self.report.refuse("E034", message, node.named_at, path)
        return None if missing else cls(**values)

    def _single_limit(self, node: Node, path: Path) -> Ulimit:
        try:
            number = _integer(node)
        except ValueError as error:
            self.report.refuse("E085", str(error), node.origin, path)
            number = 0
        return Ulimit(soft=number, hard=number, single=True)


# ---- one function for each kind of value
# -----------------------------------------------------------------


def _text(node: Node) -> str:
    value = node.value
    if value.__class__ is dict or value.__class__ is list:
        kind = "a mapping" if isinstance(value, dict) else "a list"
        raise Refused(f"text is needed here, not {kind}", node, code="E085")
    return "" if value is None else print_scalar(value)


def _boolean(node: Node) -> bool:
    if isinstance(node.value, bool):
        return node.value
    return parse_boolean(_text(node))


def _integer(node: Node) -> int:
    value = node.value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"`{_text(node)}` is no integer")
        return _fits(int(value))
    if isinstance(value, str):
        try:
            return parse_integer(value)
        except ValueError:
            raise ValueError(f"`{value}` is no integer") from None
    if not isinstance(value, int):  # names that the schema does not look at: ulimits: {Foo_1: []}
        raise ValueError("a number is needed here")
    return _fits(int(value))


def _fits(number: int) -> int:
    if not -_LONGEST <= number < _LONGEST:
        raise ValueError("the number is too large")
    return number


def _natural(node: Node) -> int:
    number = _integer(node)
    if number < 0:
        raise ValueError(f"`{_text(node)}` is negative")
    return number


def _number(node: Node) -> float:
    value = node.value
    if isinstance(value, str):
        try:
            return parse_float(value)
        except ValueError:
            raise ValueError(f"`{value}` is no number") from None
    if not isinstance(value, int | float):
        raise ValueError("a number is needed here")
    return value


def _cpus(node: Node) -> str:
    if isinstance(node.value, str):
        _number(node)
    return _text(node)


def _size(node: Node) -> Any:
    value = node.value
    if isinstance(value, float):
        return _SKIP  # 18.4: the reference ignores it, and _warn_of_fraction says so
    return value if isinstance(value, int) else parse_size(_text(node))


def _warn_of_fraction(node: Node, report: Report) -> None:
    if isinstance(node.value, float):
        message = f"`{_text(node)}` is no whole number of bytes: it is ignored"
        report.warn("W004", message, node.origin, "write it with a unit, as in 1.5g")


def _duration(node: Node) -> float:
    return parse_duration(_text(node))


def _mode(node: Node) -> int:
    value = node.value
    if isinstance(value, str):
        try:
            return int(value, 8)
        except ValueError:
            raise ValueError(f"`{value}` is no mode: octal digits are needed") from None
    if isinstance(value, float):
        raise ValueError(f"`{_text(node)}` is no mode")
    return _integer(node)


def _count(node: Node) -> int:
    return -1 if node.value == "all" else _integer(node)


def _words(node: Node) -> tuple[str, ...] | None:
    if node.value is None:
        return None
    if isinstance(node.value, list):
        return tuple(_text(item) for item in node.items)
    try:
        return split_words(_text(node)).words
    except ValueError as error:
        raise ValueError(f"`{_text(node)}` is no command line: {error}") from None


def _warn_of_operator(node: Node, report: Report) -> None:
    if not isinstance(node.value, str):
        return
    try:
        ended_at = split_words(node.value).ended_at
    except ValueError:
        return
    if ended_at:
        message = f"the command ends before `{ended_at}`: no shell runs it"
        hint = 'write ["sh", "-c", "..."] for a line of shell'
        report.warn("W005", message, node.origin, hint)


def _test(node: Node) -> tuple[str, ...] | None:
    if isinstance(node.value, str):
        return ("CMD-SHELL", node.value)
    return None if node.value is None else tuple(_text(item) for item in node.items)


def _texts(node: Node) -> tuple[str, ...]:
    return tuple(_text(item) for item in node.items) if node.items else _at_most_one(node)


def _at_most_one(node: Node) -> tuple[str, ...]:
    return () if isinstance(node.value, dict | list | None) else (_text(node),)


def _pairs(node: Node) -> dict[str, str | None]:
    """A mapping, or a list of `KEY=value`."""
    if isinstance(node.value, list):
        return dict(_pair(item) for item in node.items)
    return {
        name: None if child.value is None else _text(child) for name, child in node.mapping.items()
    }


def _pair(item: Node) -> tuple[str, str | None]:
    name, equals, value = _text(item).partition("=")
    if equals and name != name.rstrip():
        raise Refused(f"the variable `{name}` is declared with a trailing blank", item, code="E086")
    return name, value if equals else None


def _labels(node: Node) -> dict[str, str]:
    return {name: value or "" for name, value in _pairs(node).items()}


def _hosts(node: Node) -> dict[str, tuple[str, ...]]:
    hosts: dict[str, tuple[str, ...]] = {}
    if isinstance(node.value, list):
        for item in node.items:
            name, addresses = _host(item)
            hosts[name] = tuple(dict.fromkeys((*hosts.get(name, ()), *addresses)))
        return hosts
    for name, child in node.mapping.items():
        _check_host(name, Node(name, child.named_at))
        many = child.items or [child]
        hosts[name] = tuple(a for part in many for a in _addresses(_text(part)))
    return hosts


def _host(item: Node) -> tuple[str, tuple[str, ...]]:
    text = _text(item)
    name, separator, rest = text.partition("=") if "=" in text else text.partition(":")
    if not separator or not rest:
        raise Refused(f"`{text}` is no HOST=IP: the address is missing", item, code="E087")
    _check_host(name, item)
    return name, tuple(_addresses(rest))


def _check_host(name: str, node: Node) -> None:
    if not name or any(character in name for character in ":="):
        raise Refused(f"`{name}` is no host name", node, code="E087")


def _addresses(text: str) -> Iterator[str]:
    for address in text.split(","):
        bracketed = address.startswith("[") and address.endswith("]")
        yield address[1:-1] if bracketed else address


def _options(node: Node) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(_text(item) for item in child.items) if child.items else _at_most_one(child)
        for name, child in node.mapping.items()
    }


_TAKES_NULL = ("Command", "HealthTest")
_WARN: dict[str, Callable[[Node, Report], None]] = {
    "Command": _warn_of_operator,
    "Bytes | None": _warn_of_fraction,
}
_CODES = {"Command": "E088", "Seconds | None": "E089", "Bytes | None": "E089"}
_LIKE = {
    "Seconds | None": "a duration is 500ms, 10s, 1m30s or 2h",
    "Bytes | None": "a size is a number with b, k, m or g, as in 64m",
}
BINDERS: dict[str, Binder] = {
    **dict.fromkeys(
        (
            "str",
            "ComposePath",
            "HostPath",
            "SourcePath",
            "WatchedPath",
            "ContextPath",
            "BindSource",
            "str | None",
        ),
        _text,
    ),
    **dict.fromkeys(("bool", "bool | None"), _boolean),
    **dict.fromkeys(("int", "int | None"), _integer),
    **dict.fromkeys(("Natural", "Natural | None"), _natural),
    "float | None": _number,
    "CpuText": _cpus,
    "Bytes | None": _size,
    "Seconds | None": _duration,
    "FileMode | None": _mode,
    "DeviceCount | None": _count,
    "Command": _words,
    "HealthTest": _test,
    **dict.fromkeys(("tuple[str, ...]", "tuple[HostPath, ...]"), _texts),
    "Mapping[str, str | None]": _pairs,
    **dict.fromkeys(("Mapping[str, str]", "Mapping[str, ContextPath]", "SshKeys"), _labels),
    "Mapping[str, tuple[str, ...]]": _options,
    "Hosts": _hosts,
}
"""Annotation -> how a node becomes a value of it."""
