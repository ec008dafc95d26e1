"""A command as text -> words, as Docker splits it: quotes, no shell."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.loading.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc\nd", ("a", "b", "c", "d")),
        ("", ()),
        ("a '' \"\"", ("a", "", "")),
        ("'a b' \"c d\" e'f'g", ("a b", "c d", "efg")),
        (r"a\ b \\ \"", ("a b", "\\", '"')),
        ("$(a b) `c d` $x", ("$(a b)", "`c d`", "$x")),
        ("echo 'it'\\''s'", ("echo", "it's")),
        ("# a", ("#", "a")),
    ],
)
def test_a_command_line(text: str, words: tuple[str, ...]):
    assert split_words(text).words == words


@pytest.mark.parametrize(
    ("text", "words", "operator"),
    [
        ("echo a && b", ("echo", "a"), "&"),
        ("echo a;b", ("echo", "a"), ";"),
        ("a|b", ("a",), "|"),
        ("a >f", ("a",), ">"),
        ("a 2>f", ("a",), ">"),
        ("a 'x;y' z", ("a", "x;y", "z"), ""),
    ],
)
def test_an_operator_of_a_shell_ends_the_command(text: str, words: tuple[str, ...], operator: str):
    found = split_words(text)
    assert (found.words, found.ended_at) == (words, operator)


@pytest.mark.parametrize("text", ["a (b", "'a", '"a', "a\\", "f()"])
def test_what_is_left_open_is_refused(text: str):
    with pytest.raises(ValueError, match=r"left open|needs quotes"):
        split_words(text)


@given(st.lists(st.text(min_size=0, max_size=8), max_size=4))
def test_words_that_were_quoted_come_back(words: list[str]):
    assert split_words(shlex.join(words)).words == tuple(words)


@given(st.text(alphabet="ab '\"\\`$();|&<>2\n", max_size=30))
def test_any_text_is_split_or_refused(text: str):
    try:
        found = split_words(text)
    except ValueError:
        return
    assert all(isinstance(word, str) for word in found.words)


def test_a_word_of_a_million_characters_is_one_word():
    assert split_words("a" * 1_000_000).words == ("a" * 1_000_000,)
