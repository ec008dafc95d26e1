"""The project environment: variables of the shell and of `.env` files, each with where it was
set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compose.errors import nearest
from compose.position import Position


class Environment(Mapping[str, str]):
    """Variables by name. The first writer wins: `fill` adds only what is absent."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, str] = dict(values or {})
        self._places: dict[str, Position] = {}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Environment({sorted(self._values)})"  # names alone: values may be secret

    def place_of(self, name: str) -> Position | None:
        """The line of the file that set the variable; None for the shell."""
        return self._places.get(name)

    def nearest_to(self, name: str) -> str:
        """`nearest defined: DB_PASS in .env:3:1`, for a variable that is not set; empty when no
        name is like it."""
        near = nearest(name, self._values, cutoff=0.7)
        if not near:
            return ""
        place = self._places.get(near)
        return f"nearest defined: `{near}`" + (f" in {place}" if place else "")

    def fill(self, variables: Mapping[str, Variable]) -> None:
        """Take variables of a file whose names are not set yet."""
        for name, variable in variables.items():
            if name not in self._values:
                self.put(name, variable.value, variable.where)

    def put(self, name: str, value: str, where: Position | None = None) -> None:
        """Set a variable."""
        self._values[name] = value
        if where is not None:
            self._places[name] = where

    def copy(self) -> Environment:
        """Another environment with the same variables and places."""
        other = Environment(self._values)
        other._places = dict(self._places)
        return other


class Variable:
    """A line of a dotenv file."""

    __slots__ = ("value", "where")

    def __init__(self, value: str, where: Position) -> None:
        self.value = value
        self.where = where

    def __repr__(self) -> str:
        return f"Variable({self.where!r})"
