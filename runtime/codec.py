"""Frozen values <-> JSON values: the one codec of messages, rows and state files.

Fields at their default are left out and missing ones take it, so an older or newer process reads
what it knows (n-1 is understood, DESIGN.md 4). Unknown keys are ignored for the same reason. Bytes
become base64 text.
"""

from __future__ import annotations

import base64
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from runtime import frozen

T = TypeVar("T")
_LEAVES = frozenset((str, int, float, bool, type(None)))


def encode(value: Any) -> Any:
    """A value that json.dumps takes. Raises TypeError for what has no form in JSON."""
    # a container's document has hundreds of leaves: most of them cost no call
    kind: Any = type(value)
    if kind in _LEAVES:
        return value
    if kind is dict:
        return {key: v if type(v) in _LEAVES else encode(v) for key, v in value.items()}
    if kind is tuple or kind is list:
        return [item if type(item) in _LEAVES else encode(item) for item in value]
    if kind is bytes:
        return base64.b64encode(value).decode("ascii")
    if frozen.field_names(kind) is not None:
        return _encode_fields(value, kind)
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    raise TypeError(f"no JSON form for {kind.__name__}")


def _encode_fields(value: Any, kind: Any) -> dict[str, Any]:
    encoded = {}
    for name, default in _defaults(kind):
        item = getattr(value, name)
        if item is not default and item != default:
            encoded[name] = item if type(item) in _LEAVES else encode(item)
    return encoded


def decode(kind: type[T], data: Any) -> T:
    """The value of `kind` that `encode` made `data` from. Raises ValueError when the shape does not
    fit."""
    try:
        return typing.cast(T, _decoder(typing.cast(Any, kind))(data))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a {getattr(kind, '__name__', kind)}: {error!r}") from error


def dumps(value: Any) -> str:
    return json.dumps(encode(value), separators=(",", ":"), ensure_ascii=False)


def loads(kind: type[T], text: str | bytes) -> T:
    return decode(kind, json.loads(text))


@functools.cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    names = frozen.field_names(kind) or ()
    return tuple((name, frozen.default_of(kind, name)) for name in names)


@functools.cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    if hasattr(kind, "__supertype__"):
        return _decoder(kind.__supertype__)
    if frozen.field_names(kind) is not None:
        return _value_decoder(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        decode_inner = _decoder(inner)
        return lambda data: None if data is None else decode_inner(data)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin in (dict, Mapping):
        decode_value = _decoder(arguments[1])
        return lambda data: {key: decode_value(value) for key, value in data.items()}
    if kind is bytes:
        return base64.b64decode
    if kind in (str, int, bool):
        return _checked(kind)
    return float if kind is float else lambda data: data


def _checked(kind: type) -> Callable[[Any], Any]:
    def check(data: Any) -> Any:
        if type(data) is not kind:
            raise TypeError(f"{data!r} is no {kind.__name__}")
        return data

    return check


def _tuple_decoder(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        decode_item = _decoder(arguments[0])
        return lambda data: tuple(decode_item(item) for item in data)
    decoders = [_decoder(argument) for argument in arguments]
    return lambda data: tuple(one(item) for one, item in zip(decoders, data, strict=True))


def _value_decoder(kind: Any) -> Callable[[Any], Any]:
    decoders: dict[str, Callable[[Any], Any]] = {}

    def decode_fields(data: Any) -> Any:
        if not decoders:  # resolved at first use: a class may refer to one that is defined below it
            hints = typing.get_type_hints(kind)
            names = frozen.field_names(kind) or ()
            decoders.update((name, _decoder(hints[name])) for name in names)
        return kind(**{key: decoders[key](value) for key, value in data.items() if key in decoders})

    return decode_fields
