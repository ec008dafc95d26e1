"""The examples of schemas/codes.md: each gives exactly the text that stands below it."""

import pytest

from compose.output.catalogue import Entry, read_catalogue
from tests.fakes.files import run_config

CATALOGUE = read_catalogue()
RUNNABLE = [
    entry for entry in CATALOGUE.values() if any(name != "text" for name, _ in entry.examples)
]


@pytest.mark.parametrize("entry", RUNNABLE, ids=lambda entry: entry.code)
def test_an_example_prints_what_the_table_says(entry: Entry, tmp_path):
    files = {name: text + "\n" for name, text in entry.examples if name != "text"}
    (printed,) = [text for name, text in entry.examples if name == "text"]
    ran = run_config(tmp_path, files)
    assert ran.err == printed + "\n"
    assert ran.code == (0 if entry.code.startswith("W") else 1)


def test_every_code_of_loading_has_an_example_that_can_be_run():
    loading = {code for code in CATALOGUE if code.startswith(("E0", "E100", "W00"))}
    assert sorted(loading - {entry.code for entry in RUNNABLE}) == [
        "E001",  # no file at all
        "E007",  # a server
        "E008",  # a slow server
        "E009",  # a variable of the shell
        "E016",  # 16 MiB
        "E023",  # 31 defaults in each other
        "W007",  # a link
    ]
