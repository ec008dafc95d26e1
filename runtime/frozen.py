"""Frozen value classes, at a tenth of the price of importing them.

The standard dataclass compiles six functions for each class, about 1 ms: the values, messages and
options of this project cost 85 ms that way, of the 100 that a whole `ps` may take. Here the classes
share what they can, and a class's `__init__` is compiled when its first instance is made. The
functions of `dataclasses` (fields, replace, asdict) work; that module, 20 ms, is loaded with the
first call of one of them.

`@frozen` and `@dataclass(frozen=True, slots=True, kw_only=True)` mean the same here: frozen,
slotted, keyword-only and compared by value. Without `frozen` the fields can be set, and there is no
hash. To type checkers they are dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast, dataclass_transform

__all__ = ["MISSING", "dataclass", "default_of", "field", "field_names", "frozen", "replace"]

T = TypeVar("T")


class _Missing:
    """No default: the field is required."""


MISSING: Any = _Missing


class _Default:
    """How a field gets its value when none is given."""

    __slots__ = ("factory", "value")

    def __init__(self, value: Any = _Missing, factory: Any = _Missing) -> None:
        self.value = value
        self.factory = factory


if TYPE_CHECKING:
    from dataclasses import dataclass, field
else:

    def field(*, default: Any = _Missing, default_factory: Any = _Missing) -> Any:
        """A default that is made anew for each instance."""
        return _Default(default, default_factory)

    def dataclass(*, slots: bool, kw_only: bool, frozen: bool = False) -> Callable[[type], type]:
        """The standard spelling; its words stay at each class, since readers know them."""
        if not (slots and kw_only):
            raise TypeError("only for slotted, keyword-only classes")
        return _build if frozen else _build_mutable


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(original: type[T]) -> type[T]:
    """The short spelling."""
    return cast("type[T]", _build(original))


def replace(value: T, **changes: Any) -> T:
    """The value with other fields; `dataclasses.replace` without that module."""
    kind: Any = type(value)
    return cast(
        "T", kind(**{name: getattr(value, name) for name in kind.__frozen_fields__} | changes)
    )


def field_names(kind: Any) -> tuple[str, ...] | None:
    """The fields of a value class, in order; None for any other class."""
    fields = getattr(kind, "__frozen_fields__", None)
    return None if fields is None else tuple(fields)


def default_of(kind: Any, name: str) -> Any:
    """What a field is when nothing is given, or MISSING when something must be."""
    default: _Default = kind.__frozen_fields__[name]
    return default.value if default.factory is _Missing else default.factory()


def _build_mutable(original: type) -> type:
    return _build(original, shared=_SHARED_BY_MUTABLE)


def _build(original: type, shared: dict[str, Any] | None = None) -> type:
    """The class once more, with slots: they cannot be added to one that exists."""
    own = {name: _default_of(original, name) for name in _annotations(original)}
    inherited: dict[str, _Default] = {}
    for base in reversed(original.__mro__[1:]):
        inherited.update(base.__dict__.get("__frozen_fields__", {}))
    body = {
        name: value
        for name, value in original.__dict__.items()
        if name not in own and name not in ("__dict__", "__weakref__")
    }
    for name, value in (shared or _SHARED).items():
        body.setdefault(name, value)
    body["__slots__"] = tuple(name for name in own if name not in inherited)
    body["__frozen_fields__"] = inherited | own
    body["__init__"] = _first_init
    built = type(original)(original.__name__, original.__bases__, body)
    built.__qualname__ = original.__qualname__
    return built


def _default_of(owner: type, name: str) -> _Default:
    given = owner.__dict__.get(name, _Missing)
    return given if isinstance(given, _Default) else _Default(given)


def _first_init(self: Any, **values: Any) -> None:
    """Stands in until the first instance: compiles the real one, puts it in place, runs it."""
    kind = type(self)
    kind.__init__ = _compile_init(kind)
    kind.__init__(self, **values)


def _compile_init(kind: Any) -> Callable[..., None]:
    scope: dict[str, Any] = {"_set": object.__setattr__, "_Missing": _Missing}
    parameters, lines = [], []
    for name, default in kind.__frozen_fields__.items():
        value = name
        if default.factory is not _Missing:
            scope[f"_make_{name}"] = default.factory
            parameters.append(f"{name}=_Missing")
            value = f"_make_{name}() if {name} is _Missing else {name}"
        elif default.value is not _Missing:
            scope[f"_default_{name}"] = default.value
            parameters.append(f"{name}=_default_{name}")
        else:
            parameters.append(name)
        lines.append(f"    _set(self, {name!r}, {value})")
    if hasattr(kind, "__post_init__"):
        lines.append("    self.__post_init__()")
    star = "*, " if parameters else ""
    head = f"def __init__(self, {star}{', '.join(parameters)}):"
    exec("\n".join([head, *(lines or ["    pass"])]), scope)
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    return made


class _StandardFields:
    """`__dataclass_fields__`, made when the functions of `dataclasses` look for it."""

    def __get__(self, instance: object, owner: Any) -> dict[str, Any]:
        import dataclasses

        made: dict[str, Any] = {}
        for name, default in owner.__frozen_fields__.items():
            one: Any = dataclasses.field(
                default=dataclasses.MISSING if default.value is _Missing else default.value,
                default_factory=dataclasses.MISSING
                if default.factory is _Missing
                else default.factory,
                kw_only=True,
            )
            one.name, one.type = name, _annotation(owner, name)
            one._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
            made[name] = one
        owner.__dataclass_fields__ = made
        return made


def _annotations(owner: type) -> dict[str, Any]:
    """The class's own, without those of its bases."""
    own: dict[str, Any] = vars(owner).get("__annotations__", {})
    return own


def _annotation(owner: type, name: str) -> Any:
    return next(_annotations(base)[name] for base in owner.__mro__ if name in _annotations(base))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self).__frozen_fields__)
    return f"{type(self).__qualname__}({shown})"


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in type(self).__frozen_fields__])


def _equals(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return self is other or _values(self) == _values(other)


def _hash(self: Any) -> int:
    return hash(_values(self))


def _refuse_set(self: Any, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return list(_values(self))


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(type(self).__frozen_fields__, state, strict=True):
        object.__setattr__(self, name, value)


_SHARED: dict[str, Any] = {
    "__repr__": _repr,
    "__eq__": _equals,
    "__hash__": _hash,
    "__setattr__": _refuse_set,
    "__delattr__": _refuse_delete,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
    "__match_args__": (),
    "__dataclass_fields__": _StandardFields(),
}
_SHARED_BY_MUTABLE: dict[str, Any] = {
    **{
        name: value for name, value in _SHARED.items() if name not in ("__setattr__", "__delattr__")
    },
    "__hash__": None,
}
