"""How an attribute of the Compose file is declared: once, with all that is to be known about it.

    ports: tuple[Port, ...] = attribute(default=(), of=Port, canonical=long_ports,
    identity=port_key)

The walkers of loading/ read the declarations; they know no attribute by name. The annotation is
part of the declaration: it says what the value is bound to (loading/bind.py), whether text is read
as a number (loading/interpolate.py) and whether it is a path of the host (loading/paths.py).

`@attributes` makes the class: keyword-only, frozen, equal by value. It generates no code, because
the standard decorator costs 1 ms a class, and forty of them are read by every command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, dataclass_transform

from compose.errors import Path
from compose.tree import Node

T = TypeVar("T")
NOTHING: Any = object()
"""No default: the attribute must be given."""
EMPTY: Mapping[str, Any] = MappingProxyType({})

Extensions = Mapping[str, object]
"""The `x-` keys of a mapping, as plain values."""

Canonical = Callable[[Node, Path], Node]
Merge = Callable[[Node, Node], "Node | tuple[Node, Node]"]
Identity = Callable[[Node, Path], object]
Check = Callable[[Node, Path], None]


class Attribute:
    """The declaration of one attribute.

    default: what the model holds when the file says nothing; NOTHING when it must be given.
    of: the class that describes the nested mapping (or the items, or the values), for the walkers.
    canonical: short form -> long form; runs after every document and must leave a long form alone.
    merge: (base, override) -> the merged node, or the pair in a form that the general rule can
    merge. identity: the key of a list's item: the last of equal items wins, at the place of the
    first. check: refuses what no schema can refuse; asked for each item of a list and each value of
    a mapping. on_change: what a change means for a running container: "recreate" it, or "nothing".
    implied: what the loader writes where the file says nothing: a value, or a function of the
    mapping. text: whether text is read as the annotated number or boolean.
    written: False for what the loader adds and no file can say (a service's name).
    compared: False for what does not count when two values are compared.
    """

    __slots__ = (
        "annotation",
        "canonical",
        "check",
        "compared",
        "default",
        "entry",
        "identity",
        "implied",
        "many",
        "merge",
        "name",
        "of",
        "on_change",
        "text",
        "written",
    )

    name: str
    annotation: str
    many: str
    entry: Attribute | None
    default: Any
    of: type | None
    canonical: Canonical | None
    merge: Merge | None
    identity: Identity | None
    check: Check | None
    on_change: str
    implied: Any
    text: bool
    written: bool
    compared: bool

    def __init__(self, **facets: Any) -> None:
        self.entry = None
        for facet, value in facets.items():
            setattr(self, facet, value)

    def declare(self, name: str, annotation: str) -> None:
        """Take name and annotation from the class body; `many` is "list", "map" or "one"."""
        self.name = name
        self.annotation = annotation
        self.many = "one"
        if annotation.startswith("tuple["):
            self.many = "list"
        elif annotation.startswith("Mapping["):
            self.many = "map"

    def inside(self, key: str | int) -> Attribute | None:
        """The declaration of what stands at a key of this attribute's value; None for free
        content."""
        if self.of is None:
            return None
        if self.many == "one":
            return self.of.__attributes__.get(key)  # type: ignore[attr-defined, no-any-return]
        if self.entry is None:
            self.entry = Attribute(default=None, of=self.of, check=self.check, **_NO_FACETS)
            self.entry.declare(self.name, self.of.__name__)
        return self.entry

    def __repr__(self) -> str:
        return f"{self.name}: {self.annotation}"


class Somewhere:
    """Which attributes a rule can matter to, at their value or below it: a walker skips the others
    with all that they hold."""

    def __init__(self, matters: Callable[[Attribute], bool]) -> None:
        self._matters = matters
        self._below: dict[type, bool] = {}

    def __call__(self, shape: Attribute) -> bool:
        return self._matters(shape) or (shape.of is not None and self._is_below(shape.of))

    def _is_below(self, of: type) -> bool:
        if of not in self._below:
            self._below[of] = any(map(self, table_of(of).values()))
        return self._below[of]


_NO_FACETS: dict[str, Any] = {
    **dict.fromkeys(("canonical", "merge", "identity")),
    "implied": NOTHING,
    "on_change": "recreate",
    **dict.fromkeys(("text", "written", "compared"), True),
}


def attribute(
    *,
    default: Any = NOTHING,
    of: type | None = None,
    canonical: Canonical | None = None,
    merge: Merge | None = None,
    identity: Identity | None = None,
    check: Check | None = None,
    on_change: str = "recreate",
    implied: Any = NOTHING,
    text: bool = True,
    written: bool = True,
    compared: bool = True,
) -> Any:
    """Declare an attribute; the facets are those of Attribute."""
    return Attribute(
        default=default,
        of=of,
        canonical=canonical,
        merge=merge,
        identity=identity,
        check=check,
        on_change=on_change,
        implied=implied,
        text=text,
        written=written,
        compared=compared,
    )


@dataclass_transform(
    kw_only_default=True, frozen_default=True, eq_default=True, field_specifiers=(attribute,)
)
def attributes(cls: type[T]) -> type[T]:
    """Make a class of declared attributes; `table_of(cls)` lists them."""
    table = {name: _declared(cls, name, text) for name, text in cls.__annotations__.items()}
    members: dict[str, Any] = {
        "__attributes__": table,
        "__required__": frozenset(n for n, a in table.items() if a.default is NOTHING),
        "__match_args__": (),
        "__init__": _initialise,
        "__setattr__": _refuse_change,
        "__delattr__": _refuse_change,
        "__eq__": _equal,
        "__hash__": _hash,
        "__repr__": _represent,
    }
    for name, member in members.items():
        setattr(cls, name, member)
    return cls


def _declared(cls: type, name: str, annotation: str) -> Attribute:
    found = cls.__dict__.get(name, NOTHING)
    declared = found if isinstance(found, Attribute) else attribute(default=found)
    declared.declare(name, annotation)
    # The default stays on the class, so that an instance holds only what was given.
    if declared.default is not NOTHING:
        setattr(cls, name, declared.default)
    elif found is not NOTHING:
        delattr(cls, name)
    return declared


def _initialise(self: Any, **values: Any) -> None:
    cls = self.__class__
    if not values.keys() <= cls.__attributes__.keys():
        unknown = ", ".join(sorted(values.keys() - cls.__attributes__.keys()))
        raise TypeError(f"{cls.__name__} has no attribute {unknown}")
    if not cls.__required__ <= values.keys():
        missing = ", ".join(sorted(cls.__required__ - values.keys()))
        raise TypeError(f"{cls.__name__} needs {missing}")
    self.__dict__.update(values)


def _refuse_change(self: Any, name: str, *_value: Any) -> None:
    raise AttributeError(f"{self.__class__.__name__}.{name} cannot be changed: use replace()")


def _equal(self: Any, other: object) -> bool:
    if other.__class__ is not self.__class__:
        return False
    return not any(
        getattr(self, name) != getattr(other, name)
        for name, declared in self.__attributes__.items()  # type: ignore[attr-defined]
        if declared.compared
    )


def _hash(self: Any) -> int:
    return hash(repr(self))


def _represent(self: Any) -> str:
    """`Port(target=80, published='80')`: what differs from the defaults, in declared order."""
    given = (
        f"{name}={getattr(self, name)!r}"
        for name, declared in self.__attributes__.items()
        if declared.compared and getattr(self, name) != declared.default
    )
    return f"{self.__class__.__name__}({', '.join(given)})"


def table_of(cls: type) -> Mapping[str, Attribute]:
    """The declared attributes of a class by name, in declared order."""
    return cls.__attributes__  # type: ignore[attr-defined, no-any-return]


def required_of(cls: type) -> frozenset[str]:
    """The attributes of a class that have no default."""
    return cls.__required__  # type: ignore[attr-defined, no-any-return]


def replace(value: T, **changes: Any) -> T:
    """A copy with some attributes changed."""
    return value.__class__(**{**value.__dict__, **changes})


def given(value: object) -> Mapping[str, Any]:
    """What was given to an instance, without the defaults."""
    return value.__dict__
