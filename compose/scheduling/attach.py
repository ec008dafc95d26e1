"""Attached `up`: start, follow, and end as the options say.

It ends when every monitored container has ended, when one's end aborts the rest, or by Ctrl-C: the
first stops in order, the second kills. Output is followed from before a container's start, so that
no line is lost; that of containers that ran already only from now on. A one-shot that others wait
for may end with 0 without aborting anything. Source: reference cli.md 9 and 19 (9).
"""

from __future__ import annotations

from compose.errors import Interrupted
from compose.exit_codes import describe_exit
from compose.options import KillOptions, StopOptions, UpOptions
from compose.planning import selection, teardown
from compose.planning.actions import (
    CreateContainer,
    RemoveContainer,
    StartContainer,
    short_name,
)
from compose.planning.dependencies import closure
from compose.planning.observed import GONE, Observed, is_replica
from compose.planning.plan import Plan
from compose.planning.starts import one_shots
from compose.scheduling.events import (
    Attaching,
    ContainerExited,
    ContainerRecreated,
    Message,
    ResourceEvent,
)
from compose.scheduling.events import Event as Happened
from compose.scheduling.follow import LogStreams
from compose.scheduling.observe import observe
from compose.scheduling.session import Session, records_of
from runtime import tasks
from runtime.errors import NotFound
from runtime.values import ContainerRecord, Event, RunState

ABORTING = "Aborting on container exit..."
STOPPING = "Gracefully Stopping... press Ctrl+C again to force"


async def up_attached(session: Session, options: UpOptions, plan: Plan, observed: Observed) -> int:
    """The exit code of `up`. Raises ActionFailed, Interrupted."""
    attachment = Attachment(session, options, plan, observed)
    return await attachment.run()


class Attachment:
    """One attached `up`."""

    def __init__(
        self, session: Session, options: UpOptions, plan: Plan, observed: Observed
    ) -> None:
        self._session = session
        self._options = options
        self._plan = plan
        self._observed = observed
        project = session.project
        self._shown = shown_services(session, options)
        self._monitored = set(options.services or project.services)
        self._one_shots = one_shots(project)
        self._names: dict[str, str] = {}
        """Name -> id of the containers that were seen under it."""
        self._codes: dict[str, int] = {}
        """Service -> the code of its first end."""
        self._over = tasks.event()
        self._is_started = False
        self._is_interrupted = False
        self._is_attaching_told = False
        self._exit_code = 0
        self._aborted = False

    async def run(self) -> int:
        session = self._session
        session.announce(self._plan, self._observed)
        self._work = session.work(self._observed, quiet_pull=self._options.quiet_pull)
        self._work.on_event = self._pass_on
        if not any(isinstance(action, StartContainer) for action in self._plan):
            self._tell_attaching()
        async with tasks.group() as group:
            self._group = group
            self._streams = LogStreams(
                session.engine, group, session.on_event, timestamps=self._options.timestamps
            )
            self._follow_existing()
            self._work.on_made = self._follow_new
            self._work.states.listen(self._on_event)
            group.start_soon(self._work.states.watch)
            with session.interrupts.handled_by(self._on_signal):
                await self._start()
                await self._over.wait()
                await self._end()
            group.cancel()
        if self._is_interrupted:
            raise Interrupted("interrupted", code="E290")
        return self._exit_code

    # --- what is shown

    def _pass_on(self, happened: Happened) -> None:
        """What is made is told first; the lines of containers begin with the first start."""
        is_start = isinstance(happened, ResourceEvent) and happened.text == "Starting"
        if is_start and not self._is_attaching_told:
            self._tell_attaching()
        self._session.on_event(happened)

    def _tell_attaching(self) -> None:
        self._is_attaching_told = True
        going = {a.id for a in self._plan if isinstance(a, RemoveContainer)}
        names = {
            record.name
            for record in self._observed.containers
            if self._is_shown(record) and record.id not in going
        }
        names.update(
            action.name
            for action in self._plan
            if isinstance(action, CreateContainer) and action.service in self._shown
        )
        if names:
            project = self._session.project.name
            short = tuple(short_name(project, name) for name in sorted(names))
            self._session.on_event(Attaching(names=short))

    def _is_shown(self, record: ContainerRecord) -> bool:
        return record.options.service in self._shown and is_replica(record)

    def _follow_existing(self) -> None:
        for record in self._observed.containers:
            self._names[record.name] = record.id
            if self._is_shown(record):
                self._streams.add(record, tail=0)

    def _follow_new(self, record: ContainerRecord, name: str) -> None:
        """A container was made by this command, to have the name in the end."""
        self._names[name] = record.id
        if self._is_shown(record):
            self._streams.add(record)

    # --- what happens

    def _on_event(self, event: Event, state: RunState | None) -> None:
        if event.type != "container":
            return
        if event.action == "start" and event.id not in self._streams:
            self._follow_stranger(event.id)
        if event.action == "die" and state is not None:
            self._on_end(event.id, state)

    def _follow_stranger(self, container_id: str) -> None:
        """Somebody else scaled up or recreated while we watch."""
        try:
            record = self._session.engine.container(container_id)
        except NotFound:
            return
        if not self._is_shown(record):
            return
        known = self._names.get(record.name)
        self._names[record.name] = record.id
        if known is not None and known != record.id:
            self._session.on_event(
                ContainerRecreated(name=self._short(record), service=record.options.service)
            )
        self._streams.add(record)

    def _on_end(self, container_id: str, state: RunState) -> None:
        try:
            record = self._session.engine.container(container_id)
        except NotFound:
            return
        service = record.options.service
        if not is_replica(record) or service not in self._monitored | self._shown:
            return
        self._streams.flush(container_id)
        restarting = state.status == "restarting"
        if self._is_shown(record) and self._names.get(record.name) == record.id:
            self._session.on_event(
                ContainerExited(
                    name=self._short(record),
                    service=service,
                    exit_code=state.exit_code,
                    restarting=restarting,
                )
            )
            if state.oom_killed:
                self._session.warn(
                    f"{self._short(record)} was {describe_exit(137, oom_killed=True)}"
                )
        if service in self._monitored and not restarting:
            self._codes.setdefault(service, state.exit_code)
            self._maybe_abort(service, state.exit_code)
        self._maybe_finish()

    def _short(self, record: ContainerRecord) -> str:
        return short_name(self._session.project.name, record.name)

    # --- how it ends

    def _maybe_abort(self, service: str, code: int) -> None:
        options = self._options
        on_exit = options.abort_on_container_exit or bool(options.exit_code_from)
        if self._aborted or self._is_interrupted:
            return
        if on_exit:
            is_expected = code == 0 and service in self._one_shots
            if is_expected and service != options.exit_code_from:
                return
        elif not (options.abort_on_container_failure and code):
            return
        self._aborted = True
        self._exit_code = code
        self._session.on_event(Message(text=ABORTING, level="error", stack_wide=True))
        self._finish()

    def _maybe_finish(self) -> None:
        """Nothing is left to wait for once all are started and all have ended."""
        if not self._is_started or self._work.states.is_one_coming_back:
            return
        records = records_of(self._session.engine, self._session.project, self._monitored)
        if all(self._work.states.get(record.id).status in GONE for record in records):
            self._finish()

    def _finish(self) -> None:
        self._over.set()
        if self._starting is not None:
            self._starting.cancel()

    def _on_signal(self, _number: int, count: int) -> None:
        if count == 1:
            self._is_interrupted = True
            self._session.on_event(Message(text=STOPPING, level="error", stack_wide=True))
            self._finish()
        elif count == 2:
            self._group.start_soon(self._kill)

    async def _start(self) -> None:
        """The plan; an abort or a signal ends it early."""
        async with tasks.group() as self._starting:
            await self._session.run_beside(self._plan, self._work)
        self._starting = None
        self._is_started = True
        self._maybe_finish()

    _starting: tasks.Group | None = None

    async def _end(self) -> None:
        if not (self._aborted or self._is_interrupted):
            return
        project = self._session.project
        observed = observe(self._session.engine, project, names=())
        wishes = StopOptions(services=self._options.services, timeout=self._options.timeout)
        stop = teardown.stop(project, observed, wishes)
        await self._session.run_beside(stop, self._work)
        if self._options.exit_code_from:
            await self._code_of(self._options.exit_code_from)

    async def _code_of(self, service: str) -> None:
        """`--exit-code-from`: the code of that service's first end, also by the abort itself."""
        with tasks.move_on_after(1):
            code = await self._work.states.until(lambda: self._codes.get(service))
            self._exit_code = code

    async def _kill(self) -> None:
        project = self._session.project
        observed = observe(self._session.engine, project, names=())
        plan = teardown.kill(project, observed, KillOptions(services=self._options.services))
        await self._session.run_beside(plan, self._work)


def shown_services(session: Session, options: UpOptions) -> set[str]:
    """The services whose output is followed."""
    services = session.project.services
    selection.check_services(
        session.project, (*filter(None, [options.exit_code_from]), *options.attach)
    )
    if options.attach:
        chosen = set(options.attach)
    else:
        names = options.services or tuple(services)
        if options.services and options.attach_dependencies:
            names = closure(services, names)
        chosen = {name for name in names if services[name].attach is not False}
    return chosen - set(options.no_attach)
