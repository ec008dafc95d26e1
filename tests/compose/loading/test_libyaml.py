"""The pattern that takes the place of PyYAML's means the same, and PyYAML still has the one that it stands for."""

from __future__ import annotations

import inspect
import re

import yaml

from compose.loading import libyaml


def test_each_character_is_forbidden_by_both_patterns_or_by_none():
    theirs, ours = re.compile(libyaml.ALLOWED), re.compile(libyaml.FORBIDDEN)
    characters = map(chr, range(0x110000))
    assert [c for c in characters if bool(theirs.match(c)) != bool(ours.match(c))] == []


def test_the_pattern_is_the_one_in_pyyaml_s_source():
    source = inspect.getsource(yaml.reader)
    (written,) = re.findall(r"NON_PRINTABLE = re\.compile\((.*)\)", source)
    assert eval(written) == libyaml.ALLOWED


def test_re_is_as_it_was_and_the_pure_python_reader_works():
    assert re.compile.__module__ == "re"
    assert yaml.safe_load("a: 1") == {"a": 1}
