"""A verb on its way: what it works on, and how its plan is carried out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from compose.errors import ActionFailed, Fault
from compose.model.project import Project
from compose.planning.actions import (
    Action,
    RemoveContainer,
    RemoveNetwork,
    RunHooks,
    StartContainer,
    StopContainer,
    WaitFor,
)
from compose.planning.observed import Observed, is_up
from compose.planning.plan import Plan
from compose.scheduling import reports
from compose.scheduling.events import Message, OnEvent, ResourceEvent, Warned
from compose.scheduling.interrupts import Interrupts
from compose.scheduling.perform import check_ready, perform
from compose.scheduling.run_plan import run_plan
from compose.scheduling.work import Work
from runtime import tasks
from runtime.engine import Engine
from runtime.errors import PortTaken
from runtime.values import ContainerRecord, PortBinding


class Session:
    """One verb of one project. `is_meant`: the caller named the project himself."""

    def __init__(
        self,
        project: Project,
        engine: Engine,
        on_event: OnEvent,
        *,
        parallel: int = -1,
        dry: bool = False,
        is_meant: bool = False,
        env_files: tuple[str, ...] = (),
        interrupts: Interrupts | None = None,
    ) -> None:
        self.project = project
        self.engine = engine
        self.on_event = on_event
        self.parallel = parallel
        self.dry = dry
        self.is_meant = is_meant
        self.env_files = env_files
        self.interrupts = interrupts or Interrupts()

    def on_project(self, project: Project) -> Session:
        """The same verb, on a changed project."""
        return Session(
            project,
            self.engine,
            self.on_event,
            parallel=self.parallel,
            dry=self.dry,
            is_meant=self.is_meant,
            env_files=self.env_files,
            interrupts=self.interrupts,
        )

    @asynccontextmanager
    async def leaving_nothing(self) -> AsyncIterator[None]:
        """When the block fails before anything was made, the project is not known afterwards."""
        try:
            yield
        except Exception:
            name, engine = self.project.name, self.engine
            is_bare = not (engine.containers(name) or engine.networks(name) or engine.volumes(name))
            if is_bare and not self.dry:
                await engine.remove_project_row(name)
            raise

    def warn(self, text: str) -> None:
        self.on_event(Message(text=text, level="warning"))

    def warn_of(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.on_event(Warned(fault=fault))

    def work(self, observed: Observed, *, quiet_pull: bool = False) -> Work:
        """Must be called where tasks run: it holds events of the loop."""
        return Work(
            self.project,
            observed,
            self.engine,
            self.on_event,
            env_files=self.env_files,
            quiet_pull=quiet_pull,
            dry=self.dry,
        )

    async def carry_out(
        self,
        plan: Plan,
        observed: Observed,
        *,
        quiet_pull: bool = False,
        wait_timeout: float | None = None,
    ) -> Work:
        """All of the plan. Raises ActionFailed, also after `wait_timeout` seconds."""
        self.announce(plan, observed)
        work = self.work(observed, quiet_pull=quiet_pull)
        try:
            with tasks.fail_after(wait_timeout):
                await self.run(plan, work)
        except TimeoutError:
            raise ActionFailed(
                f"application not healthy after {wait_timeout:g}s",
                code="E208",
                details=reports.describe_waits(self.engine, work.waited_for),
            ) from None
        return work

    def announce(self, plan: Plan, observed: Observed) -> None:
        """What the planners have to say, and what is as it should be."""
        for text in plan.warnings:
            self.warn(text)
        up = {record.name for record in observed.containers if is_up(record)}
        for name in plan.untouched:
            text = "Running" if name in up else "Created"
            self.on_event(ResourceEvent(id=f"Container {name}", text=text, status="Done"))

    async def run(self, plan: Plan, work: Work) -> None:
        """With the engine's events at hand if an action waits for one."""
        if not any(_waits(action) for action in plan):
            await self.run_beside(plan, work)
            return
        async with tasks.group() as group:
            group.start_soon(work.states.watch)
            # one that was ready and ends is told at once, whatever else is still waited for
            group.start_soon(work.states.until, lambda: check_ready(work))
            await self.run_beside(plan, work)
            check_ready(work)
            group.cancel()

    async def run_beside(self, plan: Plan, work: Work) -> None:
        """The plan, while the caller keeps `work.states` current."""
        work.starting = frozenset(a.name for a in plan if isinstance(a, StartContainer))
        work.removes_networks = any(isinstance(a, RemoveNetwork) for a in plan)
        try:
            with self.engine.one_line():
                await run_plan(
                    plan,
                    lambda action: perform(work, action),
                    parallel=self.parallel,
                    on_optional=self._tell_optional,
                )
        except ActionFailed as failed:
            # the cause of both is what went wrong: often the two are one
            placed = reports.placed(failed, failed.service, self.project)
            raise placed from failed.__cause__

    def _tell_optional(self, action: Action, error: Exception) -> None:
        if isinstance(action, WaitFor):
            self.warn(f'optional dependency "{action.service}" failed to start: {error}')
        else:
            self.warn(f"{action}: {error}")

    def check_ports(self, plan: Plan, work_of: Observed) -> None:
        """Raises PortTaken for a port that somebody holds, before anything is started."""
        from compose.scheduling import ports

        wanted = [
            (action.name, binding)
            for action in plan
            if isinstance(action, StartContainer)
            for binding in ports.fixed_ports(
                self.project, self.project.all_services[action.service]
            )
        ]
        ports.check_distinct(wanted)
        ending = {a.id for a in plan if isinstance(a, (StopContainer, RemoveContainer))}
        free = {
            ports.key(port)
            for record in work_of.containers
            if record.id in ending
            for port in record.state.ports
        }
        self._check_free([pair for pair in wanted if ports.key(pair[1]) not in free])

    def _check_free(self, wanted: Sequence[tuple[str, PortBinding]]) -> None:
        from compose.scheduling import ports

        asked = [binding for _, binding in wanted]
        try:
            self.engine.check_ports(asked)
        except PortTaken as error:
            containers = self.engine.containers()
            # another command may have started one of them since the plan was made
            others = ports.without_own(wanted, containers)
            if len(others) == len(wanted):
                raise ports.with_holder(error, asked, containers) from error
            self._check_free(others)


def _waits(action: Action) -> bool:
    return isinstance(action, WaitFor) or (
        isinstance(action, RunHooks) and action.kind == "pre_start"
    )


def records_of(
    engine: Engine, project: Project, names: Iterable[str]
) -> tuple[ContainerRecord, ...]:
    """The replicas of the services as they are now, by name."""
    wanted = set(names)
    return tuple(
        record
        for record in engine.containers(project.name)
        if record.options.service in wanted and not record.options.oneoff
    )
