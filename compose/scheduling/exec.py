"""`exec`: a further process in a running container. Needs the container, no Compose file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compose.errors import ComposeError, NotFound
from compose.options import ExecOptions, Stdio
from compose.scheduling import stdio as streams
from compose.scheduling.capture import Captured, captured
from compose.scheduling.events import ResourceEvent
from compose.scheduling.interrupts import Interrupts
from runtime import values
from runtime.engine import Engine
from runtime.values import ContainerRecord


def target(records: Iterable[ContainerRecord], service: str, index: int = 0) -> ContainerRecord:
    """The lowest running replica (or the `index`-th), else a one-off. Raises ComposeError."""
    running = [
        record
        for record in records
        if record.options.service == service and record.state.status in ("running", "paused")
    ]
    running.sort(key=lambda record: (record.options.oneoff, record.options.number))
    for record in running:
        if not index or record.options.number == index:
            return record
    number = f" container #{index}" if index else ""
    raise ComposeError(f'service "{service}" is not running{number}', code="E209")


def executing(record: ContainerRecord, options: ExecOptions) -> ResourceEvent:
    """What a dry run says in its place."""
    import shlex

    return ResourceEvent(
        id=f"Container {record.name}",
        text="Executing",
        status="Done",
        details=shlex.join(options.command),
    )


async def execute(
    engine: Engine,
    record: ContainerRecord,
    options: ExecOptions,
    environment: Mapping[str, str],
    *,
    stdio: Stdio | None,
    interrupts: Interrupts,
) -> Captured:
    """Its exit code and, with `stdio` None, its output. `environment` is the project's."""
    asked = values.ExecOptions(
        command=options.command,
        environment=resolved(options.environment, environment),
        user=options.user,
        working_dir=options.working_dir,
        tty=options.tty,
        privileged=options.privileged,
        detach=options.detach,
    )
    if options.detach:
        session = await engine.exec(record.id, asked)
        session.close()
        return Captured(0, b"", b"")
    if stdio is None:
        return await captured(engine, record.id, asked)
    if not options.interactive:
        stdio = Stdio(stdin=-1, stdout=stdio.stdout, stderr=stdio.stderr)
    if options.tty:
        return await _in_terminal(engine, record, asked, stdio, interrupts)
    with streams.handed(stdio) as one:
        try:
            session = await engine.exec(record.id, asked, stdio=one.given)
        finally:
            streams.close_given(one)
        try:
            return Captured(await streams.move(one, session.wait), b"", b"")
        finally:
            session.close()


async def _in_terminal(
    engine: Engine,
    record: ContainerRecord,
    asked: values.ExecOptions,
    stdio: Stdio,
    interrupts: Interrupts,
) -> Captured:
    size = streams.size_of(stdio.stdout) or (80, 24)
    session = await engine.exec(record.id, asked, size=size)
    try:
        if session.pty is None:
            raise NotFound(f"{record.name} has no terminal to give", code="E209")
        code = await streams.move_terminal(session.pty, stdio, session.wait, interrupts)
        return Captured(code, b"", b"")
    finally:
        session.close()


def resolved(wanted: Mapping[str, str | None], known: Mapping[str, str]) -> dict[str, str]:
    """`-e NAME` passes the project's value, if it has one."""
    return {
        name: value if value is not None else known[name]
        for name, value in wanted.items()
        if value is not None or name in known
    }
