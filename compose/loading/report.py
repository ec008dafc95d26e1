"""What a stage has to say: faults and warnings, collected, so that one run tells all of them.

A stage adds faults and goes on; `finish()` ends it with one InvalidFile if there were any. Used by
all of loading/.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from compose.errors import Fault, InvalidFile, Path, nearest, path_text
from compose.loading.environment import Environment
from compose.loading.hints import HINTS
from compose.loading.remote import Remote
from compose.position import File, Position
from compose.tree import Node, Origin, Refused

MOST_FAULTS = 50
"""More faults than anybody reads are not collected."""

_UNSET = 'The "{}" variable is not set. Defaulting to a blank string.'
"""Docker Compose's words."""

Trail = tuple[tuple[str, Position], ...]


class Report:
    """Faults of the running stage, and the warnings of all stages (each text once)."""

    def __init__(
        self, environment: Environment | None = None, *, remote: Remote | None = None
    ) -> None:
        self.faults: list[Fault] = []
        self.warnings: dict[tuple[str, str], Fault] = {}
        self.environment = environment or Environment()
        self.remote = remote or Remote({})
        """Files of elsewhere that were fetched."""
        self.find_example: Callable[[], str] | None = None
        """The name of what the project gives in place of a `.env` that nobody has written; asked
        once."""
        self.files = 0
        """How many were read."""
        self.judged = 0
        """How many bytes of trees were judged: each document is judged with all before it."""
        self._trail: Trail = ()

    def refuse(
        self,
        code: str,
        message: str,
        where: Position | None,
        path: Path = (),
        *,
        hint: str = "",
        trail: Trail = (),
    ) -> None:
        """Note a fault; the stage goes on."""
        if len(self.faults) >= MOST_FAULTS:
            return
        came = (*trail, *trail_of(where), *self._trail)
        hint = self._hint_of_unset(where) or hint or HINTS.get(code, "")
        self.faults.append(Fault(code, message, where=where, path=path, hint=hint, trail=came))

    def _hint_of_unset(self, where: Position | None) -> str:
        """A value that is wrong is so most likely because its variable is empty."""
        name = where.unset_variable if isinstance(where, Origin) else ""
        if not name:
            return _hint_of_characters(where)
        near = self.environment.nearest_to(name)
        return f"the variable `{name}` is not set" + (f"; {near}" if near else "")

    def take(self, refused: Refused, path: Path) -> None:
        """Note what an attribute's own function refused."""
        self.refuse(refused.code, refused.message, refused.node.origin, path, hint=refused.hint)

    @contextmanager
    def collecting(self, path: Path) -> Iterator[None]:
        """Refusals inside the block are noted under `path`, and the block is left."""
        try:
            yield
        except Refused as refused:
            self.take(refused, path)

    @contextmanager
    def within(self, words: str, where: Position | None) -> Iterator[None]:
        """Faults found inside the block say how the loader came there."""
        before = self._trail
        if where is not None:
            self._trail = ((words, where), *before)
        try:
            yield
        except InvalidFile as invalid:  # raised without this report
            for fault in invalid.faults:
                if where not in (None, fault.where) and (words, where) not in fault.trail:
                    fault.trail = (*fault.trail, (words, where))
            raise
        finally:
            self._trail = before

    def shown(self, path: str) -> str:
        """The name of a file for messages."""
        return self.remote.shown(path) or File(path).shown

    def warn(self, code: str, message: str, where: Position | None = None, hint: str = "") -> None:
        """Note a warning, unless the same text was noted before."""
        self.warnings.setdefault((code, message), Fault(code, message, where=where, hint=hint))

    def warn_ignored(self, node: Node, known: Collection[str], path: Path) -> None:
        """Note what is written in a mapping that no schema judges, since it is gone before."""
        for name, child in node.mapping.items():
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean `{near}`?" if near else f"it has {', '.join(known)}"
                message = f"unknown attribute `{name}` in {path_text(path)}: it is ignored"
                self.warn("W009", message, child.named_at, hint)

    def warn_unset(self, name: str, where: Position, environment: Environment) -> None:
        """Note that a variable is used which is not set; the first place where it is."""
        if self.has_told_of(name):
            return
        hint = environment.nearest_to(name)
        if not hint and self.find_example is not None:
            example = self.find_example()
            hint = f"copy {example} to .env, and fill it in" if example else ""
            self.find_example = None
        self.warn("W001", _UNSET.format(name), where, hint)

    def has_told_of(self, name: str) -> bool:
        """Whether the variable was warned of as unset."""
        return ("W001", _UNSET.format(name)) in self.warnings

    def finish(self) -> None:
        """End a stage: raise InvalidFile with all its faults, in the order of the files."""
        if self.faults:
            faults, self.faults = self.faults, []
            raise InvalidFile(*unique(faults))


_TYPOGRAPHIC = "\u201c\u201d\u201e\u2018\u2019\u201a"


def _hint_of_characters(where: Position | None) -> str:
    """What looks like a quote or a blank and is none: it came with the text from a web page."""
    line = where.file.line(where.line) if where is not None else ""
    if line.lstrip(" ").startswith("\xa0"):
        return "the line is indented with no-break spaces (U+00A0): YAML takes blanks only"
    if where is not None and line[where.column - 1 : where.column] in tuple(_TYPOGRAPHIC):
        return "typographic quotes are letters to YAML: write \" or '"
    return ""


def unique(faults: Iterable[Fault]) -> list[Fault]:
    """Each fault once: the same place may be visited through aliases or in several stages."""
    seen: dict[object, Fault] = {}
    for fault in faults:
        place = fault.where.key if fault.where else None
        seen.setdefault((fault.code, fault.message, place), fault)
    return list(seen.values())


def trail_of(where: Position | None) -> Trail:
    """How a value came to its place, as far as that helps to understand a fault in it."""
    if not isinstance(where, Origin):
        return ()
    words = {
        "extends": "taken over by {},",
        "include": "included from",
        "variable": "`{}` is set in",
        "env_file": "read because of",
    }
    return tuple(
        (words[step.kind].format(step.text), step.where)
        for step in reversed(where.how)
        if step.kind in words and step.where is not None
    )


def place_of(node: Node) -> Position:
    """Where to point at for a node: its value."""
    return node.origin
