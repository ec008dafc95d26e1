"""Answers golden cases in this one process, without starting an interpreter for each: a tenth of the time of `run`.

usage: in_process.py [ID]...   without ids, the ids stand on standard input; an answer a line, as JSON
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import sys
import tempfile
from argparse import Namespace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from compose.cli.app import run as run_command  # noqa: E402
from compose.loading import pipeline  # noqa: E402

pipeline.folder_of = lambda _environment: ""  # each file is judged


def load_runner() -> ModuleType:
    """The script `run` as a module: what a case means is said there alone."""
    loader = SourceFileLoader("corpus_run", str(HERE / "run"))
    spec = importlib.util.spec_from_loader("corpus_run", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    dont_write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = dont_write
    return module


RUNNER = load_runner()
OPTIONS = Namespace(no_lines=False, exit_codes=True, warnings=True)


def answer(case: dict[str, Any], top: Path, options: Namespace = OPTIONS) -> dict[str, Any]:
    """What the command says to a case, and the reasons why that is wrong."""
    project, home = top / "project", top / "home"
    project.mkdir()
    home.mkdir()
    RUNNER.lay_out(str(project), case["files"])
    os.environ.clear()
    os.environ.update({"PATH": PATH, **case.get("env", {}), "HOME": str(home)})
    os.chdir(project / case.get("cwd", "."))
    out, err = Stream(), Stream()
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BytesIO(case.get("stdin", "").encode()))
    sys.stdout, sys.stderr = out, err
    try:
        status = run_command(case["argv"])
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        os.chdir("/")

    def plain(text: str) -> str:
        for path, word in ((home, "<HOME>"), (project, "<DIR>"), (top, "<UP>")):
            text = text.replace(str(path), word)
        return text

    stdout, stderr = plain(out.text), plain(err.text)
    wrong = RUNNER.judge(case, status, stdout, stderr, options)
    return {
        "id": case["id"],
        "kind": case["expect"].get("kind", ""),
        "wrong": wrong,
        "status": status,
        "stderr": stderr,
    }


class Stream(io.TextIOWrapper):
    """Standard output or error, kept."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape", newline="")

    @property
    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode("utf-8", "replace")


PATH = os.environ.get("PATH", os.defpath)


def main() -> None:
    ids = set(sys.argv[1:] or sys.stdin.read().split("\n"))
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="corpus-")))
    out = sys.stdout
    try:
        for number, (_, case) in enumerate(RUNNER.read_cases(str(HERE), None, ids)):
            top = folder / str(number)
            top.mkdir()
            print(json.dumps(answer(case, top)), file=out, flush=True)
            shutil.rmtree(top)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
