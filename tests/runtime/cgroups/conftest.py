"""Real groups for the kernel tests: each test has a root hash of its own, and must leave no
folder of it.
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cgroups import freezer, groups, killing
from runtime.cgroups import hierarchy as trees
from runtime.cgroups.hierarchy import Hierarchy
from runtime.messages import CgroupPlan


class Trees:
    """The machine's trees, and processes in them that end with the test."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        self.hierarchy = hierarchy
        self.root_hash = secrets.token_hex(2)
        self.parents = [""]
        self._children: list[subprocess.Popen[str]] = []

    def create(
        self, leaf: str = "c1", *, project: str = "aaaa1111", parent: str = ""
    ) -> CgroupPlan:
        self.parents.append(parent)
        return groups.create(self.hierarchy, self.root_hash, project, leaf, parent=parent)

    def folders(self) -> tuple[str, ...]:
        return trees.folders(
            self.hierarchy, self.root_hash, parents=tuple(dict.fromkeys(self.parents))
        )

    def run(self, plan: CgroupPlan, script: str, *words: str) -> subprocess.Popen[str]:
        """Python in the group: it joins first, then runs the script; its output is the
        caller's to read.
        """
        join = (
            f"import sys; sys.path.insert(0, {str(TOP)!r}); from runtime.cgroups import groups;"
            + (f"from runtime.messages import CgroupPlan; groups.join({plan!r}, 0)\n")
        )
        child = subprocess.Popen(
            [sys.executable, "-c", join + script, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._children.append(child)
        return child

    def sleeper(self, plan: CgroupPlan) -> subprocess.Popen[str]:
        """A process that is in the group now, and stays until its stdin is closed or it is
        killed.
        """
        child = self.run(plan, "print('in', flush=True); sys.stdin.read()")
        assert child.stdout is not None
        assert child.stdout.readline() == "in\n"
        return child

    def output(self, plan: CgroupPlan, script: str, *words: str) -> str:
        return self.run(plan, script, *words).communicate(timeout=60)[0]

    def close(self) -> None:
        """Thaw, kill, remove; members of v1 trees alone are known by their own pids only."""
        plans = [
            plan
            for parent in dict.fromkeys(self.parents)
            for project in ("aaaa1111", "bbbb2222")
            for plan in groups.leaves(self.hierarchy, self.root_hash, project, parents=(parent,))
        ]
        for child in self._children:
            child.kill()
        for plan in plans:
            freezer.thaw(plan)
            killing.kill_and_wait(plan)
        for child in self._children:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                assert pipe is not None
                pipe.close()
        for plan in plans:
            groups.remove(plan)


TOP = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def hierarchy() -> Hierarchy:
    return trees.detect()


@pytest.fixture
def real(hierarchy: Hierarchy) -> Iterator[Trees]:
    made = Trees(hierarchy)
    yield made
    made.close()
    assert made.folders() == ()
