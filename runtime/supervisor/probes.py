"""Health checks, on time: runs the probe when containers/health.py says so, and tells it the
result.

At most one probe of a container runs; a paused one is not asked. Source: D62, E09, R40.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from runtime import tasks
from runtime.containers import health
from runtime.errors import RuntimeFault
from runtime.frozen import dataclass
from runtime.supervisor.execs import KILL_SECONDS, Execution, execute
from runtime.supervisor.project import Project
from runtime.supervisor.supervised import Supervised
from runtime.supervisor.wire import close_all
from runtime.values import ExecOptions, ProbeResult

OUTPUT_LIMIT = 4096
START_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one probe; times are monotonic here."""

    exit_code: int
    output: bytes
    started_at: float
    ended_at: float


async def probe(project: Project, container: Supervised) -> None:
    """As long as the container runs. Without a health check, not at all."""
    record = container.record
    settings = health.settle(record.options, record.image)
    if settings is None:
        return
    resumed = bool(container.state.health)
    if resumed:
        container.health = _taken_over(container, project.clock())
    due = _follow(project, container, settings, health.Resumed() if resumed else health.Began())
    while True:
        # forever: until the run ends
        await tasks.sleep(max(0.0, due.time - project.clock()))
        if not container.thawed.is_set():
            await container.thawed.wait()
            due = _follow(project, container, settings, health.Resumed())
            continue
        event = await _ask(project, container, settings, early=due.early)
        due = _follow(project, container, settings, event)


def _taken_over(container: Supervised, now: float) -> health.HealthState:
    """What the last supervisor knew; its clock is ours, since both are the machine's."""
    age = time.time() - container.state.started_at
    return health.HealthState(
        status=container.state.health,
        failing_streak=container.state.failing_streak,
        results=container.state.probes,
        began_at=now - max(0.0, age),
    )


def _follow(
    project: Project,
    container: Supervised,
    settings: health.HealthSettings,
    event: health.Event,
) -> health.ProbeAt:
    """Advance the machine, say what changed, and return when to ask next."""
    before = container.health
    container.health, instructions = health.advance(settings, before, event, project.clock())
    state = container.health
    container.change(health=state.status, probes=state.results, failing_streak=state.failing_streak)
    due = health.ProbeAt(time=state.regular_due)
    for instruction in instructions:
        match instruction:
            case health.Become(status="starting"):
                project.write_state(container)
            case health.Become(status=status):
                project.publish(container, f"health_status: {status}")
            case health.ProbeAt():
                due = instruction
    if state.failing_streak != before.failing_streak or _says_something_new(state, before):
        # it is in the report of a start that failed or took too long
        project.write_state(container)
    return due


def _says_something_new(state: health.HealthState, before: health.HealthState) -> bool:
    """Early probes, which count for nothing, mostly repeat what the last one said."""

    def said(one: health.HealthState) -> tuple[int, str] | None:
        return (one.results[-1].exit_code, one.results[-1].output) if one.results else None

    return said(state) != said(before)


async def _ask(
    project: Project, container: Supervised, settings: health.HealthSettings, *, early: bool
) -> health.Probed:
    began = time.time()
    outcome = await run_probe(project, container, settings)
    listening = not early or outcome.exit_code != 0 or _ports_listen(container)
    result = ProbeResult(
        started_at=began,
        ended_at=began + (outcome.ended_at - outcome.started_at),
        exit_code=outcome.exit_code,
        output=outcome.output.decode("utf-8", "replace"),
    )
    return health.Probed(result=result, early=early, ports_listen=listening)


async def run_probe(
    project: Project, container: Supervised, settings: health.HealthSettings
) -> Outcome:
    """One probe, from fork to the end of its output."""
    started_at = project.clock()
    with contextlib.closing(_Output()) as output:
        exit_code = await _execute(project, container, settings, output)
    return Outcome(
        exit_code=exit_code,
        output=bytes(output.text),
        started_at=started_at,
        ended_at=project.clock(),
    )


async def _execute(
    project: Project, container: Supervised, settings: health.HealthSettings, output: _Output
) -> int:
    options = ExecOptions(command=settings.command)
    try:
        async with execute(
            project, container, options, stdio=output.stdio, start_within=START_TIMEOUT
        ) as execution:
            output.close_writing()
            return await _wait(execution, output, settings.timeout)
    except RuntimeFault as fault:
        output.text += f"{fault.message} {fault.answered}".strip().encode()
        return fault.exit_code if fault.exit_code > 1 else health.TIMED_OUT
    except TimeoutError:
        output.text += b"the probe could not be started in time"
        return health.TIMED_OUT


async def _wait(execution: Execution, output: _Output, timeout: float) -> int:
    exit_code = health.TIMED_OUT
    try:
        with tasks.move_on_after(timeout) as scope:
            async with tasks.group() as group:
                group.start_soon(output.collect)
                exit_code = await execution.wait()
                # a child of it that still holds the pipe is not waited for
                group.cancel()
    except BaseException:
        # the container ends or the project does: no probe outlives that
        execution.kill()
        raise
    if scope.cancelled_caught:
        await _kill(execution)
        output.text += f"health check exceeded timeout ({timeout:g} s)".encode()
    output.collect_rest()
    return exit_code


async def _kill(execution: Execution) -> None:
    """R40: the next probe begins when this one is gone."""
    execution.kill()
    with tasks.move_on_after(KILL_SECONDS):
        await execution.wait()


class _Output:
    """What a probe prints: all of it is read, the beginning of it is kept."""

    def __init__(self) -> None:
        self.text = bytearray()
        self._nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reading, False)
        self._open = [self._nothing, self._reading, self._writing]

    @property
    def stdio(self) -> tuple[int, int, int]:
        return self._nothing, self._writing, self._writing

    def close_writing(self) -> None:
        self._open.remove(self._writing)
        os.close(self._writing)

    def close(self) -> None:
        close_all(self._open)

    async def collect(self) -> None:
        while True:
            # forever: until the probe ends, which cancels this
            await tasks.wait_readable(self._reading)
            if not self._read():
                return

    def collect_rest(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._read():
                pass

    def _read(self) -> int:
        data = os.read(self._reading, 65536)
        self.text += data[: max(0, OUTPUT_LIMIT - len(self.text))]
        return len(data)


def _ports_listen(container: Supervised) -> bool:
    """Every TCP port that it declares takes connections from outside its loopback."""
    record = container.record
    declared = health.declared_tcp_ports(record.options, record.image)
    if not declared:
        return True
    net = Path(f"/proc/{container.state.pid}/net")
    tables = tuple(_read(net / name) for name in ("tcp", "tcp6"))
    return declared <= health.listening_ports(tables)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
