"""Every golden case, each with its line, its exit status and its warnings; what deviates is listed with its reason.

A case answers in 10 ms here, since two processes answer them all (in_process.py). `./run` starts the command
anew for each, as a user does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
TOPICS = sorted(path.stem for path in HERE.glob("*.jsonl"))
EXCEPTIONS = dict(
    line.split("\t") for line in (HERE / "exceptions.txt").read_text().splitlines() if line
)


def cases_of(topic: str) -> list[str]:
    with open(HERE / f"{topic}.jsonl", encoding="utf-8") as lines:
        return [json.loads(line)["id"] for line in lines]


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    """Id -> what the command said, and what is wrong with it."""
    ids = [case for topic in TOPICS for case in cases_of(topic)]
    workers = max(1, min(4, os.cpu_count() or 1))
    processes = [start(ids[number::workers]) for number in range(workers)]
    found = {}
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        found.update({answer["id"]: answer for answer in map(json.loads, out.splitlines())})
    assert found.keys() == set(ids)
    return found


def start(ids: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-E", str(HERE / "in_process.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write("\n".join(ids))
    process.stdin.close()
    process.stdin = None
    return process


@pytest.mark.parametrize("topic", TOPICS)
def test_the_command_answers_as_docker_compose_does(topic: str, answers):
    wrong = {
        case: (answers[case]["wrong"], answers[case]["stderr"])
        for case in cases_of(topic)
        if answers[case]["wrong"] and case not in EXCEPTIONS
    }
    assert not wrong, "\n\n".join(
        f"{case}: {'; '.join(why)}\n{stderr}" for case, (why, stderr) in wrong.items()
    )


def test_what_is_listed_as_an_exception_still_deviates(answers):
    assert [case for case in EXCEPTIONS if not answers[case]["wrong"]] == []


def test_each_reason_for_an_exception_is_decided_in_the_readme():
    decisions = (HERE / "README.md").read_text()
    assert [why for why in set(EXCEPTIONS.values()) if f"| {why} |" not in decisions] == []


def test_every_error_in_a_file_has_a_code(answers):
    failed = [a for a in answers.values() if a["status"] and a["kind"] != "other"]
    assert [a["stderr"] for a in failed if "error E" not in a["stderr"]] == []
