"""What holds for any text: the parser, the variables and the dotenv grammar answer or refuse with a code and a place.

A short run of generated texts; tests/fuzz changes whole files.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compose.errors import InvalidFile
from compose.loading.dotenv import parse_dotenv, parse_raw
from compose.loading.parse import parse
from compose.loading.report import Report
from compose.loading.scalars import resolve_plain
from compose.loading.variables import BadVariable, names_in, substitute
from compose.output.yaml_text import to_yaml
from compose.position import File

SIGNS = [
    "$",
    "{",
    "}",
    ":",
    "-",
    "+",
    "?",
    "=",
    "#",
    "'",
    '"',
    "\\",
    "\n",
    " ",
    "\t",
    "&a",
    "*a",
    "!reset",
    "<<: ",
    "[",
    "]",
]
TEXT = st.one_of(
    st.text(),
    st.lists(st.one_of(st.sampled_from([*SIGNS, "A", "${A", "1", "é"]), st.text(max_size=3))).map(
        "".join
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(), TEXT)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def lookup(name: str) -> str | None:
    return {"A": "1", "EMPTY": "", "D": "$A"}.get(name)


def check(error: InvalidFile, file: File) -> None:
    """Every fault has a code and a place that exists."""
    for fault in error.faults:
        assert fault.code.startswith("E0")
        assert fault.where is not None
        assert 1 <= fault.where.line <= len(file.lines) + 1
        assert fault.where.column >= 1
        assert str(fault)


@given(TEXT)
@example("services: {a: &a {<<: *a}}")
@example("? [a]\n: b")
@example("!!int x")
def test_any_text_is_yaml_or_refused_with_its_place(text: str):
    file = File("compose.yaml", text)
    file.is_yaml = True
    try:
        documents = parse(file, Report())
    except InvalidFile as error:
        check(error, file)
        return
    for document in documents:
        assert document.root is None or str(document.root)


@given(VALUES.filter(lambda value: isinstance(value, dict) and value))
def test_what_is_printed_reads_the_same(value):
    text = to_yaml(value)
    (document,) = parse(File("compose.yaml", text), Report())
    assert document.root is not None
    assert document.root.plain == value


@given(TEXT)
def test_any_plain_scalar_has_one_of_the_types(text: str):
    assert isinstance(resolve_plain(text), str | int | float | bool | None)


@given(TEXT)
@example("${A:-" * 40 + "}" * 40)
def test_variables_are_put_in_or_refused_with_an_offset(text: str):
    unset: list[str] = []
    refused: BadVariable | None = None
    try:
        assert isinstance(substitute(text, lookup, unset.append), str)
    except BadVariable as bad:
        refused = bad
    if refused is not None:
        assert refused.kind in ("format", "required", "size")
        assert 0 <= refused.offset <= len(text)
        return
    mentioned = {name for name, _, _ in names_in(text)}
    assert set(unset) <= mentioned


@given(st.text())
def test_a_doubled_dollar_keeps_any_text(text: str):
    assert substitute(text.replace("$", "$$"), lookup, pytest.fail) == text


@given(TEXT)
@example('A="\\$${A}"')
@example("export A")
@pytest.mark.parametrize("read", ["dotenv", "raw"])
def test_any_env_file_is_read_or_refused_with_its_place(read: str, text: str):
    file = File(".env", text)
    try:
        if read == "raw":
            found = parse_raw(file, lookup)
        else:
            found = parse_dotenv(file, lookup, lambda name, where: None)
    except InvalidFile as error:
        check(error, file)
        return
    assert all(1 <= variable.where.line <= len(file.lines) for variable in found.values())


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name != "export"
)


@settings(max_examples=50)
@given(
    st.dictionaries(
        NAMES,
        st.text(st.characters(exclude_characters="'\r\\", exclude_categories=["Cs"])),
        max_size=5,
    )
)
def test_what_stands_in_single_quotes_is_kept(variables: dict[str, str]):
    text = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    found = parse_dotenv(File(".env", text), lookup, lambda name, where: None)
    assert {name: variable.value for name, variable in found.items()} == variables
