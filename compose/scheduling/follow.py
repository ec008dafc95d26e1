"""Several logs at once, told line by line as they are written: for attached `up` and `logs -f`.

A follower belongs to a container, not to a run: it goes on over restarts. New containers are added
while it goes. Lines that came together are told together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from compose.exit_codes import describe_exit
from compose.options import LogsOptions, Services
from compose.planning.observed import GONE, is_replica, is_up
from compose.scheduling.events import ContainerExited, Message, OnEvent
from compose.scheduling.outputs import outputs, shown_name
from compose.scheduling.states import ATTEMPTS, States
from runtime import tasks
from runtime.engine import Engine, LogFollower
from runtime.errors import NotFound, RuntimeFault
from runtime.values import ContainerRecord, Event, LogLine, RunState


class Followed:
    """A container whose log is followed."""

    def __init__(self, record: ContainerRecord, follower: LogFollower) -> None:
        self.record = record
        self.follower = follower


class LogStreams:
    """The followed containers of one verb, by id."""

    def __init__(
        self,
        engine: Engine,
        group: tasks.Group,
        on_event: OnEvent,
        *,
        timestamps: bool = False,
        since: float | None = None,
        until: float | None = None,
    ) -> None:
        self._engine = engine
        self._group = group
        self._on_event = on_event
        self._timestamps = timestamps
        self._since = since
        self._until = until
        self._followed: dict[str, Followed] = {}

    def __contains__(self, container_id: str) -> bool:
        return container_id in self._followed

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._followed)

    def record(self, container_id: str) -> ContainerRecord:
        return self._followed[container_id].record

    def add(self, record: ContainerRecord, *, tail: int | None = None) -> None:
        """Follow it from the start, or from its last `tail` lines. One without a log is silent."""
        if record.id in self._followed:
            return
        try:
            follower = self._engine.follow_logs(
                record,
                tail=tail,
                since=self._since,
                until=self._until,
                timestamps=self._timestamps,
            )
        except RuntimeFault:  # driver none
            return
        self._followed[record.id] = Followed(record, follower)
        self._group.start_soon(self._follow, self._followed[record.id])

    async def _follow(self, one: Followed) -> None:
        try:
            while True:
                self._tell(one.record, one.follower.read())
                await tasks.wait_readable(one.follower)
        finally:
            self._followed.pop(one.record.id, None)
            one.follower.close()

    def flush(self, container_id: str) -> None:
        """Tell what a container that has ended left behind."""
        if (one := self._followed.get(container_id)) is not None:
            self._tell(one.record, one.follower.read())
            self._tell(one.record, one.follower.finish())

    def _tell(self, record: ContainerRecord, lines: Iterable[LogLine]) -> None:
        for output in outputs(record, lines):
            self._on_event(output)


async def follow_logs(
    engine: Engine,
    project: str,
    records: Sequence[ContainerRecord],
    options: LogsOptions,
    on_event: OnEvent,
) -> None:
    """What is there, and what comes, until every container has ended. New replicas and
    replacements of the services are followed too."""
    if not any(is_up(record) for record in records):
        tell_logs(engine, records, options, on_event)
        return
    async with tasks.group() as group:
        following = _Following(engine, project, options, on_event, group)
        for record in records:
            following.streams.add(record, tail=options.tail)
        group.start_soon(following.states.watch)
        await following.states.watched()
        await following.over()
        group.cancel()


def tell_logs(
    engine: Engine, records: Iterable[ContainerRecord], options: LogsOptions, on_event: OnEvent
) -> None:
    """What is there, one container after the other."""
    for record in records:
        lines = engine.read_logs(
            record,
            tail=options.tail,
            since=options.since,
            until=options.until,
            timestamps=options.timestamps,
        )
        for output in outputs(record, lines):
            on_event(output)


class _Following:
    """`logs -f` while it goes."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        options: LogsOptions,
        on_event: OnEvent,
        group: tasks.Group,
    ) -> None:
        self._engine = engine
        self._project = project
        self._options = options
        self._on_event = on_event
        self.states = States(engine)
        self.states.listen(self._on_change)
        self.streams = LogStreams(
            engine,
            group,
            on_event,
            timestamps=options.timestamps,
            since=options.since,
            until=options.until,
        )

    def _on_change(self, event: Event, state: RunState | None) -> None:
        if event.type != "container":
            return
        if event.action == "start" and event.id not in self.streams:
            self._add(event.id)
        if event.action == "die" and state is not None and event.id in self.streams:
            self._tell_end(event.id, state)

    def _add(self, container_id: str) -> None:
        try:
            record = self._engine.container(container_id)
        except NotFound:
            return
        wanted = self._options.services
        is_wanted = not wanted or record.options.service in wanted
        is_numbered = self._options.index in (0, record.options.number)
        if is_wanted and is_numbered and is_replica(record):
            self.streams.add(record)

    def _tell_end(self, container_id: str, state: RunState) -> None:
        self.streams.flush(container_id)
        record = self.streams.record(container_id)
        self._on_event(
            ContainerExited(
                name=shown_name(self._project, record.name),
                service=record.options.service,
                exit_code=state.exit_code,
                restarting=state.status == "restarting",
            )
        )
        if state.oom_killed:
            said = f"{shown_name(self._project, record.name)} was "
            self._on_event(
                Message(text=said + describe_exit(137, oom_killed=True), level="warning")
            )

    async def over(self) -> None:
        """Until everything that is followed has ended."""

        def is_over() -> bool | None:
            if self.states.is_one_coming_back:
                return None
            for container_id in self.streams.ids:
                try:
                    if self.states.get(container_id).status not in (*GONE, "created"):
                        return None
                except NotFound:
                    continue
            return True

        await self.states.until(is_over)
        for container_id in self.streams.ids:
            self.streams.flush(container_id)


async def follow_events(
    engine: Engine,
    project: str,
    services: Services,
    on_event: Callable[[Event], None],
    *,
    known: Callable[[], Iterable[Event]] = tuple,
    until: float | None = None,
) -> None:
    """Those that are known, then each event of the project as it happens, through any number of
    `down` and `up`. `until` is seconds since the epoch.

    What is known is read when nothing can be missed any more; what comes twice is told once.
    """
    rest = None if until is None else max(0.0, until - time.time())
    following = _FollowedEvents(engine, project, services, on_event, known)
    if rest == 0:
        following.tell_known()
        return
    with tasks.move_on_after(rest):
        await following.run()


class _FollowedEvents:
    """`events` while it goes. The supervisor tells of what it does; what a command does itself (it
    creates containers) stands in the database alone, and is looked up now and then."""

    LOOK = 0.25
    """Seconds between two looks."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        services: Services,
        on_event: Callable[[Event], None],
        known: Callable[[], Iterable[Event]],
    ) -> None:
        self._engine = engine
        self._project = project
        self._services = services
        self._on_event = on_event
        self._known: Callable[[], Iterable[Event]] | None = known
        self._told: set[tuple[float, str, str]] = set()
        self._since = time.time()
        self._id: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        broken = 0
        while True:
            await self._project_is_there()
            try:
                async with self._engine.watch() as happenings, tasks.group() as group:
                    self.tell_known()
                    group.start_soon(self._look_until_gone, group)
                    async for happened in happenings:
                        broken = 0
                        self._look()
                        self._tell(happened.event)
                    group.cancel()
            except RuntimeFault:
                if broken >= ATTEMPTS:
                    raise
            broken += 1

    async def _project_is_there(self) -> None:
        """To watch a project that is not there would make one, and keep it."""
        while (found := self._engine.find_project(self._project)) is None:
            self.tell_known()
            await tasks.sleep(self.LOOK)
        if found.id != self._id:
            self._engine.look_anew()
            self._id = found.id

    async def _look_until_gone(self, group: tasks.Group) -> None:
        """`down` forgets a project, and the next `up` makes another one of the name."""
        found = self._engine.find_project(self._project)
        while found is not None and found.id == self._id:
            self._look()
            await tasks.sleep(self.LOOK)
            found = self._engine.find_project(self._project)
        group.cancel()

    def tell_known(self) -> None:
        """Once, what happened before."""
        if self._known is not None:
            for event in self._known():
                self._tell(event)
            self._known = None

    def _look(self) -> None:
        for event in self._engine.events(self._project, since=self._since):
            self._tell(event)
        newest = max((moment for moment, _, _ in self._told), default=0.0)
        self._since = max(self._since, newest - 1)
        self._told = {key for key in self._told if key[0] >= self._since}

    def _tell(self, event: Event) -> None:
        key = (event.time, event.action, event.id)
        if key in self._told:
            return
        self._told.add(key)
        if not self._services or event.attributes.get("service") in self._services:
            self._on_event(event)
