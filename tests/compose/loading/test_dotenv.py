"""The grammar of `.env` and env_file, and of `format: raw`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.errors import InvalidFile
from compose.loading.dotenv import parse_dotenv, parse_raw
from compose.position import File
from tests.compose.loading.trees import refusal

OUTER = {"OUT": "o", "BOTH": "outer"}


def read(text: str, earlier: dict[str, str] | None = None) -> dict[str, str]:
    found = parse_dotenv(File(".env", text), OUTER.get, lambda _name, _where: None, earlier)
    return {name: variable.value for name, variable in found.items()}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1\nB = 2 \nC: 3\nexport D=4\n  E=5", {"A": "1", "B": "2", "C": "3", "D": "4", "E": "5"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("# c\n\n  # d\nA=1 # e\nB=1#f\nC= # g\nD=''", {"A": "1", "B": "1#f", "C": "# g", "D": ""}),
        ("A=\nB=''\nC=\"\"", {"A": "", "B": "", "C": ""}),
        ("a.b-c[0]=1\n1A=2\nÄ=3\n=x", {"a.b-c[0]": "1", "1A": "2", "Ä": "3", "": "x"}),
        ("A=\"1\" # c\nB=\"x\" C=2", {"A": "1", "B": "x", "C": "2"}),
        ('A="a\nb"\nB=\'c\nd\'', {"A": "a\nb", "B": "c\nd"}),
        (r'A="\n\t\"\\\$X\x\0101\c"', {"A": '\n\t"\\$X\\xA\\c'}),
        (r"A='\n\'$OUT'", {"A": "\\n'$OUT"}),
        (r"A=a\nb", {"A": r"a\nb"}),
        ("A=$OUT\nB=${A}x\nC=$NONE", {"A": "o", "B": "ox", "C": ""}),
        ("BOTH=inner\nA=$BOTH", {"BOTH": "inner", "A": "outer"}),
        ("OUT\nNONE\nA=1\nOUT", {"OUT": "o", "A": "1"}),
        ("A=1\nA=2", {"A": "2"}),
        ("A=${NONE:-x y}", {"A": "x y"}),
    ],
)  # fmt: skip
def test_a_dotenv_file(text: str, values: dict[str, str]):
    assert read(text) == values


def test_a_variable_is_looked_up_outside_then_above_then_in_earlier_files():
    earlier = {"BOTH": "earlier", "B": "earlier", "C": "earlier"}
    assert read("B=own\nX=$BOTH-$B-$C", earlier)["X"] == "outer-own-earlier"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1\nB@C=2", ".env:2:2 E070 the character `@` cannot stand in a variable's name"),
        ("A B=1", ".env:1:1 E070 the name `A B` holds a blank"),
        ("A=1\nB='x\n\n", ".env:2:3 E071 the quoted value is never closed"),
        ("A=1\nB=${C", ".env:2:3 E020 `${C` is no variable"),
        ("A=${B:?give B}", ".env:1:3 E022 the variable `B` is required: give B"),
    ],
)
def test_what_is_wrong_in_a_dotenv_file_is_told_with_its_place(text: str, said: str):
    assert refusal(lambda: read(text)) == said


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A='x' # y\nB=$OUT\n", {"A": "'x' # y", "B": "$OUT"}),
        ("  # c\n\nOUT\nNONE\n A= b=c ", {"OUT": "o", "A": " b=c "}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ],
)
def test_a_raw_file_has_no_quotes_and_no_variables(text: str, values: dict[str, str]):
    found = parse_raw(File("web.env", text), OUTER.get)
    assert {name: variable.value for name, variable in found.items()} == values


def test_a_blank_in_the_name_of_a_raw_file_is_refused():
    assert refusal(lambda: parse_raw(File("web.env", "A=1\nB C=2"), OUTER.get)) == (
        "web.env:2:1 E070 the name `B C` holds a blank"
    )


@given(st.text(alphabet="AB=:# \n\t'\"\\$0{}-exportn", max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str):
    faults = ()
    values: dict[str, str] = {}
    try:
        values = read(text)
    except InvalidFile as invalid:
        faults = invalid.faults
    assert all(fault.where is not None for fault in faults)
    assert all("\n" not in name for name in values)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True), st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="'\\\r"), max_size=10), max_size=4))  # fmt: skip
def test_what_is_written_in_single_quotes_is_read_as_it_was(values: dict[str, str]):
    text = "\n".join(f"{name}='{value}'" for name, value in values.items())
    assert read(text) == values
