"""Variables in values, then the type that the attribute asks for: `tty: "${TTY:-true}"` is a
boolean.

Runs per document, before merging; never touches keys. Source: 6.3 of the Compose file reference.
"""

from __future__ import annotations

from collections.abc import Callable

from compose.errors import Path
from compose.loading.environment import Environment
from compose.loading.report import Report
from compose.loading.variables import BadVariable, substitute
from compose.model.attribute import Attribute
from compose.model.units import FALSE_WORDS, TRUE_WORDS, parse_boolean
from compose.tree import Node, Origin, Scalar, Step

_MOST_LINES, _LONGEST_LINE = 100, 4096
"""Of a value, looked through for a variable of it."""
MOST_CHARACTERS = 64 * 1024 * 1024
"""What all values of a document may grow to."""


def interpolate(root: Node, shape: Attribute, environment: Environment, report: Report) -> None:
    """Replace the variables of every value in place, and read text as the declared number or
    boolean."""
    _Interpolation(environment, report).visit(root, shape)
    report.finish()


class _Interpolation:
    def __init__(self, environment: Environment, report: Report) -> None:
        self.environment = environment
        self.report = report
        self.path: list[str | int] = []
        self.size = 0

    def visit(self, node: Node, shape: Attribute | None) -> None:
        value = node.value
        kind = value.__class__
        if kind is str:
            self._text(node, str(value), shape)
        elif kind is dict:
            for name, child in node.mapping.items():
                self.path.append(name)
                self.visit(child, shape.inside(name) if shape else None)
                self.path.pop()
        elif kind is list:
            for index, item in enumerate(node.items):
                self.path.append(index)
                self.visit(item, shape.inside(index) if shape else None)
                self.path.pop()

    def _text(self, node: Node, text: str, shape: Attribute | None) -> None:
        if "$" in text:
            replaced = self._substitute(node, text)
            if replaced is None:
                return
            node.value = text = replaced
        if shape is not None and shape.text and shape.annotation in CASTS:
            self._cast(node, text, shape.annotation)

    def _substitute(self, node: Node, text: str) -> str | None:
        used: list[str] = []
        try:
            value = substitute(text, lambda name: self._lookup(name, used), self._unset(node))
        except BadVariable as bad:
            self._refuse(node, text, bad)
            return None
        self.size += len(value)
        if self.size > MOST_CHARACTERS:
            self.report.refuse("E023", "variables make the file too large", node.origin)
            self.report.finish()
        node.origin = node.origin.through(*map(self._step, dict.fromkeys(used)))
        return value

    def _lookup(self, name: str, used: list[str]) -> str | None:
        used.append(name)
        return self.environment.get(name)

    def _step(self, name: str) -> Step:
        state = name if name in self.environment else f"{name}, which is unset"
        return Step("variable", state, self.environment.place_of(name))

    def _unset(self, node: Node) -> Callable[[str], None]:
        def unset(name: str) -> None:
            if not self.report.has_told_of(name):
                where = _place_of(node.origin, name)
                self.report.warn_unset(name, where, self.environment)

        return unset

    def _refuse(self, node: Node, text: str, bad: BadVariable) -> None:
        path: Path = tuple(self.path)
        if bad.kind == "required":
            hint = self.environment.nearest_to(bad.name) or _set_it(bad.name)
            where = _place_of(node.origin, bad.name)
            self.report.refuse("E022", bad.message, where, path, hint=hint)
            return
        code, hint = ("E023", "") if bad.kind == "size" else ("E020", _DOLLAR)
        written = text[bad.offset :]
        if code == "E020" and written.startswith("${") and "}" not in written:
            hint = f"a `}}` is missing at its end; or {_DOLLAR}"
        where = node.origin
        column = where.file.line(where.line).find(written[:40], where.column - 1)
        if code == "E020" and column >= 0:
            where = Origin(where.file, where.line, column + 1, where.how)
        self.report.refuse(code, bad.message, where, path, hint=hint)

    def _cast(self, node: Node, text: str, annotation: str) -> None:
        words, convert = CASTS[annotation]
        try:
            node.value = convert(text)
        except ValueError:
            path = tuple(self.path)
            hint = (
                "write true or false"
                if words == "boolean"
                else f"write a number, as in {_LIKE[words]}"
            )
            self.report.refuse("E021", f"`{text}` is no {words}", node.origin, path, hint=hint)
            return
        if words == "boolean" and text.lower() in _OLD_WORDS:
            message = (
                f'"{text}" for boolean is not supported by YAML 1.2, please use `true` or `false`'
            )
            self.report.warn("W002", message, node.origin)


def _place_of(origin: Origin, name: str) -> Origin:
    """Where in a value its variable stands, on whichever of its lines; else where the value
    begins."""
    for line in range(origin.line, origin.line + _MOST_LINES):
        start = origin.column - 1 if line == origin.line else 0
        column = _find_variable(origin.file.line(line), name, start)
        if column >= 0:
            return Origin(origin.file, line, column + 1, origin.how)
    return origin


def _find_variable(line: str, name: str, start: int) -> int:
    """The column of `$NAME` or `${NAME`; -1 when it is not there."""
    for begin in (f"${{{name}", f"${name}"):
        found = line.find(begin, start, start + _LONGEST_LINE)
        while found >= 0:
            after = line[found + len(begin) : found + len(begin) + 1]
            dollars = found - len(line[:found].rstrip("$"))  # two of them are one that means itself
            if dollars % 2 == 0 and not (after.isalnum() or after == "_"):
                return found
            found = line.find(begin, found + 1, start + _LONGEST_LINE)
    return -1


_DOLLAR = "write $$ where a dollar sign is meant"


def _set_it(name: str) -> str:
    return f"set it in the shell or in `.env`: {name}=..."


_OLD_WORDS = {*TRUE_WORDS, *FALSE_WORDS} - {"true", "false"}
_LONGEST = 2**63


def parse_integer(text: str) -> int:
    """Decimal digits with an optional sign, within 64 bits; raises ValueError."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 25):
        raise ValueError(text)
    number = int(text)
    if not -_LONGEST <= number < _LONGEST:
        raise ValueError(text)
    return number


def parse_float(text: str) -> float:
    """A decimal number; raises ValueError."""
    if text != text.strip() or "_" in text or not text.isascii():
        raise ValueError(text)
    return float(text)


_LIKE = {"integer": "4", "number": "0.5"}
Cast = tuple[str, Callable[[str], Scalar]]
_KINDS: dict[str, Cast] = {
    "int": ("integer", parse_integer),
    "Natural": ("integer", parse_integer),
    "float": ("number", parse_float),
    "bool": ("boolean", parse_boolean),
}
CASTS: dict[str, Cast] = {
    spelling: cast for name, cast in _KINDS.items() for spelling in (name, f"{name} | None")
}
"""Annotation -> what text is read as."""
