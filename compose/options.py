"""What callers wish, a frozen class per verb. Fields are named as Docker Compose's flags.

`services` empty means all. Seconds everywhere; `timeout` None: each service's `stop_grace_period`.
Options of display (colour, prefixes, formats) are not here: `compose/output` alone knows them.
Source: reference cli.md 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from runtime.frozen import dataclass, field

Services: TypeAlias = tuple[str, ...]
PullPolicy: TypeAlias = Literal["", "always", "missing", "never"]
"""Empty: as the service says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Which project, and how verbs run on it: the root's flags. None or empty: found as Compose
    finds it.

    `environment` is what interpolation and `COMPOSE_*` read: the process's own when None.
    """

    files: tuple[str, ...] = ()
    project_name: str = ""
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    project_directory: str = ""
    parallel: int = -1
    """How many actions run at once; -1: no limit."""
    dry_run: bool = False
    all_resources: bool = False
    compatibility: bool = False
    environment: Mapping[str, str] | None = None
    folder: str = ""
    """Where the search for files starts: the current folder when empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """Make what is missing or changed; start nothing."""

    services: Services = ()
    force_recreate: bool = False
    no_recreate: bool = False
    always_recreate_deps: bool = False
    renew_anon_volumes: bool = False
    no_deps: bool = False
    remove_orphans: bool = False
    ignore_orphans: bool = False
    pull: PullPolicy = ""
    quiet_pull: bool = False
    build: bool = False
    scale: Mapping[str, int] = field(default_factory=dict)
    timeout: float | None = None
    yes: bool = False
    """Every question is answered with yes: data may go, another folder's project may be changed."""
    separator: str = "-"
    """Between the parts of a container's name; `_` in compatibility mode."""
    all_resources: bool = False
    """Make networks and volumes that no service uses, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions(CreateOptions):
    """Make and start. Attached unless `detach`, `wait` or `no_start`: returns when all attached
    containers ended."""

    detach: bool = False
    no_start: bool = False
    wait: bool = False
    wait_timeout: float | None = None
    attach: Services = ()
    no_attach: Services = ()
    attach_dependencies: bool = False
    abort_on_container_exit: bool = False
    abort_on_container_failure: bool = False
    exit_code_from: str = ""
    timestamps: bool = False
    lease: bool = False
    """Take the project down when this process ends, however it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownOptions:
    services: Services = ()
    volumes: bool = False
    rmi: Literal["", "local", "all"] = ""
    remove_orphans: bool = False
    timeout: float | None = None
    yes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    services: Services = ()
    wait: bool = False
    wait_timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOptions:
    services: Services = ()
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartOptions:
    services: Services = ()
    timeout: float | None = None
    no_deps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KillOptions:
    services: Services = ()
    signal: str = "SIGKILL"
    remove_orphans: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOptions:
    """`rm`. Whether the user was asked is the caller's affair: `Stack.removable` names what would
    go."""

    services: Services = ()
    stop: bool = False
    volumes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """A one-off container of `service`.

    None: as the service says. `tty` and `interactive` are decided by the caller, who knows the
    terminal.
    """

    service: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)
    """None: the value of the project's environment, if it has one."""
    env_files: tuple[str, ...] = ()
    """Files of variables; `environment` wins over them."""
    labels: Mapping[str, str] = field(default_factory=dict)
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    name: str = ""
    user: str | None = None
    working_dir: str | None = None
    publish: tuple[str, ...] = ()
    """Short port syntax."""
    service_ports: bool = False
    use_aliases: bool = False
    volumes: tuple[str, ...] = ()
    """Short volume syntax."""
    detach: bool = False
    remove: bool = False
    tty: bool = False
    interactive: bool = True
    no_deps: bool = False
    pull: PullPolicy = ""
    quiet_pull: bool = False
    build: bool = False
    remove_orphans: bool = False
    ignore_orphans: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecOptions:
    """A command in a running container of `service`: its lowest replica, or the `index`-th."""

    service: str
    command: tuple[str, ...]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    """None: the value of the project's environment, if it has one."""
    user: str = ""
    working_dir: str = ""
    index: int = 0
    tty: bool = False
    interactive: bool = True
    privileged: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PsOptions:
    services: Services = ()
    all: bool = False
    statuses: tuple[str, ...] = ()
    orphans: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsOptions:
    """`since` and `until` are seconds since the epoch; `tail` counts per container."""

    services: Services = ()
    follow: bool = False
    tail: int | None = None
    since: float | None = None
    until: float | None = None
    timestamps: bool = False
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOptions:
    services: Services = ()
    policy: Literal["", "missing", "always"] = ""
    include_deps: bool = False
    ignore_buildable: bool = False
    ignore_pull_failures: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """What may go of the things that nothing uses. `until`: made before that moment; labels are
    `KEY` or `KEY=VALUE`, all must hold."""

    all: bool = False
    """Images or volumes with a name, too."""
    volumes: bool = False
    """Anonymous volumes, too."""
    until: float | None = None
    labels: tuple[str, ...] = ()
    without_labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    services: Services = ()
    include_deps: bool = False
    ignore_push_failures: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    services: Services
    down_project: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdio:
    """Descriptors of the caller that become a process's; -1: none (it reads end of file, its output
    is dropped).

    Pipes and sockets are handed over, files and terminals are copied to and from (DESIGN.md 4).
    """

    stdin: int = 0
    stdout: int = 1
    stderr: int = 2
