"""Whether a project was left in the lurch: its keeper died, by SIGKILL or with the machine, and
what is said to run has not been judged since.

Only asks; a supervisor does the judging when it takes over (R10, R11, R14). Whoever is going to act
on what runs lets it do that first, or decides by what is no longer so.
"""

from __future__ import annotations

import math

from runtime.paths import Paths, ProjectPaths
from runtime.state import run_states
from runtime.values import RunState


def is_unsettled(project: ProjectPaths) -> bool:
    """Something is said to run that no living keeper started."""
    oldest = min((state.start_time for state in _running(project)), default=math.inf)
    return oldest < run_states.kept_since(project)


def living_containers(paths: Paths) -> dict[str, list[str]]:
    """Project -> those that run, by the run root alone. Whoever compares this with rows reads the
    rows afterwards: they are there before anything runs."""
    folders = paths.projects.iterdir() if paths.projects.is_dir() else ()
    return {
        folder.name: sorted(
            path.stem
            for path in (folder / "states").glob("*.json")
            if _lives(run_states.stored_state(ProjectPaths(folder), path.stem))
        )
        for folder in folders
    }


def _lives(state: RunState | None) -> bool:
    return (
        state is not None
        and state.status in ("running", "paused")
        and run_states.start_time(state.pid) == state.start_time
    )


def _running(project: ProjectPaths) -> list[RunState]:
    states = (run_states.stored_state(project, path.stem) for path in project.states.glob("*.json"))
    return [one for one in states if one is not None and one.status in ("running", "paused")]
