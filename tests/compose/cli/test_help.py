"""`help`: of everything, of a command, of a code."""

import json
from pathlib import Path

from tests.fakes.files import run_config


def said(tmp_path, *words):
    return run_config(tmp_path, {}, "help", *words)


def test_a_code_is_explained_with_an_example_and_what_it_prints(tmp_path):
    expected = """\
E013: an alias without its anchor

`*name` repeats what `&name` marked above it in the same file.

compose.yaml:
    services:
      web: {image: nginx, environment: *common}

    compose.yaml:2:36: error E013: there is no anchor `common`
      2 |   web: {image: nginx, environment: *common}
        |                                    ^^^^^^^
    hint: no anchor stands above it; text that begins with * needs quotes
"""
    for spelling in ("E013", "e13", "E0013"):
        assert said(tmp_path, spelling) == (0, expected, "")


def test_a_code_that_does_not_exist_is_refused(tmp_path):
    assert said(tmp_path, "E998") == (1, "", "there is no code E998: they go from E001 to E799\n")


def test_a_command_is_explained_as_with_its_own_flag(tmp_path):
    for words in (["config"], ["network", "create"], ["network"]):
        shown = said(tmp_path, *words)
        assert shown == run_config(tmp_path, {}, *words, "--help")
        assert shown.code == 0


def test_without_a_topic_all_commands_are_listed(tmp_path):
    assert said(tmp_path).out == run_config(tmp_path, {}, "--help").out


def test_an_unknown_topic_names_the_nearest_command(tmp_path):
    ran = said(tmp_path, "confg")
    assert (ran.code, "did you mean `config`?" in ran.err) == (1, True)


def test_all_codes_are_listed_with_what_they_mean(tmp_path):
    lines = said(tmp_path, "codes").out.splitlines()
    assert lines[0] == "E001  no Compose file was found"
    assert lines[-1] == "W250  something that has no effect here"


def test_the_schema_is_named_in_the_line_that_editors_read(tmp_path):
    *_, line = said(tmp_path, "schema").out.splitlines()
    name, _, path = line.partition("=")
    assert name == "# yaml-language-server: $schema"
    assert json.loads(Path(path).read_text())["title"]
