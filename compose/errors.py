"""What went wrong, for the user: a stable code, a message, a place, a hint.

Few classes: one for each way in which a caller reacts. The codes are the catalogue of
compose/loading/catalogue.py (`E0xx`, `E1xx`: files), planning (`E2xx`), the runtime (`E3xx`-`E6xx`)
and the command line (`E7xx`). Printing with colour is compose/output/diagnostics.py's; `str()` here
is the plain text.
"""

from __future__ import annotations

from collections.abc import Iterable

from compose.position import Position, presentable

Path = tuple[str | int, ...]
"""A place in the model: ("services", "web", "ports", 0). Tuples, since a key may hold dots."""


def path_text(path: Path) -> str:
    """`services.web.ports[0]`, as messages name a place."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return presentable(text)


_LONGEST_NAME, _MOST_NAMES = 100, 1000
"""Comparing takes the product of both: a file of ten thousand wrong names must not take minutes."""


def nearest(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Which of these names was meant: the most similar one, or "" when none is similar."""
    from difflib import get_close_matches  # 4 ms that only mistakes need

    if len(name) > _LONGEST_NAME:
        return ""
    known = sorted(other for other in names if len(other) <= _LONGEST_NAME)[:_MOST_NAMES]
    found = get_close_matches(name, known, n=1, cutoff=cutoff)
    if found:
        return found[0]
    letters = sorted(name)  # `bd` for `db`: two letters that changed places are half of it
    return next((other for other in known if sorted(other) == letters), "")


class Fault:
    """One thing that is wrong in one place.

    `trail` says how the loader came there: pairs of words and position ("included from",
    compose.yaml:3:5), the nearest first, and also other places that matter ("first defined at").
    """

    __slots__ = ("code", "hint", "message", "path", "trail", "where")

    def __init__(
        self,
        code: str,
        message: str,
        *,
        where: Position | None = None,
        path: Path = (),
        hint: str = "",
        trail: Iterable[tuple[str, Position]] = (),
    ) -> None:
        self.code = code
        # what is empty shows as empty text
        self.message = presentable(message.replace("``", '`""`'))
        self.where = where
        self.path = path
        self.hint = presentable(hint)
        self.trail: tuple[tuple[str, Position], ...] = tuple(trail)

    @property
    def headline(self) -> str:
        """`compose.yaml:12:5: error E031: unknown attribute ...`, one line."""
        place = f"{self.where}: " if self.where else ""
        word = "warning" if self.code.startswith("W") else "error"
        return f"{place}{word} {self.code}: {self.message}"

    def __str__(self) -> str:
        parts = [self.headline]
        excerpt = self.where.excerpt if self.where else None
        if excerpt:
            parts.append(str(excerpt))
        if self.path:
            parts.append(f"   at {path_text(self.path)}")
        parts.extend(f"   {words} {position}" for words, position in self.trail)
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)

    def __repr__(self) -> str:
        return f"<{self.code} {self.where!r} {self.message}>"


def without_step(tried: str) -> str:
    """`L54 execute the program` -> `execute the program`: the number is for who reads the code."""
    is_numbered = tried[:1].isupper() and tried[1:3].isdigit() and tried[3:4] == " "
    return tried[4:] if is_numbered else tried


class ComposeError(Exception):
    """Something that ends the command with one report and no traceback.

    `exit_code` is Docker Compose's (exit_codes.py); `details` are further lines below the message,
    each whole.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        code: str = "E200",
        where: Position | None = None,
        hint: str = "",
        details: Iterable[str] = (),
        exit_code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.where = where
        self.hint = hint
        self.details = tuple(details)
        if exit_code is not None:
            self.exit_code = exit_code

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What to report, in order."""
        return (Fault(self.code, self.message, where=self.where, hint=self.hint),)


class InvalidFile(ComposeError):
    """Compose files, or what they refer to, cannot be loaded: all faults of the stage that found
    them."""

    def __init__(self, *faults: Fault) -> None:
        first = faults[0]
        super().__init__(first.message, code=first.code, where=first.where, hint=first.hint)
        self._faults = faults

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._faults

    def __str__(self) -> str:
        return "\n\n".join(str(fault) for fault in self._faults)


class NotFound(ComposeError):
    """What the caller named (a service, a project, a file) is not there."""


class ActionFailed(ComposeError):
    """A plan could not be carried out; `details` hold what is known about the cause, `service` says
    whose action it was that failed first."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "E200",
        where: Position | None = None,
        hint: str = "",
        details: Iterable[str] = (),
        exit_code: int | None = None,
        service: str = "",
    ) -> None:
        super().__init__(
            message, code=code, where=where, hint=hint, details=details, exit_code=exit_code
        )
        self.service = service


class Interrupted(ComposeError):
    """The user ended the command."""

    exit_code = 130
