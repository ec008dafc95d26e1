"""`${NAME:-default}`: every operator, nesting, escapes, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compose.loading.variables import BadVariable, names_in, substitute

SET = {"A": "a", "E": "", "D": "$A", "_1": "u"}


def replaced(text: str) -> tuple[str, list[str]]:
    unset: list[str] = []
    return substitute(text, SET.get, unset.append), unset


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-${A}", "a-a"), ("$$A", "$A"), ("$$$A", "$a"), ("${_1}", "u"), ("$A.b", "a.b"), ("$Ab", ""),
        ("$", "$"), ("a$", "a$"), ("$1", "$1"), ("$(A)", "$(A)"), ("$É", "$É"), ("$D", "$A"),
        ("${A:-x}", "a"), ("${E:-x}", "x"), ("${E-x}", ""), ("${U-x}", "x"), ("${U:-x}", "x"),
        ("${A:+x}", "x"), ("${E:+x}", ""), ("${E+x}", "x"), ("${U+x}", ""), ("${U:+x}", ""),
        ("${A:?m}", "a"), ("${E?m}", ""),
        ("${U-a:-b}", "a:-b"), ("${U:-?a}", "?a"), ("${U:-}", ""), ("${U:-}}", "}"), ("${U:-{a}}", "{a}"),
        ("${U:-${A}}", "a"), ("${U:-${V:-${A}x}y}z", "axyz"), ("${U:-$$A}", "$A"), ("${U:-$A$A}", "aa"),
        ("${U:-'q'}", "'q'"), ("${A}${U:-b}${A}", "aba"), ("${U:-a b}", "a b"),
    ],
)  # fmt: skip
def test_a_text_with_variables(text: str, value: str):
    assert replaced(text)[0] == value


@pytest.mark.parametrize(
    "text",
    [
        "${}",
        "${1}",
        "${A",
        "${A }",
        "${ A}",
        "${A.b}",
        "${A:=x}",
        "${A:2}",
        "${A/x/y}",
        "${U:-a\nb}",
    ],
)
def test_braces_that_are_no_variable_are_refused(text: str):
    with pytest.raises(BadVariable) as caught:
        replaced(f"x{text}")
    assert (caught.value.kind, caught.value.offset) == ("format", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${U?}", "the variable `U` is required"),
        ("${E:?}", "the variable `E` is required"),
        ("${U:?set $A}", "the variable `U` is required: set a"),
        ("${A:-${U:?m}}", "the variable `U` is required: m"),
    ],
)
def test_a_required_variable_that_is_missing_is_refused_with_its_message(text: str, message: str):
    with pytest.raises(BadVariable) as caught:
        replaced(text)
    assert (caught.value.kind, caught.value.message) == ("required", message)


def test_what_is_unset_and_has_no_default_is_told_as_often_as_it_is_used():
    assert replaced("$U ${V} ${W:-x} $U") == ("  x ", ["U", "V", "U"])


@given(st.text(alphabet="$ {}:-+?AEU\n", max_size=40))
@example("${A:-}${")
def test_any_text_is_replaced_or_refused(text: str):
    begins = "$"
    try:
        replaced(text)
    except BadVariable as bad:
        begins = text[bad.offset]
    assert begins == "$"


@given(st.text(max_size=60))
def test_an_escaped_text_comes_back_as_it_was(text: str):
    assert replaced(text.replace("$", "$$"))[0] == text


def test_fifty_thousand_variables_of_one_line_are_each_read_once():
    assert replaced("${E:-x}" * 50_000)[0] == "x" * 50_000


def test_every_variable_that_a_text_mentions_is_listed_nested_ones_too():
    assert names_in("$A ${B} ${C:-${D:?m}} $$E ${") == [
        ("A", "", ""),
        ("B", "", ""),
        ("C", ":-", "${D:?m}"),
        ("D", ":?", "m"),
    ]
