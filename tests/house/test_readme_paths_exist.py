"""Every path that README or a page of docs/ names exists: links in prose rot without a test."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
PATH = re.compile(
    r"`((?:\./)?(?:compose|runtime|schemas|tests|samples|bench|docs|\.ci)/[\w./-]*|\./[\w.-]+)"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path):
    named = PATH.findall(page.read_text(encoding="utf-8"))
    assert named, "the page names no path: is the pattern wrong?"
    assert [path for path in named if not (TOP / path).exists()] == []
