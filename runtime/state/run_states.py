"""How each container is doing, read from the run root: what the supervisor wrote, corrected by the
keeper's records and by the kernel, in that order of growing truth (R02). Starts nothing, so every
reading command uses it.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from runtime import codec, frozen
from runtime.linux import files
from runtime.messages import KeeperRecord, ProcessRecord
from runtime.paths import ProjectPaths
from runtime.values import ContainerRecord, RunState

UNKNOWN_EXIT = 255
"""D61: it ran when the machine or the engine went down, and nobody saw its end."""
LOST_EXIT = 137


def boot_id() -> str:
    """Names this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat, in clock ticks since boot; 0 when there is no such process or it
    is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def with_state(record: ContainerRecord, project: ProjectPaths) -> ContainerRecord:
    """The record with its state as it is now."""
    return frozen.replace(record, state=read_state(record, project))


def read_state(record: ContainerRecord, project: ProjectPaths) -> RunState:
    stored = stored_state(project, record.id)
    if stored is None:
        return _state_after_reboot(record)
    if stored.status not in ("running", "paused", "restarting") or not stored.pid:
        return stored
    return _corrected(stored, read_process(project, record.id, stored.generation), project)


def _state_after_reboot(record: ContainerRecord) -> RunState:
    if record.desired == "created":
        return RunState()
    return RunState(status="exited", exit_code=UNKNOWN_EXIT, finished_at=record.created_at)


def _corrected(stored: RunState, process: ProcessRecord | None, project: ProjectPaths) -> RunState:
    if stored.status == "restarting":
        return stored
    if process is not None and process.boot_id != boot_id():
        return frozen.replace(stored, status="exited", exit_code=UNKNOWN_EXIT, pid=0)
    if process is not None and process.exit_code is not None:
        return frozen.replace(
            stored,
            status="exited",
            exit_code=process.exit_code,
            finished_at=process.finished_at,
            oom_killed=process.oom_kills > 0,
            pid=0,
        )
    if start_time(stored.pid) != stored.start_time and kept_since(project) > stored.start_time:
        return frozen.replace(
            stored, status="exited", exit_code=LOST_EXIT, error="lost keeper", pid=0
        )
    return stored


def kept_since(project: ProjectPaths) -> float:
    """When the project's keeper started, as processes do: what it keeps is its child, and no older;
    when one of them ended it is about to say how. For ever away when there is none."""
    try:
        record = codec.loads(KeeperRecord, project.keeper_record.read_bytes())
    except (FileNotFoundError, ValueError):
        return math.inf
    is_of_this_boot = record.boot_id == boot_id()
    is_alive = is_of_this_boot and start_time(record.pid) == record.start_time
    return record.start_time if is_alive else math.inf


def stored_state(project: ProjectPaths, container_id: str) -> RunState | None:
    """What the supervisor wrote last; None when it never did, or a reboot forgot it."""
    try:
        return codec.loads(RunState, _state_file(project, container_id).read_bytes())
    except (FileNotFoundError, ValueError):
        return _state_by_its_process(project, container_id)


def _state_by_its_process(project: ProjectPaths, container_id: str) -> RunState | None:
    """R28: a torn file is no fact; then the keeper's last record of a start is one."""
    generations = [
        int(name.removesuffix(".json").rpartition("-")[2])
        for name in _names(project.processes, f"{container_id}-")
    ]
    process = read_process(project, container_id, max(generations)) if generations else None
    if process is None:
        return None
    return RunState(
        status="running",
        pid=process.pid,
        start_time=process.start_time,
        started_at=process.started_at,
        generation=process.generation,
    )


def write_state(project: ProjectPaths, container_id: str, state: RunState) -> None:
    files.write_atomically(_state_file(project, container_id), codec.dumps(state).encode())


def read_process(project: ProjectPaths, container_id: str, generation: int) -> ProcessRecord | None:
    """The keeper's record of one start."""
    path = project.processes / f"{container_id}-{generation}.json"
    try:
        return codec.loads(ProcessRecord, path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def forget(project: ProjectPaths, container_id: str) -> None:
    """Remove every file of the container below the run root."""
    files.remove_file(_state_file(project, container_id))
    for torn in _names(project.states, f".{container_id}.json."):
        files.remove_file(project.states / torn)
    for name in _names(project.processes, f"{container_id}-"):
        files.remove_file(project.processes / name)


def _names(folder: Path, prefix: str) -> list[str]:
    """What lies in the folder and begins so; nothing where there is none."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(prefix)]
    except FileNotFoundError:
        return []


def _state_file(project: ProjectPaths, container_id: str) -> Path:
    return project.states / f"{container_id}.json"
