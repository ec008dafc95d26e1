"""The programs of bench/ start, and name their rows to who asks for another. What they measure is asserted nowhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import TOP

SAID = {
    "run": "no row up-11; the rows are up-10, up-100, cold, verbs,",
    "loading": "no row up-11; the rows are ",
    "images_store": "unrecognized arguments: up-11",
    "images_registry": "unrecognized arguments: up-11",
}


def bench(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOP / "bench" / name), *words], capture_output=True, text=True
    )


@pytest.mark.parametrize("name", SAID)
def test_a_row_that_is_not_there_is_a_usage_error_that_names_the_others(name: str):
    said = bench(name, "up-11")
    assert (said.returncode, said.stdout) == (2, "")
    assert f"{name}: error: {SAID[name]}" in said.stderr


@pytest.mark.parametrize("name", SAID)
def test_help_says_what_is_measured(name: str):
    said = bench(name, "--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert "--rounds" in said.stdout or "-n " in said.stdout


def test_the_rows_are_listed_one_a_line():
    assert {"up-10", "health-chain", "dirty-neighbour", "slow-fsync", "memory"} <= set(
        bench("run", "--list").stdout.split()
    )
