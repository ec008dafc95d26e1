"""Every code of an error or warning stands in schemas/codes.md, which `pycompose help CODE` prints, and no other does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from compose.output.catalogue import read_catalogue

TOP = Path(__file__).resolve().parents[2]
CODE = re.compile(r"[EW]\d{3}")


def codes_of(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and CODE.fullmatch(value):
                yield value


def test_every_code_that_the_source_gives_is_in_the_table_and_no_other():
    given = {*codes_of(TOP / "compose"), *codes_of(TOP / "runtime")}
    explained = set(read_catalogue())
    assert sorted(given - explained) == [], "write a section for each of these in schemas/codes.md"
    assert sorted(explained - given) == [], "nothing gives these codes any more"


def test_the_codes_stand_in_order_each_once_with_an_example():
    heads = re.findall(r"^## (\S+)", (TOP / "schemas" / "codes.md").read_text(), re.MULTILINE)
    assert heads == sorted(set(heads))
    assert [entry.code for entry in read_catalogue().values() if not entry.examples] == []


def test_the_printed_example_of_a_code_names_it():
    wrong = [
        entry.code
        for entry in read_catalogue().values()
        if not any(name == "text" and entry.code in text for name, text in entry.examples)
    ]
    assert wrong == []
