"""Whole stacks on the real kernel, through the command line alone: a file, `up`, what is seen inside, `down`.

Many one-shot services share one stack, so that a test of one attribute costs a container and not a project.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.census import census
from tests.conftest import Pycompose, wait_for_end


@contextmanager
def stage(environment: Mapping[str, str] | None = None) -> Iterator[Pycompose]:
    """`pycompose` in a folder named `project` with a root of its own; afterwards nothing of it is left."""
    top = Path(tempfile.mkdtemp(prefix="pct-", dir="/var/tmp"))
    (top / "project").mkdir()
    command = Pycompose(top / "project", top / "root")
    command.always = {**(environment or {}), "PWD": str(command.folder)}
    before = census(command.paths)
    try:
        yield command
        command("down", "-v", "-t", "0", "--remove-orphans")
        wait_for_end(command.paths)
        after = census(command.paths)
        assert after == before, f"left behind: {after}\nthere before: {before}"
    finally:
        command("down", "-v", "-t", "0", "--remove-orphans", check=False)
        shutil.rmtree(top, ignore_errors=True)


def document(services: Mapping[str, Mapping[str, Any]], **top: Any) -> str:
    return yaml.safe_dump({"services": dict(services), **top}, sort_keys=False)


def shell(script: str, **attributes: Any) -> dict[str, Any]:
    """A service that runs a script and prints both streams as one."""
    return {"command": ["sh", "-c", f"exec 2>&1; {script}".replace("$", "$$")], **attributes}


def said(pycompose: Pycompose, *words: str) -> dict[str, str]:
    """Container -> what it wrote so far, with single spaces between the words."""
    lines: dict[str, list[str]] = {}
    for line in pycompose("logs", "--no-color", *words).stdout.splitlines():
        name, _, text = line.partition("|")
        lines.setdefault(name.strip(), []).append(text.strip())
    return {name: " ".join(" ".join(texts).split()) for name, texts in lines.items()}


def run_all(
    pycompose: Pycompose,
    services: Mapping[str, Mapping[str, Any]],
    *,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    **top: Any,
) -> dict[str, str]:
    """`up`, until every service but the `others` has ended; service -> what it wrote."""
    pycompose.compose_file(document({**services, **(others or {})}, **top))
    pycompose("up", "-d")
    # an error when all have ended already
    pycompose("wait", *services, check=False)
    return {name.rpartition("-")[0]: text for name, text in said(pycompose).items()}
