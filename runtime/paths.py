"""Where state, sockets and lock files live. Pure: nothing here touches the disk but
`ensure_directories`.

Two roots: `data` survives a reboot (images, volumes, the database), `run` does not (sockets, exit
records, run state). `PYCOMPOSE_ROOT` moves both. Kernel names carry `root_hash`, so two roots never
meet. Source: DESIGN.md 5.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# Chosen outside every root: subnets and host ports are one namespace for all roots of a machine.
HOST_LOCK = Path("/run/lock/pycompose-addresses.lock")


UNKNOWN_PROJECT = "-"
"""In place of a project's id, for processes that are told it later, when they have loaded their
code (start_keeper.py)."""


class ProjectPaths(NamedTuple):
    """Files of one project below the run root; all vanish with a reboot."""

    run: Path
    """Folder of the project, mode 0700."""

    @property
    def lock(self) -> Path:
        """flock'ed by the keeper as long as it lives; holds its pid."""
        return self.run / "lock"

    @property
    def control_socket(self) -> Path:
        """The supervisor's requests; listened on by the keeper's descriptor."""
        return self.run / "control.sock"

    @property
    def keeper_record(self) -> Path:
        """JSON: pid, start_time, boot_id of the keeper and of its supervisor."""
        return self.run / "keeper.json"

    @property
    def processes(self) -> Path:
        """`CONTAINER-GENERATION.json`: a ProcessRecord; the keeper writes it before "run" and again
        at the exit."""
        return self.run / "processes"

    @property
    def states(self) -> Path:
        """`CONTAINER.json`: the run state of a container, written by the supervisor."""
        return self.run / "states"

    def shared_memory(self, container_id: str) -> Path:
        """/dev/shm of a container with `ipc: shareable`, as long as it runs. The run root is memory
        on most machines."""
        return self.run / f"shm-{container_id[:12]}"

    @property
    def engine_log(self) -> Path:
        """stderr of keeper and supervisor."""
        return self.run / "engine.log"


@functools.cache
def _hash_of(data: Path) -> str:
    import hashlib  # 3 ms, of which a keeper that starts can do without

    return hashlib.sha256(os.fsencode(data)).hexdigest()[:4]


class Paths(NamedTuple):
    """The two roots and what is below them."""

    data: Path
    run: Path

    @property
    def root_hash(self) -> str:
        """Four hex digits that stand in every kernel name of this root."""
        return _hash_of(self.data)

    @property
    def database(self) -> Path:
        return self.data / "state.db"

    @property
    def images(self) -> Path:
        return self.data / "images"

    @property
    def volumes(self) -> Path:
        return self.data / "volumes"

    @property
    def containers(self) -> Path:
        return self.data / "containers"

    @property
    def projects(self) -> Path:
        return self.run / "projects"

    @property
    def memory(self) -> Path:
        """`VOLUME/mount` of tmpfs volumes that a container has, and who has them."""
        return self.run / "memory"

    def container(self, container_id: str) -> Path:
        """upper/, work/, files/ (hosts, resolv.conf, hostname, secrets, configs) and logs/ of a
        container."""
        return self.containers / container_id

    def project(self, project_id: str) -> ProjectPaths:
        return ProjectPaths(self.projects / project_id)


def find_paths(environment: Mapping[str, str]) -> Paths:
    """The roots for this user. `PYCOMPOSE_ROOT` first; never below $HOME when root."""
    if root := environment.get("PYCOMPOSE_ROOT"):
        base = Path(os.path.abspath(root))
        return Paths(base / "data", base / "run")
    if os.geteuid() == 0:
        return Paths(Path("/var/lib/pycompose"), Path("/run/pycompose"))
    home = environment.get("HOME", "/")
    data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
    run = environment.get("XDG_RUNTIME_DIR") or f"/tmp/pycompose-{os.geteuid()}"
    return Paths(Path(data) / "pycompose", Path(run) / "pycompose")


def ensure_directories(paths: Paths) -> None:
    """Make both roots. V22: 0700, so that no user of the host can traverse to a setuid file in an
    upper."""
    for folder in (paths.data, paths.run):
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        folder.chmod(0o700)
    for folder in (paths.images, paths.volumes, paths.containers, paths.projects):
        folder.mkdir(exist_ok=True, mode=0o700)
