"""Whether a project was left in the lurch: its keeper died, by SIGKILL or with the machine, and
what is said to run has not been judged since.

Only asks; a supervisor does the judging when it takes over (R10, R11, R14). Whoever is going to act
on what runs lets it do that first, or decides by what is no longer so.
"""

from __future__ import annotations

from runtime import codec
from runtime.messages import KeeperRecord
from runtime.paths import ProjectPaths
from runtime.state import run_states


def is_unsettled(project: ProjectPaths) -> bool:
    """Nobody keeps what is said to run."""
    return not _is_kept(project) and _runs_something(project)


def _is_kept(project: ProjectPaths) -> bool:
    try:
        record = codec.loads(KeeperRecord, project.keeper_record.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    is_of_this_boot = record.boot_id == run_states.boot_id()
    return is_of_this_boot and run_states.start_time(record.pid) == record.start_time


def _runs_something(project: ProjectPaths) -> bool:
    states = (run_states.stored_state(project, path.stem) for path in project.states.glob("*.json"))
    return any(state is not None and state.status in ("running", "paused") for state in states)
