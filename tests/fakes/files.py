"""Runs `config` on files that a test writes down, in this process, as a user would in their folder."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from compose.cli import app

HOME = "/home/me/shop"
"""What outputs show in place of the test's folder."""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def run_config(
    folder: Path,
    files: Mapping[str, str],
    *words: str,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
) -> Ran:
    """`pycompose WORDS` in a folder with these files and nothing else in the environment."""
    write_files(folder, files)
    before = dict(os.environ), os.getcwd(), sys.stdin, sys.stdout, sys.stderr
    out, err = io.StringIO(), io.StringIO()
    try:
        os.environ.clear()
        os.environ.update({"PATH": before[0]["PATH"], "HOME": "/root", **(environment or {})})
        os.chdir(folder)
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        sys.stdout, sys.stderr = out, err
        code = app.run(list(words) or ["config", "-q"])
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        os.chdir(before[1])
        sys.stdin, sys.stdout, sys.stderr = before[2:]
    place = str(folder)
    return Ran(code, out.getvalue().replace(place, HOME), err.getvalue().replace(place, HOME))
