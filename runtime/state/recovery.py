"""Whether a project was left in the lurch: its keeper died, by SIGKILL or with the machine, and
what is said to run has not been judged since.

Only asks; a supervisor does the judging when it takes over (R10, R11, R14). Whoever is going to act
on what runs lets it do that first, or decides by what is no longer so.
"""

from __future__ import annotations

import math

from runtime import codec
from runtime.messages import KeeperRecord
from runtime.paths import Paths, ProjectPaths
from runtime.state import run_states
from runtime.values import RunState


def is_unsettled(project: ProjectPaths) -> bool:
    """Something is said to run that no living keeper started."""
    running = _running(project)
    return bool(running) and min(state.start_time for state in running) < _kept_since(project)


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


def _kept_since(project: ProjectPaths) -> float:
    """When the keeper started, as processes do: what it keeps is its child, and no older. For ever
    away when there is none."""
    try:
        record = codec.loads(KeeperRecord, project.keeper_record.read_bytes())
    except (FileNotFoundError, ValueError):
        return math.inf
    is_of_this_boot = record.boot_id == run_states.boot_id()
    is_alive = is_of_this_boot and run_states.start_time(record.pid) == record.start_time
    return record.start_time if is_alive else math.inf
