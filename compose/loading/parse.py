"""Bytes -> trees that know where each value stands, one for each YAML document.

Builds from the events of libyaml: they have the marks of aliases, and nesting costs no recursion.
Duplicate keys, merge keys, anchors, `!reset` and `!override` are seen to here; meaning is not.
Source: 6.1 and 6.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from compose.errors import Fault, InvalidFile, Path
from compose.loading.libyaml import CParser, yaml
from compose.loading.report import Report
from compose.loading.scalars import resolve_plain, resolve_tagged
from compose.position import File, Position
from compose.tree import Node, Origin, Value

MOST_BYTES = 16 * 1024 * 1024
MOST_NODES = 100_000
"""Per file, with aliases written out: what keeps `&a [*b, *b]` from filling the memory."""
MOST_DOCUMENTS = 1000
"""Each is judged with all before it."""
DEEPEST = 100

_MERGE = "<<"
_TAGS = ("!reset", "!override")
_OPEN: list[Node] = []
"""The value of a collection whose end has not been read."""


class Document:
    """One YAML document: its tree, and the paths whose earlier values it takes away.

    `root` is None when the document holds nothing.
    """

    __slots__ = ("file", "replaced", "root")

    def __init__(self, file: File, root: Node | None, replaced: list[Path]) -> None:
        self.file = file
        self.root = root
        self.replaced = replaced


def decode(path: str, data: bytes, name: str = "") -> File:
    """The text of a file, `name` its name for people if that is another. Raises InvalidFile for
    what is too large or no UTF-8."""
    file = File(path)
    file.name = name
    if len(data) > MOST_BYTES:
        limit = MOST_BYTES // 1024 // 1024
        raise InvalidFile(
            Fault(
                "E016",
                f"the file has more than {limit} MiB",
                where=Position(file, 1, 1),
                hint="a Compose file holds descriptions; mount large data as a file",
            )
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        file.text = data.decode("utf-16", "replace").removeprefix("\ufeff")
        return file
    try:
        file.text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(file, data, error) from None
    return file


def _not_utf8(file: File, data: bytes, error: UnicodeDecodeError) -> InvalidFile:
    start = data.rfind(b"\n", 0, error.start) + 1
    line = data.count(b"\n", 0, error.start) + 1
    column = len(data[start : error.start].decode("utf-8", "replace")) + 1
    file.text = data.decode("utf-8", "replace")
    message = f"byte 0x{data[error.start]:02x} is not UTF-8"
    where = Position(file, line, column)
    return InvalidFile(Fault("E010", message, where=where, hint="save the file as UTF-8"))


def parse(file: File, report: Report) -> list[Document]:
    """All documents of a file. Raises InvalidFile, with every duplicate and non-text key at
    once."""
    file.is_yaml = True
    builder = _Builder(file, report)
    try:
        documents = list(builder.documents(CParser(file.text)))
    except yaml.YAMLError as error:
        report.faults.append(_syntax_fault(file, error))
        documents = []
    except _Stopped:
        documents = []
    report.finish()
    return documents


# ---- events -> nodes
# -------------------------------------------------------------------------------------


class _Builder:
    """Builds the documents of one file."""

    def __init__(self, file: File, report: Report) -> None:
        self.file = file
        self.report = report
        self.anchors: dict[str, Node] = {}
        self.tags: dict[int, str] = {}
        """By identity of a node: it carries !reset or !override."""
        self.tagged: list[Node] = []
        """Keeps the nodes of `tags` alive, so that no identity is used twice."""
        self.count = 0

    def documents(self, parser: CParser) -> Iterator[Document]:
        """Read events to the end of the stream."""
        count = 0
        while not isinstance(event := parser.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > MOST_DOCUMENTS:
                    raise self.refused("E015", f"more than {MOST_DOCUMENTS} documents", event)
                yield self._document(parser)

    def _document(self, parser: CParser) -> Document:
        self.anchors.clear()
        self.tags.clear()
        self.tagged.clear()
        root = self._build(parser)
        replaced: list[Path] = []
        if self.tags:
            replaced = self._untag(root)
        empty = root.value is None and not self.tags
        return Document(self.file, None if empty else root, replaced)

    def _build(self, parser: CParser) -> Node:
        """One node with all below it, by a stack of open collections."""
        whole = _Sequence(Node(None, Origin(self.file, 1, 1)))
        stack: list[_Sequence | _Mapping] = [whole]
        while not (len(stack) == 1 and whole.items):
            event: Any = parser.get_event()
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                stack[-1].add(self, self._scalar(event), event)
            elif kind is yaml.AliasEvent:
                stack[-1].add(self, self._alias(event), event)
            elif kind is yaml.SequenceStartEvent:
                stack.append(_Sequence(self._open(event)))
            elif kind is yaml.MappingStartEvent:
                stack.append(_Mapping(self._open(event)))
            else:
                closed = stack.pop()
                closed.close(self)
                stack[-1].add(self, closed.node, None)
            if len(stack) > DEEPEST:
                raise self.refused("E015", f"more than {DEEPEST} levels", event)
        return whole.items[0]

    def _open(self, event: Any) -> Node:
        node = self._node(_OPEN, event)
        if event.anchor is not None or event.tag is not None:
            self._remember(node, event.anchor, event.tag)
        return node

    def _node(self, value: Value, event: Any) -> Node:
        mark = event.start_mark
        self.count += 1
        if self.count > MOST_NODES:
            raise self.refused("E015", f"more than {MOST_NODES} values", event)
        return Node(value, Origin(self.file, mark.line + 1, mark.column + 1))

    def _scalar(self, event: Any) -> Node:
        tag = event.tag
        if tag is None:
            node = self._node(event.value if event.style else resolve_plain(event.value), event)
        else:
            node = self._node(self._tagged_value(event), event)
        if event.anchor is not None or tag is not None:
            self._remember(node, event.anchor, tag)
        return node

    def _tagged_value(self, event: Any) -> Value:
        if event.tag in _TAGS:
            return event.value if event.style else resolve_plain(event.value)
        try:
            return resolve_tagged(event.tag, event.value)
        except ValueError as error:
            raise self.refused("E011", str(error), event) from None

    def _remember(self, node: Node, anchor: str | None, tag: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if tag in _TAGS:
            self.tags[id(node)] = tag
            self.tagged.append(node)

    def _alias(self, event: Any) -> Node:
        target = self.anchors.get(event.anchor)
        if target is None:
            known = ", ".join(f"`{name}`" for name in list(self.anchors)[:5])
            hint = f"anchors above this line: {known}"
            if not known:
                hint = "no anchor stands above it; text that begins with * needs quotes"
            raise self.refused("E013", f"there is no anchor `{event.anchor}`", event, hint)
        return self._copy(target, event)

    def _copy(self, node: Node, event: Any) -> Node:
        self.count += 1
        if self.count > MOST_NODES:
            raise self.refused("E015", f"aliases make more than {MOST_NODES} values", event)
        value = node.value
        if value is _OPEN:
            raise self.refused("E014", f"`*{event.anchor}` stands inside its own anchor", event)
        if isinstance(value, dict):
            value = {name: self._copy(child, event) for name, child in value.items()}
        elif isinstance(value, list):
            value = [self._copy(child, event) for child in value]
        copy = Node(value, node.origin, node.key)
        if id(node) in self.tags:
            self._remember(copy, None, self.tags[id(node)])
        return copy

    # ---- tags ----

    def _untag(self, root: Node) -> list[Path]:
        """Drop the nodes marked !reset; the paths of all marked ones."""
        paths: list[Path] = []
        self._collect(root, (), paths)
        return paths

    def _collect(self, node: Node, path: Path, paths: list[Path]) -> None:
        tag = self.tags.get(id(node))
        if tag:
            paths.append(path)
        if isinstance(node.value, dict):
            for name, child in list(node.value.items()):
                self._collect(child, (*path, name), paths)
                if self.tags.get(id(child)) == "!reset":
                    del node.value[name]
        elif isinstance(node.value, list):
            for index, item in enumerate(node.value):
                self._collect(item, (*path, index), paths)
            node.value = [i for i in node.value if self.tags.get(id(i)) != "!reset"]

    # ---- faults ----

    def refused(self, code: str, message: str, event: Any, hint: str = "") -> _Stopped:
        """A fault after which the rest of the file means nothing."""
        mark = event.start_mark
        where = Position(self.file, mark.line + 1, mark.column + 1)
        self.report.refuse(code, message, where, hint=hint)
        return _Stopped()


class _Stopped(Exception):
    """Reading ends here; the fault is noted."""


class _Sequence:
    """A list whose end has not come yet."""

    __slots__ = ("items", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.items: list[Node] = []

    def add(self, _builder: _Builder, node: Node, _event: Any) -> None:
        self.items.append(node)

    def close(self, _builder: _Builder) -> None:
        self.node.value = self.items


class _Mapping:
    """A mapping whose end has not come yet."""

    __slots__ = ("children", "key", "merged", "name", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.children: dict[str, Node] = {}
        self.merged: Node | None = None
        self.name: str | None = None
        self.key: Origin | None = None

    def add(self, builder: _Builder, node: Node, event: Any) -> None:
        """Take a key, or the value of the key before."""
        if self.key is None:
            self.key = node.origin
            self.name = self._name(builder, node, event)
            return
        node.key, self.key = self.key, None
        if self.name is _MERGE:
            self._merge(builder, node)
        elif self.name is not None:
            self._set(builder, self.name, node)

    def _name(self, builder: _Builder, node: Node, event: Any) -> str | None:
        value = node.value
        if isinstance(value, str):
            plain = value == "<<" and isinstance(event, yaml.ScalarEvent) and not event.style
            return _MERGE if plain else value
        shown = (
            "a list or mapping" if isinstance(value, dict | list) else f"`{_shown(event, value)}`"
        )
        hint = "" if isinstance(value, dict | list) else f'quote it: "{_shown(event, value)}"'
        if node.origin.file.line(node.origin.line)[: node.origin.column].endswith("{{"):
            hint = _TEMPLATE
        if isinstance(value, int) and not isinstance(value, bool):
            hint += "; a port mapping has no blank after its colon"
        builder.report.refuse("E012", f"a key must be text, not {shown}", node.origin, hint=hint)
        return None

    def _set(self, builder: _Builder, name: str, node: Node) -> None:
        first = self.children.get(name)
        if first is None:
            self.children[name] = node
            return
        builder.report.refuse(
            "E017",
            f"`{name}` is given twice",
            node.key,
            hint="keep one of the two",
            trail=(("first given at", first.named_at),),
        )

    def _merge(self, builder: _Builder, node: Node) -> None:
        if self.merged is not None:
            trail = (("first given at", self.merged.named_at),)
            builder.report.refuse("E017", "`<<` is given twice", node.key, trail=trail)
            return
        self.merged = node

    def close(self, builder: _Builder) -> None:
        """Take in what `<<` names: own keys win, then the earlier of several mappings."""
        self.node.value = self.children
        for source in _sources(self.merged):
            if not isinstance(source.value, dict):
                builder.report.refuse(
                    "E018",
                    "`<<` takes a mapping, an alias to one, or a list of those",
                    source.origin,
                )
                continue
            for name, child in source.value.items():
                self.children.setdefault(name, child)


def _sources(merged: Node | None) -> list[Node]:
    if merged is None:
        return []
    if not isinstance(merged.value, list):
        return [merged]
    return [inner for item in merged.value for inner in _sources(item)]


def _shown(event: Any, value: object) -> str:
    return str(event.value) if isinstance(event, yaml.ScalarEvent) else str(value)


# ---- syntax errors
# ---------------------------------------------------------------------------------------


def _syntax_fault(file: File, error: yaml.YAMLError) -> Fault:
    """libyaml's words, with the likely cause."""
    problem, mark, context, context_mark = _parts(file, error)
    where = Position(file, mark[0] + 1, mark[1] + 1)
    trail = []
    if context_mark is not None and context_mark[0] != mark[0]:
        trail.append((f"{context}, from", Position(file, context_mark[0] + 1, context_mark[1] + 1)))
        if not file.line(mark[0] + 1).strip() or "quoted scalar" in context:
            # the end of the file says nothing: show where it began
            trail = [("it goes on to", where)]
            where = Position(file, context_mark[0] + 1, context_mark[1] + 1)
    message = f"this is no YAML: {problem}"
    return Fault("E010", message, where=where, hint=_cause(file, mark, problem), trail=trail)


_TEMPLATE = "`{{ }}` and `{% %}` are for a template engine: fill the template in first, or quote it"
_Mark = tuple[int, int]
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]"


def _parts(file: File, error: yaml.YAMLError) -> tuple[str, _Mark, str, _Mark | None]:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return _unmarked(file, error)
    mark = (error.problem_mark.line, error.problem_mark.column)
    other = error.context_mark
    context_mark = (other.line, other.column) if other is not None else None
    return error.problem or "", mark, error.context or "", context_mark


def _unmarked(file: File, error: yaml.YAMLError) -> tuple[str, _Mark, str, None]:
    found = re.search(_CONTROL, file.text)
    if not found:
        return str(error).splitlines()[0], (0, 0), "", None
    line = file.text.count("\n", 0, found.start())
    column = found.start() - (file.text.rfind("\n", 0, found.start()) + 1)
    return f"the character U+{ord(found[0]):04X} is not allowed", (line, column), "", None


def _cause(file: File, mark: _Mark, problem: str) -> str:
    """What people mostly did when libyaml says this; empty when nothing is likely."""
    if "{%" in file.line(mark[0] + 1) or "{{" in file.line(mark[0] + 1):
        return _TEMPLATE
    for number in (mark[0], mark[0] - 1):
        line = file.line(number + 1)
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return f"line {number + 1} is indented with a tab: YAML takes blanks only"
    if "mapping values are not allowed" in problem:
        return _cause_of_colon(file, mark)
    if "did not find expected node content" in problem:
        return "a value is missing here, or a `[` or `{` above is not closed"
    if "did not find expected key" in problem:
        return "look at the indentation of this line and the one before, and at open quotes"
    if "did not find expected '-' indicator" in problem:
        return "this line begins no item of the list above it: add a `- `, or indent it less"
    if "found expected ',' or" in problem.replace("did not find", "found"):
        if file.line(mark[0] + 1)[: mark[1]].endswith("$"):
            return "within `{ }` and `[ ]`, a value with `${...}` needs quotes"
        bracket = "{" if "'}'" in problem else "["
        return f"a `{bracket}` is not closed, or a comma is missing"
    if file.line(mark[0] + 1)[mark[1] :].startswith("//"):
        return "a comment begins with #"
    if "cannot start any token" in problem:
        return "a value that begins with @ ` or % needs quotes"
    if "while scanning a quoted scalar" in problem or "unexpected end of stream" in problem:
        return "a quote was opened and never closed"
    return ""


def _cause_of_colon(file: File, mark: _Mark) -> str:
    """A `:` where a value stands already: its own line says why, or the one before."""
    line = file.line(mark[0] + 1)
    key = line[: mark[1]]
    if ": " in key:
        return "a `: ` inside a value needs quotes"
    number = mark[0]
    while number > 0 and not file.line(number).strip():
        number -= 1
    before = file.line(number)
    if len(line) - len(line.lstrip()) <= len(before) - len(before.lstrip()):
        return "a `: ` inside a value needs quotes; or the line is indented too far"
    if ":" not in before:
        return f"line {number} has no `:` at its end: {before.strip()}:"
    return f"line {number} has a value already: indent line {mark[0] + 1} as that one"
