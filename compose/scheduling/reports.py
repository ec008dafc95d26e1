"""What is known about a failure, without being asked: exit meaning, last lines, last probe.

Gathers data from the engine's reads and puts it into the `details` of an ActionFailed; printing is
`compose/output`'s. Never a value of environment or labels. Source: DESIGN.md 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compose.errors import ActionFailed, ComposeError, without_step
from compose.exit_codes import describe_exit
from compose.model.project import Project
from compose.planning.actions import Action, EnsureImage
from compose.position import printable
from runtime.engine import Engine
from runtime.errors import RuntimeFault
from runtime.values import ContainerRecord

LAST_LINES = 10
LAST_BYTES = 2048
"""Of a hook's output and a probe's."""


def failure(failures: Sequence[tuple[Action, Exception]]) -> ActionFailed:
    """One error for all that went wrong while a plan ran: the first, and the others as details."""
    first = _of_action(*failures[0])
    first.service = getattr(failures[0][0], "service", "")
    if len(failures) == 1:
        return first
    details = list(first.details)
    for action, error in failures[1:]:
        other = _of_action(action, error)
        if other.message != first.message:
            details += ["", f"also: {other.message}", *other.details]
            if other.hint:
                details.append(f"hint: {other.hint}")
    return ActionFailed(
        first.message,
        code=first.code,
        where=first.where,
        hint=first.hint,
        details=details,
        service=first.service,
    )


def placed(failed: ActionFailed, service: str, project: Project) -> ActionFailed:
    """With the place in the file, where the engine speaks of an attribute of the service: `cap_add:
    NOSUCH` is no capability."""
    attribute = failed.message.lstrip("`").partition(":")[0].partition(".")[0].partition("`")[0]
    known = project.all_services.get(service)
    if failed.where is not None or known is None or not hasattr(known, attribute):
        return failed
    where = project.origins.key_of(("services", service, attribute))
    return ActionFailed(
        failed.message,
        code=failed.code,
        where=where,
        hint=failed.hint,
        details=failed.details,
    )


def _of_action(action: Action, error: Exception) -> ActionFailed:
    """An image that cannot be had is named, with who needs it, where the error knows neither."""
    failed = as_failed(error)
    if not isinstance(action, EnsureImage) or action.reference in failed.message:
        return failed
    users = f" of {', '.join(action.services)}" if action.services else ""
    return ActionFailed(
        f"image {action.reference}{users}: {failed.message}",
        code=failed.code,
        where=failed.where,
        hint=failed.hint,
        details=failed.details,
    )


def as_failed(error: Exception) -> ActionFailed:
    """Any error as one that ends a verb, with all that it says, and with 1: what the engine says of
    a program that cannot be started (126, 127) is the code of `run` and `exec` alone (cli.md 9)."""
    if isinstance(error, ActionFailed):
        return error
    if isinstance(error, ComposeError):
        return ActionFailed(
            error.message,
            code=error.code,
            where=error.where,
            hint=error.hint,
            details=error.details,
        )
    if isinstance(error, RuntimeFault):
        return ActionFailed(
            error.message,
            code=error.code,
            hint=error.hint,
            details=_tried(error),
        )
    return ActionFailed(f"{type(error).__name__}: {error}", code="E299")


def _tried(error: RuntimeFault) -> Iterator[str]:
    if error.tried:
        yield f"tried:    {without_step(error.tried)}"
    if error.answered:
        yield f"answered: {error.answered}"


def describe_container(engine: Engine, container_id: str) -> tuple[str, ...]:
    """How it ended or what ails it, its last probe, its last lines. Nothing, if it is gone."""
    try:
        record = engine.container(container_id)
        return (*_state(record), *_probe(record), *_last_lines(engine, record))
    except RuntimeFault:
        return ()


def describe_waits(engine: Engine, waited_for: Mapping[str, str]) -> tuple[str, ...]:
    """What was still waited for when time was up, and what is known about each."""
    lines: list[str] = []
    for container_id, wanted in waited_for.items():
        try:
            record = engine.container(container_id)
        except RuntimeFault:
            continue
        lines += ["", f"{record.name} is not {wanted} yet"]
        lines += describe_container(engine, container_id)
    return tuple(lines[1:])


def _state(record: ContainerRecord) -> Iterator[str]:
    state = record.state
    if state.error:
        yield f"{record.name}: {printable(state.error)}"
    if state.status in ("exited", "dead", "restarting"):
        meaning = describe_exit(state.exit_code, oom_killed=state.oom_killed)
        yield f"{record.name} exited with code {state.exit_code}" + (f": {meaning}" * bool(meaning))
    if state.restart_count:
        yield f"it was restarted {state.restart_count} times"


def _probe(record: ContainerRecord) -> Iterator[str]:
    if not record.state.probes or record.state.health == "healthy":
        return
    if record.state.status in ("exited", "dead") and record.state.health != "unhealthy":
        return  # a probe that the end of its container ended tells nothing
    last = record.state.probes[-1]
    how = "timed out" if last.exit_code == -1 else f"exited with code {last.exit_code}"
    streak = record.state.failing_streak
    yield f"its last probe {how}" + (f", {streak} failed in a row" if streak else "")
    yield from quoted(last.output.encode(errors="replace"))


def _last_lines(engine: Engine, record: ContainerRecord) -> Iterator[str]:
    lines = [line.text for line in engine.read_logs(record, tail=LAST_LINES)]
    if lines:
        yield f"the last lines of {record.name}:"
        yield from quoted(b"\n".join(lines))
    elif record.options.logging.driver == "none":
        yield f"{record.name} keeps no log (driver none)"


def quoted(output: bytes) -> Iterator[str]:
    """The end of some output, a line each, set in and without control characters."""
    text = output[-LAST_BYTES:].decode(errors="replace").rstrip()
    for line in text.split("\n")[-LAST_LINES:] if text else ():
        yield f"  | {printable(line)}"
