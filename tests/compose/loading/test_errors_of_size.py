"""What is too large, too deep, or no text at all: whole texts, from files that are made here."""

from pathlib import Path

import pytest

from tests.fakes.files import run_config

WEB = "services: {web: {image: nginx}}\n"


@pytest.fixture
def said(tmp_path: Path):
    def say(text: str, *words: str, **files: str) -> str:
        more = {name.replace("_", "."): content for name, content in files.items()}
        return run_config(tmp_path, {"compose.yaml": text, **more}, *words).err

    return say


def test_no_file_in_this_folder_or_above(tmp_path):
    ran = run_config(tmp_path, {}, "config")
    assert ran.err == (
        "error E001: there is no compose.yaml in /home/me/shop or above it\n"
        "hint: give the file with -f, or go to the project's folder\n"
    )


def test_bytes_that_are_not_utf_8(tmp_path):
    (tmp_path / "compose.yaml").write_bytes(b"services:\n  web: {image: caf\xe9}\n")
    assert run_config(tmp_path, {}).err == (
        "compose.yaml:2:19: error E010: byte 0xe9 is not UTF-8\n"
        "  2 |   web: {image: caf\ufffd}\n"
        "    |                   ^\n"
        "hint: save the file as UTF-8\n"
    )


def test_a_file_of_17_mib(tmp_path):
    (tmp_path / "compose.yaml").write_bytes(b"#" * (17 * 1024 * 1024))
    assert run_config(tmp_path, {}).err == (
        "compose.yaml:1:1: error E016: the file has more than 16 MiB\n"
        "  1 |\n"
        "    | ^\n"
        "hint: a Compose file holds descriptions; mount large data as a file\n"
    )


def test_a_file_of_more_than_100_levels(said):
    text = f"{WEB}x-deep: {'[' * 101}{']' * 101}\n"
    first, *rest = said(text).splitlines()
    assert first == "compose.yaml:2:107: error E015: more than 100 levels"
    assert len(rest) == 2


def test_a_file_of_more_than_100_000_values(said):
    text = f"{WEB}x-list:\n" + "- 1\n" * 100_000
    assert said(text) == (
        "compose.yaml:99994:3: error E015: more than 100000 values\n"
        "99994 | - 1\n"
        "      |   ^\n"
    )  # fmt: skip


def test_a_project_without_a_name(said):
    assert said(WEB, "-f", "compose.yaml", "--project-directory", "/", "config") == (
        "error E004: the project has no name\nhint: give one with -p, or with `name:`\n"
    )


def test_variables_that_make_a_value_too_large(said):
    text = 'services: {web: {image: "${A}${A}${A}${A}${A}"}}\n'
    assert said(text, _env="A=" + "a" * 300_000 + "\n") == (
        "compose.yaml:1:25: error E023: the value grows beyond 1048576 characters\n"
        '  1 | services: {web: {image: "${A}${A}${A}${A}${A}"}}\n'
        "    |                         ^^^^^^^^^^^^^^^^^^^^^^\n"
        "   at services.web.image\n"
    )
