"""The small framework of declared attributes."""

from __future__ import annotations

import pytest

from compose.model.attribute import EMPTY, attribute, attributes, given, replace, table_of


@attributes
class Inner:
    """What is nested."""

    size: int = 0


@attributes
class Outer:
    """What nests it."""

    name: str = attribute()
    inner: Inner | None = attribute(default=None, of=Inner)
    many: tuple[Inner, ...] = attribute(default=(), of=Inner)
    hidden: int = attribute(default=0, compared=False)


def test_what_is_not_given_has_its_default_and_what_must_be_given_is_asked_for():
    assert Outer(name="a").many == ()
    with pytest.raises(TypeError, match="Outer needs name"):
        Outer()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Outer has no attribute other"):
        Outer(name="a", other=1)  # type: ignore[call-arg]


def test_values_are_equal_by_value_frozen_and_show_what_differs_from_the_defaults():
    value = Outer(name="a", inner=Inner(size=2), hidden=1)
    assert value == Outer(name="a", inner=Inner(size=2), hidden=2)
    assert repr(value) == "Outer(name='a', inner=Inner(size=2))"
    with pytest.raises(AttributeError, match="cannot be changed"):
        value.name = "b"  # type: ignore[misc]
    assert replace(value, name="b") == Outer(name="b", inner=Inner(size=2))
    assert dict(given(Inner())) == {}


def test_a_declaration_knows_its_name_its_annotation_and_what_stands_inside():
    table = table_of(Outer)
    assert list(table) == ["name", "inner", "many", "hidden"]
    assert (table["many"].many, table["inner"].many) == ("list", "one")
    inside = table["many"].inside(0)
    assert inside is not None
    assert inside.inside("size") is table_of(Inner)["size"]
    assert table["name"].inside("x") is None
    assert EMPTY == {}
