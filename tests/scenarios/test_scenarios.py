"""Obligations: each folder here is a stack that also runs by hand, and what must be seen of it.

`<x-must-y>/compose.yaml` and `<x-must-y>/steps.txt` (transcript.py has its grammar). By hand:
`cd tests/scenarios/<x-must-y>`, then the commands of steps.txt. The runner knows no scenario. A
failure leaves the copy of the folder, with what every command printed, in pytest's folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Pycompose
from tests.scenarios.transcript import Step, holds, matches, parse

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/steps.txt"))
DEADLINE = 60.0


@pytest.mark.kernel
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_scenario(folder: Path, pycompose: Pycompose):
    shutil.copytree(folder, pycompose.folder, dirs_exist_ok=True, symlinks=True)
    player = Player(pycompose)
    try:
        for step in parse((folder / "steps.txt").read_text()):
            player.play(step)
    finally:
        player.close()


class Player:
    """Plays the steps of one scenario, and keeps what every command printed."""

    def __init__(self, pycompose: Pycompose) -> None:
        self.folder = pycompose.folder
        self.programs = pycompose.folder.parent / "bin"
        self.programs.mkdir()
        program = self.programs / "pycompose"
        words = " ".join(f"'{word}'" for word in pycompose.command())
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o755)
        self.environment = pycompose.environment(
            {"PATH": f"{self.programs}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        )
        self.jobs: dict[str, Job] = {}

    def play(self, step: Step) -> None:
        getattr(self, f"play_{step.kind}")(step)

    def play_run(self, step: Step) -> None:
        done = subprocess.run(
            ["sh", "-c", step.text],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        self.keep(step, f"{done.stdout}{done.stderr}[{done.returncode}]\n")
        check(step, done.returncode, done.stdout, done.stderr)

    def play_begin(self, step: Step) -> None:
        self.jobs[step.name] = Job(step.text, self.folder, self.environment)

    def play_await(self, step: Step) -> None:
        job = self.jobs[step.name]
        if not job.wait_for(step.text):
            raise AssertionError(
                f"line {step.line}: `{step.text}` did not come\n--- what came\n{job.text}"
            )

    def play_signal(self, step: Step) -> None:
        number = signal.Signals[f"SIG{step.text.removeprefix('SIG')}"]
        self.jobs[step.name].process.send_signal(number)

    def play_end(self, step: Step) -> None:
        job = self.jobs.pop(step.name)
        code = job.end()
        self.keep(step, f"{job.text}[{code}]\n")
        check(step, code, job.text, "")

    def keep(self, step: Step, text: str) -> None:
        with open(self.folder.parent / "printed.txt", "a", encoding="utf-8") as file:
            file.write(f"{step.line}: {step.name or '$'} {step.text}\n{text}")

    def close(self) -> None:
        for job in self.jobs.values():
            job.process.kill()
            job.end()


class Job:
    """A command that goes on. Its two streams are one text, as on a terminal."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.text = ""
        self.is_over = False
        self.came = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for data in self._parts():
            with self.came:
                self.text += data.decode(errors="replace")
                self.came.notify_all()
        with self.came:
            self.is_over = True
            self.came.notify_all()

    def _parts(self) -> Iterator[bytes]:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            yield data

    def wait_for(self, line: str) -> bool:
        with self.came:
            self.came.wait_for(lambda: self.is_over or holds(line, self.text), DEADLINE)
            return holds(line, self.text)

    def end(self) -> int:
        code = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def check(step: Step, code: int, output: str, errors: str) -> None:
    """Raises AssertionError with all that was printed and all that was expected."""
    is_right = (
        code == step.exit_code
        and matches(step.output, output)
        and (not step.errors or matches(step.errors, errors))
    )
    if not is_right:
        expected = "\n".join([*step.output, *(f"! {line}" for line in step.errors)])
        raise AssertionError(
            f"steps.txt:{step.line}: {step.text or step.name}\n"
            f"--- exit code {code}, expected {step.exit_code}\n"
            f"--- stdout\n{output}--- stderr\n{errors}--- expected\n{expected}"
        )
