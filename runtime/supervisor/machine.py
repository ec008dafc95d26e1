"""What the supervisor needs from the machine below it: rows, cgroups, networks. The seam for its
tests.

`local_machine.py` implements it on the real kernel and database; `tests/fakes/machine.py` in
memory. The supervisor decides when (restart policies, order, locks per container), the machine
knows how. Every operation here is idempotent where it takes something away: what is not there is
gone already (R03).

Life of one start, as the supervisor calls it:

    prepare_launch -> keeper forks -> attach -> keeper runs it -> write_state, serve (a task)
    ... exit -> release

`release` is called after every prepare_launch that did not stay running, however far it came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from runtime.frozen import dataclass, field
from runtime.messages import Configure, ExecRequest, Forked, LaunchRequest
from runtime.values import (
    ContainerRecord,
    EndpointState,
    Event,
    ExecOptions,
    PublishedPort,
    RunState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedLaunch:
    """All is ready for the fork: cgroups, files, reserved ports."""

    request: LaunchRequest
    held: Mapping[str, int] = field(default_factory=dict)
    """Name -> descriptor that must live as long as the container does, whatever happens to the
    supervisor (sockets of published ports). The supervisor owns them from here on, and has the
    keeper hold copies.
    """
    warnings: tuple[str, ...] = ()
    """For the engine log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The network stands, as far as the host's side goes."""

    configure: Configure
    ports: tuple[PublishedPort, ...] = ()
    endpoints: tuple[EndpointState, ...] = ()


class Machine(Protocol):
    """One project on one machine. Sync operations are short; async ones may wait for the kernel or
    a lock.
    """

    # rows and files

    def containers(self) -> tuple[ContainerRecord, ...]:
        """All of the project, each with the state that was written last (not corrected by the
        kernel).
        """

    def container(self, container_id: str) -> ContainerRecord:
        """The same for one. Raises NotFound; one that is being removed is not found."""

    def set_desired(self, container_id: str, desired: str) -> None:
        """`running` or `stopped`: what restart policies and `boot` go by after a reboot."""

    def write_state(self, container_id: str, state: RunState) -> None: ...

    def append_events(self, events: Sequence[Event]) -> None:
        """All or none. Raises RuntimeFault."""

    def log_folder(self, record: ContainerRecord) -> Path: ...

    # start and end of a run

    async def prepare_launch(self, record: ContainerRecord, *, generation: int) -> PreparedLaunch:
        """Everything before the fork. Raises RuntimeFault, PortTaken; then nothing is left."""

    async def attach(
        self, record: ContainerRecord, prepared: PreparedLaunch, *, forked: Forked, pidfd: int
    ) -> Attached:
        """Connect the init's network namespace, publish ports. `pidfd` stays the caller's."""

    async def serve(self, record: ContainerRecord, descriptors: Mapping[str, int]) -> None:
        """Answer names and forward what the kernel cannot, until cancelled: a task for as long as
        the container runs.

        `descriptors` are resolver-udp, resolver-tcp and those of `PreparedLaunch.held`; they stay
        the caller's, who closes them after the end of this task. After a respawn of the supervisor
        it is called anew with them.
        """

    async def release(self, record: ContainerRecord, *, networks_go: bool = False) -> None:
        """After the end of a run: kill what is left in the cgroups, which go. Its links and rules
        go a moment later: its next run waits for that, and `remove_network`. `networks_go`: that is
        called next. Never raises for what is gone.
        """

    async def leave_networks(self, record: ContainerRecord) -> None:
        """The part of `release` with `networks_go` that is about networks, of a container that is
        being killed: the kernel takes as long over links as over the end of processes."""

    async def settle(self, pids: tuple[int, ...]) -> None:
        """Put our own processes (keeper, supervisor) into the project's own leaf cgroup: they must
        not end with the session or the CI step that started them."""

    async def sweep(self) -> None:
        """Take away what other projects left that nothing knows any more."""

    async def maintain(self) -> None:
        """What has to be kept right while the project lives (rules that somebody flushed, links of
        runs that ended), until cancelled.
        """

    # while it runs

    async def prepare_exec(
        self, record: ContainerRecord, options: ExecOptions, *, exec_id: str
    ) -> ExecRequest:
        """The process document; pid and start time are the record's state's. Raises RuntimeFault
        (no such user).
        """

    async def freeze(self, record: ContainerRecord) -> None: ...

    async def thaw(self, record: ContainerRecord) -> None: ...

    def oom_kills(self, record: ContainerRecord) -> int:
        """How many of its processes the kernel has killed for want of memory in this run."""

    def open_oom_notices(self, record: ContainerRecord) -> int | None:
        """A non-blocking descriptor (eventfd on v1, inotify on v2), the caller's, that becomes
        readable when `oom_kills` may have changed. None where there is no such thing."""

    async def kill(self, record: ContainerRecord) -> None:
        """SIGKILL to every process in the container's cgroups, thawed if frozen; returns when they
        are empty.
        """

    async def remove_strays(self, kept: Collection[str]) -> None:
        """What a killed predecessor left in the kernel of containers but these. Raises nothing."""

    def close(self) -> None:
        """Nothing is asked after this."""

    # the end

    async def remove_container(self, record: ContainerRecord, *, volumes: bool) -> None:
        """Row, folder, state files, leases; with `volumes` its anonymous ones. It does not run (any
        more).
        """

    async def remove_network(self, network_id: str) -> None:
        """Raises InUse while an endpoint is on it."""

    async def remove_project(self, *, volumes: bool) -> None:
        """Networks, volumes and the row, when a lease ended; all containers are removed before this
        is called.
        """
