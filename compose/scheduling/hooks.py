"""Lifecycle hooks: `post_start` and `pre_stop` in the running container, `pre_start` in its own.

Their output is told line by line, as that of the container's hook; the end of it comes with the
failure. Source: reference cli.md 8.
"""

from __future__ import annotations

from collections.abc import Mapping

from compose.errors import ActionFailed
from compose.model.attribute import replace
from compose.model.lifecycle import Hook, StartHook
from compose.planning import labels
from compose.planning.actions import RunHooks, short_name
from compose.scheduling import reports
from compose.scheduling.capture import captured
from compose.scheduling.container_options import Making, container_options
from compose.scheduling.events import LogOutput
from compose.scheduling.work import Work
from runtime import tasks
from runtime.errors import NotFound, RuntimeFault
from runtime.values import ExecOptions

KILLED = 137
END_SECONDS = 1.0


async def run(work: Work, action: RunHooks) -> None:
    """All hooks of the kind, in order. Raises ActionFailed for the first that fails."""
    service = work.project.all_services[action.service]
    if action.kind == "pre_start":
        for index, start_hook in enumerate(service.pre_start):
            await _run_before_start(work, action, start_hook, index)
        return
    for hook in service.post_start if action.kind == "post_start" else service.pre_stop:
        await _run_inside(work, action, hook)


async def _run_inside(work: Work, action: RunHooks, hook: Hook) -> None:
    options = ExecOptions(
        command=hook.command or (),
        environment=_environment(work, hook.environment),
        user=hook.user,
        working_dir=hook.working_dir,
        privileged=hook.privileged,
    )
    id = work.id_of(action.name, action.id)
    try:
        done = await captured(work.engine, id, options)
    except RuntimeFault as error:
        if failure := await _too_late(work, action, id, was_killed=True):
            raise failure from error
        raise
    for stream, output in (("stdout", done.stdout), ("stderr", done.stderr)):
        _tell(work, action, stream, output)
    if done.exit_code:
        was_killed = done.exit_code == KILLED
        raise await _too_late(work, action, id, was_killed=was_killed) or ActionFailed(
            f"{action.service} hook exited with status {done.exit_code}",
            code="E207",
            details=reports.quoted(done.stderr or done.stdout),
            hint=_hint(action),
        )


def _hint(action: RunHooks) -> str:
    """A `pre_stop` that fails keeps its container, as in Docker Compose: for ever, if need be."""
    if action.kind != "pre_stop":
        return ""
    return f"`pycompose kill {action.service}` ends it without its hooks"


async def _too_late(
    work: Work, action: RunHooks, id: str, *, was_killed: bool
) -> ActionFailed | None:
    """When the container is over, that is why its hook could not run, or was killed. `was_killed`:
    then the end of the container may be known a moment after that of the hook."""
    if action.kind != "post_start":
        return None
    code = ended_with(work, id)
    if code is None and was_killed:
        with tasks.move_on_after(END_SECONDS):
            code = await _end_of(work, id)
    if code is None:
        return None
    return ActionFailed(
        f"{action.name} ended with {code} before its {action.kind} hook was done",
        code="E207",
        details=reports.describe_container(work.engine, id),
    )


async def _end_of(work: Work, id: str) -> int | None:
    async with work.engine.watch() as happenings:
        if (code := ended_with(work, id)) is not None:
            return code
        async for _happened in happenings:
            if (code := ended_with(work, id)) is not None:
                return code
    return None


def ended_with(work: Work, id: str) -> int | None:
    """The exit code of a container that does not run any more."""
    try:
        state = work.engine.container(id).state
    except NotFound:  # with --rm
        return 0
    return state.exit_code if state.status in ("exited", "dead", "restarting") else None


def _environment(work: Work, environment: Mapping[str, str | None]) -> dict[str, str]:
    """A name without a value takes that of the project's environment."""
    known = work.project.environment
    return {
        name: value if value is not None else known[name]
        for name, value in environment.items()
        if value is not None or name in known
    }


def _tell(work: Work, action: RunHooks, stream: str, output: bytes) -> None:
    if output:
        work.on_event(
            LogOutput(
                name=short_name(work.project.name, action.name),
                service=action.service,
                text=output.rstrip(b"\n"),
                stream=stream,
                container=action.name,
                hook=True,
            )
        )


async def _run_before_start(work: Work, action: RunHooks, hook: StartHook, index: int) -> None:
    """A container like the service's first, which must end with 0; it stays when it does not."""
    service = work.project.all_services[action.service]
    changed = replace(
        service,
        command=hook.command,
        image=hook.image or service.image,
        user=hook.user or service.user,
        privileged=hook.privileged,
        working_dir=hook.working_dir or service.working_dir,
        environment={**service.environment, **_environment(work, hook.environment)},
        ports=(),
        healthcheck=None,
        restart="no",
        deploy=None,
    )
    name = f"{work.project.name}-{service.name}-pre_start-{index}"
    options = container_options(
        work.project, changed, Making(name=name, number=0, use_aliases=False, volatile=True)
    )
    import dataclasses  # 20 ms that few need

    own = {**options.labels, labels.HOOK: "pre_start"}
    own.pop(labels.CONFIG_HASH)
    first = work.id_of(action.name, action.id)
    record = await work.engine.create_container(
        dataclasses.replace(options, labels=own, config_hash="", volumes_from=(first,))
    )
    started = await work.engine.start_container(record.id)
    work.states.put(record.id, started.state)
    code = await work.states.until(lambda: _exit_code(work, record.id))
    for line in work.engine.read_logs(record):
        _tell(work, action, line.stream, line.text)
    if code:
        raise ActionFailed(
            f'service "{service.name}" pre_start[{index}] exited with code {code}',
            code="E207",
            details=reports.describe_container(work.engine, record.id),
        )
    await work.engine.remove_container(record.id, volumes=True)


def _exit_code(work: Work, container_id: str) -> int | None:
    state = work.states.get(container_id)
    return state.exit_code if state.status in ("exited", "dead") else None
