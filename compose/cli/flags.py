"""What may a command be given? Declarations, and how they are read from the command's own
signature.

    def command(context: Context, services: Services = (), detach: Detach = False) -> ExitCode

where `Detach = Annotated[bool, Flag("-d", "--detach", help="...")]`. The annotation gives the kind
of the value: bool is a switch, int a number, str a text, tuple[str, ...] may be repeated; None as
default means "not given". What argv means is parsing.py's, how `--help` looks help_pages.py's.
"""

import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

Kind = Literal["switch", "number", "text", "list"]


class Flag:
    """How a flag is written and what it is for.

    `spellings`: `-d` and `--detach`; the first long one is the name in messages. `old` maps further
    long spellings to what is said when they are used ("" for silence). `hidden` flags work and stay
    out of the help.
    """

    __slots__ = ("choices", "default", "help", "hidden", "metavar", "old", "spellings")

    def __init__(
        self,
        *spellings: str,
        help: str = "",
        metavar: str = "",
        default: str = "",
        choices: tuple[str, ...] = (),
        old: dict[str, str] | None = None,
        hidden: bool = False,
    ) -> None:
        self.spellings = spellings
        self.help = help
        self.metavar = metavar
        self.default = default
        self.choices = choices
        self.old = old or {}
        self.hidden = hidden

    @property
    def long(self) -> str:
        return next(word for word in self.spellings if word.startswith("--"))

    @property
    def short(self) -> str:
        return next((word for word in self.spellings if not word.startswith("--")), "")

    @property
    def named(self) -> str:
        """`-t, --timeout`, as messages name it."""
        return f"{self.short}, {self.long}" if self.short else self.long


class Argument:
    """One positional word, or as many as come.

    `usage` is how the usage line shows it: `SERVICE`, `[SERVICE...]`. `minimum` words are required.
    With `rest`, everything behind the first positional word belongs to it, flags of the inner
    command too (`exec web ls -l`).
    """

    __slots__ = ("completes", "minimum", "rest", "usage")

    def __init__(
        self, usage: str, *, minimum: int = 0, rest: bool = False, completes: str = ""
    ) -> None:
        self.usage = usage
        self.minimum = minimum
        self.rest = rest
        self.completes = completes


class FlagParameter(NamedTuple):
    name: str
    flag: Flag
    kind: Kind


class ArgumentParameter(NamedTuple):
    name: str
    argument: Argument
    many: bool


class Signature(NamedTuple):
    """All that a command takes, in the order of its parameters."""

    flags: tuple[FlagParameter, ...]
    arguments: tuple[ArgumentParameter, ...]

    @property
    def minimum(self) -> int:
        return sum(parameter.argument.minimum for parameter in self.arguments)

    @property
    def maximum(self) -> int | None:
        """None: no limit."""
        if any(parameter.many for parameter in self.arguments):
            return None
        return len(self.arguments)

    @property
    def has_rest(self) -> bool:
        return any(parameter.argument.rest for parameter in self.arguments)


@cache  # each command asks twice for the root's, and a test process many times
def read_signature(command: Callable[..., Any]) -> Signature:
    """The flags and arguments among the parameters; those without a declaration (the context) are
    left out."""
    flags: list[FlagParameter] = []
    arguments: list[ArgumentParameter] = []
    for name, hint in typing.get_type_hints(command, include_extras=True).items():
        for declared in getattr(hint, "__metadata__", ()):
            if isinstance(declared, Flag):
                flags.append(FlagParameter(name, declared, _kind(hint.__origin__)))
            elif isinstance(declared, Argument):
                many = typing.get_origin(hint.__origin__) is tuple
                arguments.append(ArgumentParameter(name, declared, many))
    return Signature(tuple(flags), tuple(arguments))


def _kind(hint: Any) -> Kind:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        return "list"
    kinds: dict[Any, Kind] = {bool: "switch", int: "number", str: "text"}
    return kinds[hint]
