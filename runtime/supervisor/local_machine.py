"""The real Machine: rows, cgroups, bridges of this host. `machine.py` says what each operation
promises.

What takes milliseconds is done in place; only the kernel's slow answers are awaited, in a worker
thread that never enters another namespace (P01).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from runtime import frozen, tasks
from runtime.cgroups import freezer, groups, hierarchy, killing, oom
from runtime.cgroups.hierarchy import ENGINE_LEAF
from runtime.containers import launching, lifecycle, networks
from runtime.containers.lifecycle import Removal
from runtime.errors import NotFound, RuntimeFault
from runtime.linux import netlink
from runtime.messages import Configure, ExecRequest, Forked
from runtime.paths import Paths
from runtime.state import run_states
from runtime.state.database import Database
from runtime.supervisor import strays
from runtime.supervisor.machine import Attached, PreparedLaunch
from runtime.supervisor.project_networks import ProjectNetworks, held_name
from runtime.supervisor.removals import Removals, Wish
from runtime.values import (
    ContainerRecord,
    Event,
    ExecOptions,
    NetworkRecord,
    PublishedPort,
    RunState,
)

_SETTLE_ATTEMPTS = 5


def load() -> None:
    """What is else imported with the first start."""
    netlink.load()


class LocalMachine:
    """One project on this machine."""

    def __init__(self, paths: Paths, project_id: str) -> None:
        self._paths = paths
        self._project_id = project_id
        self._database = Database.open(paths)
        self._desk = launching.LaunchDesk(paths, self._database)
        self._ports: dict[str, tuple[PublishedPort, ...]] = {}
        lifecycle.finish_interrupted(self._database, paths, project_id)
        networks.drop_machine_bridge(self._database, paths)
        self._networks = ProjectNetworks(paths, project_id, self._database)
        self._removals = Removals(self._remove_containers)

    def close(self) -> None:
        self._networks.close()
        self._database.close()

    # --- rows and files

    def containers(self) -> tuple[ContainerRecord, ...]:
        return tuple(self._with_state(row) for row in self._database.containers(self._project_id))

    def container(self, container_id: str) -> ContainerRecord:
        record = self._database.find_container(container_id)
        if record is None or record.project_id != self._project_id:
            raise NotFound(f"no such container: {container_id}", code="E314")
        return self._with_state(record)

    def set_desired(self, container_id: str, desired: str) -> None:
        self._database.set_desired(container_id, desired)

    def write_state(self, container_id: str, state: RunState) -> None:
        run_states.write_state(self._paths.project(self._project_id), container_id, state)

    def append_events(self, events: Sequence[Event]) -> None:
        self._database.add_events(events)

    def log_folder(self, record: ContainerRecord) -> Path:
        return self._paths.container(record.id) / "logs"

    def _with_state(self, record: ContainerRecord) -> ContainerRecord:
        state = run_states.stored_state(self._paths.project(self._project_id), record.id)
        return frozen.replace(record, state=state or RunState())

    # --- start and end of a run

    async def prepare_launch(self, record: ContainerRecord, *, generation: int) -> PreparedLaunch:
        reserved = self._networks.reserve(record)
        try:
            plans = self._networks.lease(record)
            # not in a thread: the device filter's buffers are one process's (runtime/linux/bpf.py)
            request, warnings = self._desk.prepare(record, plans, generation=generation)
        except BaseException:
            for reservation in reserved:
                reservation.socket.close()
            raise
        self._ports[record.id] = tuple(reservation.port for reservation in reserved)
        held = {held_name(port): opened.detach() for port, opened in reserved}
        warnings = (*warnings, *self._networks.warnings(plans))
        return PreparedLaunch(request=request, held=held, warnings=warnings)

    async def attach(
        self, record: ContainerRecord, prepared: PreparedLaunch, *, forked: Forked, pidfd: int
    ) -> Attached:
        mode = record.options.network_mode
        if mode == "host" or mode.startswith("container:"):
            return Attached(configure=Configure(container_id=record.id))
        ports = self._ports.get(record.id, ())
        connected = await self._networks.connect(record, pid=forked.pid, ports=ports)
        return Attached(
            configure=Configure(
                container_id=record.id,
                route_batches=connected.attachment.route_batches,
                network_sysctls=connected.attachment.network_sysctls,
            ),
            ports=ports,
            endpoints=connected.endpoints,
        )

    async def serve(self, record: ContainerRecord, descriptors: Mapping[str, int]) -> None:
        # its ports and addresses were written down when it was attached
        await self._networks.serve(self._with_state(record), descriptors)

    async def release(self, record: ContainerRecord, *, networks_go: bool = False) -> None:
        self._ports.pop(record.id, None)
        # a thread costs more than the groups of a container that has ended whole
        if not self._desk.undo_at_once(record):
            await tasks.in_thread(self._desk.undo, record)
        await self._networks.leave(record, networks_go=networks_go)

    async def leave_networks(self, record: ContainerRecord) -> None:
        await self._networks.leave(record, networks_go=True)

    async def settle(self, pids: tuple[int, ...]) -> None:
        await tasks.in_thread(self._settle, pids)

    def _settle(self, pids: tuple[int, ...]) -> None:
        for attempt in range(1, _SETTLE_ATTEMPTS + 1):
            plan = groups.create(
                hierarchy.detect(), self._paths.root_hash, self._project_id, ENGINE_LEAF
            )
            try:
                for pid in pids:
                    groups.join(plan, pid)
                return
            except RuntimeFault:
                # as long as nobody is in it, another command may take it for a stray
                if attempt == _SETTLE_ATTEMPTS:
                    groups.try_remove(plan)
                    raise

    async def remove_strays(self, kept: Collection[str]) -> None:
        await tasks.in_thread(
            lambda: strays.remove(self._database, self._paths, self._project_id, kept=kept)
        )

    async def sweep(self) -> None:
        await tasks.in_thread(strays.sweep, self._database, self._paths)

    async def maintain(self) -> None:
        await self._networks.maintain()

    # --- while it runs

    async def prepare_exec(
        self, record: ContainerRecord, options: ExecOptions, *, exec_id: str
    ) -> ExecRequest:
        process, program = self._desk.exec_process(record, options)
        return ExecRequest(
            exec_id=exec_id,
            container_id=record.id,
            pid=record.state.pid,
            start_time=record.state.start_time,
            process=process,
            seccomp_program=program,
            cgroup=self._desk.plan_of(record),
            tty=options.tty,
        )

    async def freeze(self, record: ContainerRecord) -> None:
        await tasks.in_thread(freezer.freeze, self._desk.plan_of(record))

    async def thaw(self, record: ContainerRecord) -> None:
        freezer.thaw(self._desk.plan_of(record))

    def oom_kills(self, record: ContainerRecord) -> int:
        return oom.oom_kills(self._desk.plan_of(record))

    def open_oom_notices(self, record: ContainerRecord) -> int | None:
        return oom.open_notices(self._desk.plan_of(record))

    async def kill(self, record: ContainerRecord) -> None:
        plan = self._desk.plan_of(record)
        await tasks.in_thread(killing.kill_and_wait, plan)

    # --- the end

    async def remove_container(self, record: ContainerRecord, *, volumes: bool) -> None:
        await self._removals.ask(record, volumes=volumes)

    def _remove_containers(self, wishes: Sequence[Wish]) -> Mapping[str, Exception]:
        records = [wish.record for wish in wishes]
        for record in records:
            if record.options.cgroup_parent:
                # a supervisor that was killed may have left a folder there that nobody else
                # looks for
                groups.try_remove(self._desk.plan_of(record))
        errors = lifecycle.remove_containers(
            self._database,
            self._paths,
            [Removal(one.record.project_id, one.record.id, one.volumes) for one in wishes],
        )
        if any(record.options.is_on_machine_bridge for record in records):
            networks.drop_machine_bridge(self._database, self._paths)
        return errors

    async def remove_network(self, network_id: str) -> None:
        record = self._database.find_network(network_id)
        if record is not None:
            await self._remove_network(record)

    async def _remove_network(self, record: NetworkRecord) -> None:
        networks.delete_row(self._database, record)
        await self._networks.remove([record])

    async def remove_project(self, *, volumes: bool) -> None:
        for network in self._database.networks(self._project_id):
            await self._remove_network(network)
        if volumes:
            for volume in self._database.volumes(self._project_id):
                lifecycle.remove_volume(self._database, self._paths, volume.name, missing_ok=True)
        self._database.add_event(
            Event(
                time=time.time(),
                type="project",
                action="destroy",
                id=self._project_id,
                project_id=self._project_id,
                attributes={"cause": "lease ended"},
            )
        )
        self._database.forget_project(self._project_id)
