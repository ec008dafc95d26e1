"""One life of a small stack with one fault in it: what `up`, `exec` or `down` was struck in, goes on or is undone.

`python -m tests.faults.strike [up|exec|down] [PROCESS] [PART/PARTS]` goes through every point; test_strikes.py takes a
sample of the same list.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.census import census
from tests.conftest import Pycompose, wait_for_end

STACK = Path(__file__).with_name("compose.yaml")
VERBS = {"up": ("up", "-d"), "exec": ("exec", "web", "true"), "down": ("down", "-v", "-t", "0")}
PROCESSES = ("cli", "supervisor", "keeper", "init")
ACTIONS = {"supervisor": ("kill", "kill-parent", "kill-both")}
"""kill-parent: the keeper dies while its supervisor is at this step."""


class Strike(NamedTuple):
    """Where the fault strikes, and how."""

    verb: str
    process: str
    name: str
    ordinal: int
    moment: str
    action: str

    def __str__(self) -> str:
        return f"{self.verb}: {self.plan}"

    @property
    def plan(self) -> str:
        return f"{self.process}/{self.name}/{self.moment}#{self.ordinal}:{self.action}"


class Stage:
    """The stack in a folder and a root of its own; `plan` is read by every process at every point."""

    def __init__(self, top: Path) -> None:
        self.pycompose = Pycompose(top / "project", top / "root")
        self.pycompose.compose_file(STACK.read_text())
        self.plan, self.trace = top / "plan", top / "trace"
        self.plan.write_text("")

    def run(self, *words: str):
        environment = {
            "PYCOMPOSE_FAULT": f"@{self.plan}",
            "PYCOMPOSE_FAULT_TRACE": str(self.trace),
        }
        try:
            return self.pycompose(*words, check=False, environment=environment, timeout=180)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(
                f"{' '.join(words)} does not end\n{error.stderr!r}\n{self.engine_log}"
            ) from error

    def must(self, *words: str) -> str:
        """A command that has to work, whatever happened before."""
        run = self.run(*words)
        assert run.returncode == 0, (
            f"{' '.join(words)}: exit {run.returncode}\n{run.stdout}{run.stderr}{self.engine_log}"
        )
        return str(run.stdout)

    @property
    def engine_log(self) -> str:
        logs = self.pycompose.paths.projects.glob("*/engine.log")
        return "".join(path.read_text() for path in logs)

    def live(self, strike: Strike) -> bool:
        """The whole life with that fault. False when nothing came by there this time."""
        before = census(self.pycompose.paths)
        if strike.verb != "up":
            self.must("up", "-d")
        self.plan.write_text(strike.plan)
        struck = self.run(*VERBS[strike.verb])
        assert "Traceback" not in struck.stderr, struck.stderr
        if struck.returncode:
            assert struck.stderr or struck.returncode == -9, "it failed and said nothing"
        was_struck = self.plan.read_text() == ""
        self.plan.write_text("")
        self._go_on(strike)
        self.must("down", "-v", "-t", "0")
        wait_for_end(self.pycompose.paths, 60.0)
        left = {
            kind: sorted({*names} - {*before.get(kind, ())})
            for kind, names in census(self.pycompose.paths).items()
            if names != before.get(kind)
        }
        assert not left, f"left behind: {left}\n{self.engine_log}"
        return was_struck

    def _go_on(self, strike: Strike) -> None:
        if strike.verb == "down" and strike.ordinal % 2:
            return
        # a policy's pause before a restart may not be over yet
        self.must("up", "-d", "--wait")
        states = self.must("ps", "-a", "--format", "{{.Service}} {{.State}}").splitlines()
        assert sorted(states) == ["db running", "web running"], states
        self.must("exec", "web", "true")


@contextmanager
def stage() -> Iterator[Stage]:
    top = Path(tempfile.mkdtemp(prefix="pct-", dir="/var/tmp"))
    (top / "project").mkdir()
    made = Stage(top)
    try:
        yield made
    finally:
        made.plan.write_text("")
        made.run("down", "-v", "-t", "0")
        wait_for_end(made.pycompose.paths, 60.0)
        shutil.rmtree(top, ignore_errors=True)


def strikes(verb: str, *, every: bool) -> list[Strike]:
    """Each process at each of its points, before and after; of a point that is passed often the first passage, and
    with `every` the second, the middle and the last one too."""
    with stage() as made:
        if verb != "up":
            made.must("up", "-d")
            made.trace.write_text("")
        made.must(*VERBS[verb])
        passed = made.trace.read_text()
    return [
        Strike(verb, process, name, ordinal, moment, action)
        for process, name, times in _points(passed)
        for ordinal in sorted({1, 2, times // 2, times} & {*range(1, times + 1)} if every else {1})
        for moment in ("before", "after")
        for action in ACTIONS.get(process, ("kill",))
    ]


def _points(trace: str) -> list[tuple[str, str, int]]:
    """(process, name, how often one process passed it at least, where it passed it at all), in order."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for line in trace.splitlines():
        process, pid, name = line.split(" ", 2)
        if not name.startswith("-"):
            counts.setdefault((process, name), Counter())[pid] += 1
    return [(process, name, min(pids.values())) for (process, name), pids in counts.items()]


def main(verb: str = "", process: str = "", part: str = "1/1") -> int:
    """Prints what went wrong, and how many points were struck; returns 1 when something did."""
    mine, parts = map(int, part.split("/"))
    counts: Counter[str] = Counter()
    for one in [verb] if verb in VERBS else list(VERBS):
        wanted = [strike for strike in strikes(one, every=True) if process in ("", strike.process)]
        for strike in wanted[mine - 1 :: parts]:
            counts[_outcome(strike)] += 1
    print(" ".join(f"{word}: {count}" for word, count in sorted(counts.items())))
    return 1 if counts["failed"] else 0


def _outcome(strike: Strike) -> str:
    try:
        with stage() as made:
            return "struck" if made.live(strike) else "missed"
    except AssertionError as error:
        print(f"--- {strike}\n{error}\n", flush=True)
        return "failed"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
