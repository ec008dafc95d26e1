"""What a plan is made of: a frozen class per action, each with the reason it is there.

An action names its object and holds what carrying it out needs beside the Project; it decides
nothing. `str(action)` is its line in a plan (`start web-1`): names without the project's prefix.
Carried out by scheduling/perform.py, one function for each class.

A container that exists is named by `id`; one that the plan itself makes has no id yet and is known
by its final `name`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from runtime.frozen import dataclass
from runtime.values import NetworkOptions, VolumeOptions

Condition: TypeAlias = Literal[
    "service_started",
    "service_healthy",
    "service_completed_successfully",
    "running_or_healthy",
    "ready_or_done",
]
"""What a wait waits for. The first three are the file's; `running_or_healthy` is what labels alone
can say; `ready_or_done` is that of `--wait`: running, healthy if there is a healthcheck, or ended
with 0."""
HookKind: TypeAlias = Literal["pre_start", "post_start", "pre_stop"]


def short_name(project: str, container: str) -> str:
    """`shop-web-1` -> `web-1`; a name of the user's own stays whole."""
    for separator in "-_":
        if container.startswith(project + separator):
            return container[len(project) + 1 :]
    return container


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureImage:
    """Have an image here. `services` are those made from it. `tolerant`: a failure is a warning."""

    reference: str
    policy: str
    platform: str = ""
    services: tuple[str, ...] = ()
    tolerant: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return f"pull {self.reference}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushImage:
    """Send an image to its registry. `tolerant`: a failure is a warning."""

    reference: str
    services: tuple[str, ...] = ()
    tolerant: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return f"push {self.reference}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNetwork:
    options: NetworkOptions
    reason: str = ""

    def __str__(self) -> str:
        return f"create network {self.options.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNetwork:
    """`tolerant`: still in use is a warning."""

    name: str
    tolerant: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return f"remove network {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume:
    options: VolumeOptions
    reason: str = ""

    def __str__(self) -> str:
        return f"create volume {self.options.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVolume:
    """With its data. `tolerant`: still in use is a warning."""

    name: str
    tolerant: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return f"remove volume {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage:
    reference: str
    reason: str = ""

    def __str__(self) -> str:
        return f"remove image {self.reference}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer:
    """Make a replica of a service.

    With `replaces` it gets a temporary name first, since the other still has the final one, and
    takes over the other's anonymous volumes when `inherit` says so.
    """

    project: str
    service: str
    number: int
    name: str
    replaces: str = ""
    inherit: bool = True
    reason: str = ""

    def __str__(self) -> str:
        return f"create {short_name(self.project, self.name)}"

    @property
    def first_name(self) -> str:
        """The name it is made with."""
        return f"{self.replaces[:12]}_{self.name}" if self.replaces else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameContainer:
    """Give a container its final name. `id` empty: the one that this plan made."""

    project: str
    name: str
    id: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"rename {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    """`id` empty: the one that this plan made."""

    project: str
    service: str
    name: str
    id: str = ""
    restarted: bool = False
    """Told as `Restarting` and `Started`, not as `Starting`."""
    reason: str = ""

    def __str__(self) -> str:
        return f"start {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer:
    """`grace` None: its own. `replaced`: a part of a recreation, which is told as one step."""

    project: str
    service: str
    name: str
    id: str
    grace: float | None = None
    replaced: bool = False
    restarted: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return f"stop {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer:
    """`volumes`: its anonymous volumes too. `force`: even when it runs."""

    project: str
    name: str
    id: str
    volumes: bool = False
    replaced: bool = False
    force: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return f"remove {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KillContainer:
    project: str
    name: str
    id: str
    signal: str = "SIGKILL"
    reason: str = ""

    def __str__(self) -> str:
        return f"kill {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseContainer:
    project: str
    name: str
    id: str
    reason: str = ""

    def __str__(self) -> str:
        return f"pause {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpauseContainer:
    project: str
    name: str
    id: str
    reason: str = ""

    def __str__(self) -> str:
        return f"unpause {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHooks:
    """The hooks of one kind, in order, in one container (`pre_start`: in containers of their own).

    `id` empty: the container that this plan made.
    """

    project: str
    service: str
    name: str
    kind: HookKind
    id: str = ""
    reason: str = ""

    def __str__(self) -> str:
        return f"run {self.kind} of {short_name(self.project, self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitFor:
    """Wait until every container of a service is as `condition` says.

    `containers` are (name, id) with an empty id for those that this plan makes. `needed_by` are the
    services that wait; empty: the caller, with `--wait`.
    """

    project: str
    service: str
    condition: Condition
    containers: tuple[tuple[str, str], ...]
    needed_by: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        words = {
            "service_started": "running",
            "service_healthy": "healthy",
            "service_completed_successfully": "completed",
            "running_or_healthy": "running or healthy",
            "ready_or_done": "ready or done",
        }
        return f"wait until {self.service} is {words[self.condition]}"


Action: TypeAlias = (
    EnsureImage
    | PushImage
    | CreateNetwork
    | RemoveNetwork
    | CreateVolume
    | RemoveVolume
    | RemoveImage
    | CreateContainer
    | RenameContainer
    | StartContainer
    | StopContainer
    | RemoveContainer
    | KillContainer
    | PauseContainer
    | UnpauseContainer
    | RunHooks
    | WaitFor
)
