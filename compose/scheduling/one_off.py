"""`run`: a container of its own from a service's description, and what becomes of it.

Dependencies are brought up first. The one-off has no published ports unless asked, no restart
policy, no number, and its name is its only alias unless asked. Source: reference cli.md 11.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

from compose.errors import ActionFailed, ComposeError, NotFound
from compose.model.attribute import replace
from compose.model.mounts import Mount, is_host_path
from compose.model.mounts import parse_short as parse_mount
from compose.model.ports import Port
from compose.model.ports import parse_short as parse_port
from compose.model.project import Project
from compose.model.service import Service
from compose.model.volume import Volume
from compose.options import CreateOptions, RunOptions, Stdio, UpOptions
from compose.planning import images
from compose.planning.actions import CreateVolume, EnsureImage, RunHooks
from compose.planning.observed import Observed
from compose.planning.selection import check_services
from compose.planning.starts import waits
from compose.position import File, printable
from compose.scheduling import hooks, reports, up
from compose.scheduling import stdio as streams
from compose.scheduling.capture import Captured
from compose.scheduling.container_options import Making, container_options
from compose.scheduling.events import HandedOver
from compose.scheduling.exec import resolved
from compose.scheduling.observe import observe
from compose.scheduling.perform import perform, shared_ids
from compose.scheduling.session import Session
from compose.scheduling.work import Work
from compose.tree import Node, Origin, Refused
from runtime import tasks
from runtime.engine import StartedContainer
from runtime.errors import NotFound as NotInEngine
from runtime.errors import RuntimeFault
from runtime.values import ContainerRecord, VolumeOptions

SLUG_BYTES = 6
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
CLEANUP_SECONDS = 30.0
"""For the end of a container whose caller has gone on."""
FORWARDED_AS = {2: "SIGINT", 15: "SIGTERM"}


async def run(session: Session, options: RunOptions, stdio: Stdio | None) -> Captured:
    """Returns when it has ended, at once when detached."""
    async with session.leaving_nothing():
        try:
            return await _run(session, options, stdio)
        except RuntimeFault as error:
            failed = reports.placed(reports.as_failed(error), options.service, session.project)
            if failed.where is None:
                raise
            failed.exit_code = error.exit_code
            raise failed from error


def _check_name(name: str) -> None:
    if name and not _NAME.fullmatch(name):
        raise ComposeError(
            f"`{printable(name)}` is no container name that can be used",
            code="E038",
            hint=f"it matches {_NAME.pattern}",
        )


async def _run(session: Session, options: RunOptions, stdio: Stdio | None) -> Captured:
    _check_name(options.name)
    service = session.project.services.get(options.service)
    if service is None:
        check_services(session.project, (options.service,))
        raise NotFound(f'service "{options.service}" is disabled', code="E202")
    has_dependencies = await _bring_up_dependencies(session, service, options)
    project = changed_project(session.project, service, options)
    inner = session.on_project(project)
    observed = observe(session.engine, project, names=(service.name,))
    work = inner.work(observed, quiet_pull=options.quiet_pull)
    await _have_image(work, options)
    await _make_resources(session, inner, options, orphans_are_told=has_dependencies)
    record = await _make(work, options, keeps_no_log=options.detach or stdio is not None)
    if session.dry:
        return Captured(0, b"", b"", container=record.name)
    done = await _Running(inner, work, record, options, stdio).run()
    return done._replace(container=record.name)


async def _bring_up_dependencies(session: Session, service: Service, options: RunOptions) -> bool:
    """As `up -d` would, if there are any; the checks of the service itself are made too."""
    names = () if options.no_deps else tuple(service.depends_on)
    known = tuple(name for name in names if name in session.project.services)
    wishes = UpOptions(
        services=known or (service.name,),
        no_deps=not known,
        detach=True,
        pull=options.pull,
        quiet_pull=options.quiet_pull,
        remove_orphans=options.remove_orphans,
        ignore_orphans=options.ignore_orphans,
    )
    await up.check(session, (service.name, *known))
    up.warn_of_build(session, (service.name,), asked=options.build)
    if known:
        await up.up(session, wishes)
        await _wait_for(session, service, known)
    return bool(known)


async def _wait_for(session: Session, service: Service, dependencies: tuple[str, ...]) -> None:
    """Until they are as the service's `depends_on` asks. Raises ActionFailed."""
    observed = observe(session.engine, session.project, names=())

    async def wait(*names: str) -> None:
        await session.carry_out(waits(session.project, service, names, observed), observed)

    optional = [name for name in dependencies if not service.depends_on[name].required]
    await wait(*(name for name in dependencies if name not in optional))
    for name in optional:
        try:
            await wait(name)
        except ActionFailed as error:
            session.warn(f'optional dependency "{name}" failed to start: {error}')


async def _make_resources(
    session: Session, inner: Session, options: RunOptions, *, orphans_are_told: bool
) -> None:
    """The networks and volumes of the service itself, and the volumes that `--volume` names."""
    for key in inner.project.volumes.keys() - session.project.volumes.keys():
        name = inner.project.volumes[key].name
        if session.engine.volume(name) is None:
            work = session.work(Observed(), quiet_pull=options.quiet_pull)
            await perform(work, CreateVolume(options=VolumeOptions(name=name)))
    wishes = CreateOptions(
        services=(options.service,),
        no_deps=True,
        remove_orphans=options.remove_orphans,
        ignore_orphans=options.ignore_orphans or orphans_are_told,
    )
    await up.make_resources(inner, wishes)


def changed_project(project: Project, service: Service, options: RunOptions) -> Project:
    """The project with the service as `run`'s flags want it, under its own name."""
    changes: dict[str, Any] = {
        "container_name": "",
        "scale": 1,
        "tty": options.tty,
        "stdin_open": options.interactive,
        "environment": {
            **service.environment,
            **resolved(options.environment, project.environment),
        },
        "labels": {**service.labels, **options.labels},
        "cap_add": (*service.cap_add, *options.cap_add),
        "cap_drop": (*service.cap_drop, *options.cap_drop),
        "ports": _ports(service, options),
        "volumes": _volumes(project, service, options),
    }
    if options.command:
        changes["command"] = options.command
    if options.entrypoint is not None:
        changes["entrypoint"] = options.entrypoint
        # the service's command belongs to the service's entrypoint
        changes["command"] = options.command
    if options.user is not None:
        changes["user"] = options.user
    if options.working_dir is not None:
        changes["working_dir"] = options.working_dir
    changed = replace(service, **changes)
    volumes = {
        # a name that the file does not declare is a volume of the machine, as in Docker Compose
        key: project.volumes.get(key) or Volume(name=key, external=True)
        for key in (mount.source for mount in changed.volumes if mount.type == "volume")
        if key
    }
    return replace(
        project,
        services={**project.services, service.name: changed},
        volumes={**project.volumes, **volumes},
    )


def _ports(service: Service, options: RunOptions) -> tuple[Port, ...]:
    declared = service.ports if options.service_ports else ()
    return (*declared, *(port for text in options.publish for port in _parsed_ports(text)))


def _parsed_ports(text: str) -> list[Port]:
    try:
        entries: list[Any] = list(parse_port(text, _node(text)))
        return [Port(**fields) for fields in entries]
    except Refused as error:
        raise ComposeError(error.message, code=error.code, hint=error.hint) from error


def _volumes(project: Project, service: Service, options: RunOptions) -> tuple[Mount, ...]:
    """A mount of the command line takes the place of the service's at the same target."""
    asked = [_parsed_mount(text) for text in options.volumes]
    targets = {mount.target for mount in asked}
    return (*(mount for mount in service.volumes if mount.target not in targets), *asked)


def _parsed_mount(text: str) -> Mount:
    from compose.model.mounts import BindOptions, VolumeOptions

    try:
        said: dict[str, Any] = dict(parse_mount(text, _node(text)))
    except Refused as error:
        raise ComposeError(error.message, code=error.code, hint=error.hint) from error
    source = str(said.get("source", ""))
    if is_host_path(source):
        said["source"] = os.path.abspath(os.path.expanduser(source))
    bind, volume = said.pop("bind", None), said.pop("volume", None)
    return Mount(
        **said,
        bind=BindOptions(**bind) if isinstance(bind, dict) and bind else None,
        volume=VolumeOptions(**volume) if isinstance(volume, dict) and volume else None,
    )


def _node(text: str) -> Node:
    return Node(text, Origin(File("-", text), 1, 1))


async def _have_image(work: Work, options: RunOptions) -> None:
    project = work.project
    plan = images.refreshing(project, (options.service,), options, work.observed)
    if plan.is_empty:
        plan = images.missing(project, (options.service,), options, work.observed)
    for action in plan:
        assert isinstance(action, EnsureImage)
        await perform(work, action)


def _new_slug() -> str:
    return os.urandom(SLUG_BYTES).hex()


async def _make(work: Work, options: RunOptions, *, keeps_no_log: bool) -> ContainerRecord:
    project = work.project
    service = project.services[options.service]
    slug = _new_slug()
    name = options.name or f"{project.name}-{service.name}-run-{slug}"
    reference = images.image_of(project, service)
    image = work.engine.image(reference)
    making = Making(
        name=name,
        number=0,
        slug=slug,
        image_id=image.id if image else "",
        use_aliases=options.use_aliases,
        volatile=options.remove,
        # a caller who wants the output reads it from the log afterwards
        auto_remove=options.remove and keeps_no_log,
        ids=shared_ids(work, service.name),
        file_digests=work.file_digests,
        env_files=work.env_files,
    )
    # a verb that is cancelled here would not know what it made
    with work.told(f"Container {name}", "Creating", "Created"), tasks.scope(shield=True):
        record = await work.engine.create_container(container_options(project, service, making))
    work.made[name] = record
    return record


class _Running:
    """A one-off from its start to its end."""

    def __init__(
        self,
        session: Session,
        work: Work,
        record: ContainerRecord,
        options: RunOptions,
        stdio: Stdio | None,
    ) -> None:
        self._session = session
        self._work = work
        self._record = record
        self._options = options
        self._stdio = stdio
        self._engine = session.engine
        self._group: tasks.Group | None = None

    async def run(self) -> Captured:
        if self._options.detach:
            try:
                await self._start()
            except RuntimeFault:
                if self._options.remove:  # nobody will see it end
                    await self._remove()
                raise
            return Captured(0, b"", b"")
        try:
            async with tasks.group() as self._group:
                self._group.start_soon(self._work.states.watch)
                await self._work.states.watched()
                with self._session.interrupts.handled_by(self._forward):
                    done = await self._in_foreground()
                self._group.cancel()
        except BaseException:
            # past its deadline or interrupted: as subprocess.run, it leaves nothing running
            with tasks.move_on_after(CLEANUP_SECONDS, shield=True):
                await self._abandon()
            raise
        if self._options.remove:
            await self._remove()
        return done

    async def _abandon(self) -> None:
        if self._options.remove:
            await self._remove()
        elif self._engine.container(self._record.id).is_running:
            with suppress(RuntimeFault):  # it has just ended
                await self._engine.stop_container(self._record.id, grace=0)

    async def _in_foreground(self) -> Captured:
        if self._stdio is None:
            return await self._captured()
        stdio = self._stdio
        self._session.on_event(HandedOver(name=self._record.name))
        if not self._options.interactive:
            stdio = Stdio(stdin=-1, stdout=stdio.stdout, stderr=stdio.stderr)
        if self._options.tty:
            return await self._in_terminal(stdio)
        with streams.handed(stdio) as one:
            try:
                await self._start(stdio=one.given)
            finally:
                streams.close_given(one)
            return Captured(await streams.move(one, self._end), b"", b"")

    async def _in_terminal(self, stdio: Stdio) -> Captured:
        size = streams.size_of(stdio.stdout) or (80, 24)
        started = await self._start(size=size)
        if started.pty is None:
            return Captured(await self._end(), b"", b"")
        try:
            code = await streams.move_terminal(
                started.pty, stdio, self._end, self._session.interrupts
            )
        finally:
            os.close(started.pty)
        return Captured(code, b"", b"")

    async def _captured(self) -> Captured:
        await self._start()
        code = await self._end()
        lines = list(self._engine.read_logs(self._record))
        output = {
            stream: b"".join(line.text + b"\n" for line in lines if line.stream == stream)
            for stream in ("stdout", "stderr")
        }
        return Captured(code, output["stdout"], output["stderr"])

    async def _start(self, **given: Any) -> StartedContainer:
        # one that is still on its way could not be killed
        with tasks.scope(shield=True):
            started = await self._engine.start_container(self._record.id, **given)
        self._began(started)
        await self._run_hooks()
        return started

    def _began(self, started: StartedContainer) -> None:
        self._work.states.put(self._record.id, started.state)
        self._work.tell_warnings(self._record.name, started.warnings)

    async def _run_hooks(self) -> None:
        service = self._work.project.services[self._options.service]
        if service.post_start:
            action = RunHooks(
                project=self._work.project.name,
                service=service.name,
                name=self._record.name,
                id=self._record.id,
                kind="post_start",
            )
            try:
                await hooks.run(self._work, action)
            except ActionFailed:
                # a short command is over sooner than its hook: what counts is the command's end
                if hooks.ended_with(self._work, self._record.id) is None:
                    raise

    async def _end(self) -> int:
        """Its exit code."""

        def code() -> int | None:
            state = self._work.states.get(self._record.id)
            return state.exit_code if state.status in ("exited", "dead") else None

        return await self._work.states.until(code)

    def _forward(self, number: int, count: int) -> None:
        """Signals are the container's; insisting kills it."""
        name = FORWARDED_AS.get(number, "SIGTERM") if count < 3 else "SIGKILL"
        if self._group is not None:
            self._group.start_soon(self._kill, name)

    async def _kill(self, signal: str) -> None:
        try:
            await self._engine.kill_container(self._record.id, signal=signal)
        except RuntimeFault:  # it has just ended
            pass

    async def _remove(self) -> None:
        try:
            await self._engine.remove_container(self._record.id, force=True, volumes=True)
        except NotInEngine:  # the supervisor was faster
            pass
