#!/usr/bin/env python3
"""Feeds changed golden cases to the loader: whatever a file holds, there is a model or an error with code and place.

    tests/fuzz/fuzz_loading.py --seconds 600        a new seed each time, which is printed
    tests/fuzz/fuzz_loading.py --seed 7 --runs 1    one run again

Wrong is: another exception than ComposeError, a fault without code or place, a run of more than five seconds, more
than 1 GB of memory, and a model whose printed form does not load to the same model.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from compose.errors import ComposeError  # noqa: E402
from compose.loading import pipeline  # noqa: E402
from compose.loading.dotenv import parse_dotenv, parse_raw  # noqa: E402
from compose.loading.parse import parse  # noqa: E402
from compose.loading.report import Report  # noqa: E402
from compose.loading.request import LoadRequest  # noqa: E402
from compose.loading.shown import load_shown  # noqa: E402
from compose.loading.variables import BadVariable, names_in, substitute  # noqa: E402
from compose.output.documents import project_json, project_yaml, without_env_files  # noqa: E402
from compose.position import File  # noqa: E402

SLOWEST = 5
"""Seconds of CPU; a normal run takes ten milliseconds."""
ENVIRONMENT = {
    "HOME": "/home/nobody", "TAG": "1.2", "EMPTY": "", "DOLLAR": "$A", "PWD": "/",
    # nobody is asked for what a changed name says
    "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false", "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
}  # fmt: skip
PIECES = [
    "&a ", "*a", "<<: *a", "<<: [*a, *a]", "!reset ", "!override ", "!!binary ", "!!int ", "!!str ", "? ",
    "---\n", "...\n", "%YAML 1.1\n", "\t", "\r\n", "\ufeff", "\0", "\x1b[31m", "\u2028", "\U0001f600", "\udc80",
    "${", "}", "${A:-", "${A:?", "${A:+${B}}", "$$", "$", "${TAG}", "${DOLLAR}", "{{", "[[", "]", "{", "|\n", ">-\n",
    "1e999", ".inf", "-.nan", "0x", "0o17", "08", "1_000", "99999999999999999999", "-1", "null", "~", "yes", "''", '"',
    "2024-01-01", "12:30", "-", "- ", ": ", ":", ",", "#", " #", "x-", "services:", "image: a", "extends: web",
    "extends: {file: compose.yaml, service: web}", "include: [compose.yaml]", "depends_on: [web]", "env_file: .",
    "env_file: /dev/zero", "label_file: [.env]", "network_mode: service:web", "ports: ['80-90:80']", "volumes: ['a:b:c']",
    "include: ['git://h/a']", "include: ['oci://h/a:1']", "include: ['git@-h:a#..']", "{file: 'https://h/a.git#-x'}",
    "profiles: [a]", "deploy: {replicas: 3}", "../", "~/", "C:\\", "//", "external: true", "name: a", "=", "export ",
]  # fmt: skip


def texts() -> list[dict[str, str]]:
    """The files of every golden case that has one."""
    cases: list[dict[str, str]] = []
    for path in sorted((HERE.parent / "corpus").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            files = json.loads(line)["files"]
            kept = {n: t for n, t in files.items() if isinstance(t, str) and not n.endswith("/")}
            if "compose.yaml" in kept and not any(name.startswith("..") for name in kept):
                cases.append(kept)
    return cases


class Mutator:
    """Changes texts: by pieces that mean something, by spans of other texts, by single characters."""

    def __init__(self, choose: random.Random, cases: list[dict[str, str]]) -> None:
        self.choose = choose
        self.cases = cases

    def files(self) -> dict[str, str]:
        """A case with one to eight changes of its texts, or with another tree."""
        files = dict(self.choose.choice(self.cases))
        if self.choose.random() < 0.5:
            files["compose.yaml"] = self.other_tree(files["compose.yaml"])
            return files
        for _ in range(self.choose.choice((1, 1, 1, 2, 2, 3, 5, 8))):
            name = self.choose.choice(list(files))
            files[name] = self.changed(files[name])
        return files

    def changed(self, text: str) -> str:
        change = self.choose.choice(
            (self.piece, self.piece, self.drop, self.repeat, self.splice, self.word, self.line)
        )
        return change(text)

    def place(self, text: str) -> int:
        """Anywhere, or at a border between words."""
        borders = [found.start() for found in re.finditer(r"\b|\n|(?<=: )", text)]
        return self.choose.choice(borders) if borders and self.choose.random() < 0.8 else (
            self.choose.randint(0, len(text))
        )  # fmt: skip

    def piece(self, text: str) -> str:
        at = self.place(text)
        return text[:at] + self.choose.choice(PIECES) + text[at:]

    def drop(self, text: str) -> str:
        at = self.place(text)
        return text[:at] + text[at + self.choose.choice((1, 1, 2, 5, 20)) :]

    def repeat(self, text: str) -> str:
        at = self.place(text)
        span = text[at : at + self.choose.choice((1, 4, 20, 80))]
        return text[:at] + span * self.choose.choice((2, 2, 3, 50, 2000)) + text[at + len(span) :]

    def splice(self, text: str) -> str:
        other = self.choose.choice(list(self.choose.choice(self.cases).values()))
        at, start = self.place(text), self.place(other)
        return text[:at] + other[start : start + self.choose.choice((10, 60, 300))] + text[at:]

    def word(self, text: str) -> str:
        words = list(re.finditer(r"[\w./-]+", text))
        if not words:
            return self.piece(text)
        found = self.choose.choice(words)
        return text[: found.start()] + self.choose.choice(PIECES) + text[found.end() :]

    def line(self, text: str) -> str:
        lines = text.split("\n")
        at = self.choose.randrange(len(lines))
        indent = self.choose.choice((" ", "  ", "    ", "\t", ""))
        lines[at] = indent + (lines[at] if self.choose.random() < 0.7 else lines[at].lstrip())
        return "\n".join(lines)

    def other_tree(self, text: str) -> str:
        """The file as JSON, which is YAML, with some values taken from elsewhere."""
        try:
            root = json.loads(json.dumps(self.plain(text)))
        except (ComposeError, ValueError):
            return self.changed(text)
        for _ in range(self.choose.choice((1, 1, 2, 3))):
            other = self.choose.choice(self.cases)["compose.yaml"]
            try:
                values = list(nodes(self.plain(other)))
            except ComposeError:
                continue
            holder, key = self.choose.choice(list(holders(root)) or [({}, "x")])
            if self.choose.random() < 0.3 and isinstance(holder, dict):
                key = self.choose.choice(PIECES)
            kind = self.choose.random()
            if kind < 0.2:
                holder[key] = self.choose.choice(PIECES)
            elif kind < 0.3:
                holder[key] = self.choose.choice(
                    (None, True, 0, -1, 1.5, 1e300, "", [], {}, "${A}")
                )
            else:
                holder[key] = json.loads(json.dumps(self.choose.choice(values)))
        return json.dumps(root)

    def plain(self, text: str) -> object:
        documents = parse(File("compose.yaml", text), Report())
        return documents[0].root.plain if documents and documents[0].root else {}


def nodes(value: object) -> Iterator[object]:
    yield value
    for child in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from nodes(child)


def holders(value: object) -> Iterator[tuple[Any, Any]]:
    """Every place that holds a value."""
    if isinstance(value, dict | list):
        for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from holders(child)


class TooSlow(Exception):
    """The alarm rang."""


def ring(*_: object) -> None:
    raise TooSlow(f"more than {SLOWEST} seconds")


class Fuzzer:
    """Runs with seeds; `codes` counts what came out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases = texts()
        self.codes: Counter[str] = Counter()

    def run(self, seed: int) -> str:
        """What is wrong; empty when nothing is."""
        choose = random.Random(seed)
        mutator = Mutator(choose, self.cases)
        files = mutator.files()
        signal.setitimer(signal.ITIMER_VIRTUAL, SLOWEST)
        try:
            self.small_grammars(mutator.changed(choose.choice(list(files.values()))))
            return self.load(files)
        except Exception:
            return traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def small_grammars(self, text: str) -> None:
        """Dotenv, raw dotenv and variables, each on the same text."""
        file = File("/x/.env", text)
        for read in (
            lambda: parse_dotenv(file, ENVIRONMENT.get, lambda _name, _where: None),
            lambda: parse_raw(file, ENVIRONMENT.get),
        ):
            try:
                read()
            except ComposeError as error:
                check(error)
        names_in(text)
        try:
            substitute(text, ENVIRONMENT.get, lambda _name: None)
        except BadVariable:
            pass

    def load(self, files: dict[str, str]) -> str:
        project = self.folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        for name, text in files.items():
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        try:
            loaded = load_shown(self.request(project))
        except ComposeError as error:
            self.codes[error.code] += 1
            return check(error)
        self.codes["loaded"] += 1
        return self.again(project, without_env_files(loaded.project))

    def request(self, project: Path) -> LoadRequest:
        return LoadRequest(cwd=str(project), environment=ENVIRONMENT, profiles=("*",))

    def again(self, project: Path, model: object) -> str:
        """What is printed loads to the same model, but for HABITS."""
        printed = project_yaml(model)  # type: ignore[arg-type]
        first = project_json(model)  # type: ignore[arg-type]
        shutil.rmtree(project, ignore_errors=True)
        project.mkdir()
        (project / "compose.yaml").write_bytes(printed.encode("utf-8", "surrogateescape"))
        try:
            second = project_json(load_shown(self.request(project)).project)
        except ComposeError as error:
            said = f"its own output is refused: {error}\n{printed}"
        else:
            if first == second:
                return ""
            difference = difflib.unified_diff(first.split("\n"), second.split("\n"), lineterm="")
            said = "its own output loads to another model:\n" + "\n".join(difference)
        return "" if any(habit.search(said) for habit in HABITS) else said


HABITS = (
    re.compile(r'^\+ *"\$\$.*": |^\+ *".*\$\$.*": ', re.MULTILINE),  # $ in a key is printed as $$
    re.compile(r'^\+ *"context": ', re.MULTILINE),  # `context: ""` is not printed
    re.compile(r'^\+ *"name": ', re.MULTILINE),  # nor `name: ""`
    re.compile(r"`(capabilities|command|model)` is missing"),  # nor what is empty or null
    re.compile(
        r"E034: (a device needs a `target`|`(source|type)` is missing)"
    ),  # nor any other empty text
    re.compile(
        r'^\+ *"(target": "/run/secrets/|dockerfile|protocol|mode)', re.MULTILINE
    ),  # which is a default then
    re.compile(r"E034: a port needs a `target`"),  # nor is `target: 0`
    re.compile(r'^\+ *"count": -1', re.MULTILINE),  # nor `count: 0` of a device: then it is all
    re.compile(r"^    extends:$", re.MULTILINE),  # kept where the base is null, without its file
    re.compile(r"E015: more than 100000 values"),  # a range of ports is printed port by port
    re.compile(r'E036: `""`'),  # a variable without a name, which an env file may have
    re.compile(r"E087: `[^`]*=` is no"),  # a host without an address
    re.compile(r"E096: one of `file`"),  # nor an empty source of a config
)
"""How Docker prints what cannot be loaded again."""


def check(error: ComposeError) -> str:
    """Every fault has a code, a place and a text that fits a terminal."""
    if not error.faults:
        return "an error without a fault"
    for fault in error.faults:
        if not re.fullmatch(r"E\d{3}", fault.code):
            return f"no code: {fault!r}"
        if fault.where is None and fault.code not in PLACELESS:
            return f"no place: {fault!r}"
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", str(fault)):
            return f"control characters: {str(fault)!r}"
    return ""


PLACELESS = ("E001", "E003", "E004")
"""No file, no env file, no name: nothing in a file is at fault."""


def seeds(options: argparse.Namespace) -> Iterator[int]:
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(2**40)
    print(f"seeds from {first}", flush=True)
    ends = time.monotonic() + options.seconds if options.seconds else None
    number = 0
    while (not options.runs or number < options.runs) and (not ends or time.monotonic() < ends):
        yield first + number
        number += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--most", type=int, default=10, help="stop after so many that are wrong")
    options = parser.parse_args()
    if not options.seconds and not options.runs:
        options.runs = 1000
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    signal.signal(signal.SIGVTALRM, ring)
    pipeline.folder_of = lambda _environment: ""  # type: ignore[attr-defined]
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    wrong = count = 0
    try:
        fuzzer = Fuzzer(folder)
        for seed in seeds(options):
            count += 1
            if said := fuzzer.run(seed):
                wrong += 1
                print(f"==== seed {seed}\n{said}", flush=True)
                if wrong >= options.most:
                    break
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{count} runs, {wrong} wrong, {peak} MB at most: {dict(fuzzer.codes.most_common())}")
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.pop("PYCOMPOSE_ROOT", None)
    sys.exit(main())
