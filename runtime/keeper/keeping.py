"""What the keeper does with each message, exit and death of its supervisor. Read HANDLERS first.

It decides nothing: which containers run, how often they are restarted and where their output goes
is the supervisor's to say. Here the rule is order: an exit is written down before it is told,
sockets are closed before it is told, and a start is recorded before the program runs (L12).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runtime import codec
from runtime.keeper import exits
from runtime.keeper.births import Births, Newborn, Stdio
from runtime.keeper.containers import Asker, Container, Execution
from runtime.keeper.descriptors import OUTPUTS, Descriptors
from runtime.keeper.link import Link
from runtime.keeper.loop import Loop
from runtime.keeper.rescue import Rescue
from runtime.keeper.supervision import Supervision
from runtime.linux import faults, files, processes, rlimits
from runtime.messages import (
    Configure,
    Done,
    EndIfIdle,
    ExecExited,
    ExecFailed,
    ExecForked,
    ExecRequest,
    Exited,
    Failure,
    Forked,
    Hold,
    KeeperRecord,
    LaunchFailed,
    LaunchRequest,
    ProcessRecord,
    Release,
    Roster,
    Run,
    Running,
    StepFailed,
    TakeBack,
)
from runtime.paths import ProjectPaths

OOM_SCORE = -900
"""R17: the kernel looks for its victim elsewhere."""


class Keeper:
    """One project's."""

    def __init__(
        self,
        project: ProjectPaths,
        *,
        listener: socket.socket,
        supervision: Supervision,
        births: Births | None = None,
    ) -> None:
        self._project = project
        self._listener = listener
        self._supervision = supervision
        self._births = births or _births()
        self._loop = Loop()
        self._descriptors = Descriptors()
        self._rescue = Rescue(self._loop, self._descriptors)
        self._containers: dict[str, Container] = {}
        self._inits: dict[int, Container] = {}
        self._executions: dict[int, Execution] = {}
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self._link: Link | None = None
        self._children_oom_score: int | None = None

    def run(self) -> None:
        """Until EndIfIdle is granted."""
        # L64: what a container's process leaves behind falls to us and is reaped
        processes.become_subreaper()
        # R16: five descriptors a container and more; the init gets the old limit back
        rlimits.raise_open_files()
        self._children_oom_score = _avoid_the_oom_killer()
        self._watch_signals()
        self._connect()
        self._loop.run()

    # ---- the supervisor

    def _connect(self) -> None:
        channel = self._supervision.channel
        assert channel is not None
        self._link = Link(channel, self._loop, self._receive)
        self._write_keeper_record()

    def _supervisor_ended(self, exit_code: int) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self._kill_unfinished_starts()
        pause = self._supervision.ended()
        exits.report(f"the supervisor ended ({exit_code}); the next one starts in {pause:g} s")
        if not self._containers and not self._project.run.exists():
            # somebody removed the whole root: there is nothing to keep, and no supervisor can live
            exits.report(f"{self._project.run} is gone")
            self._loop.end()
            return
        if self._supervision.is_hopeless:
            exits.report("no supervisor stays alive: the keeper writes the logs itself")
            self._rescue.begin(self._containers.values())
            self._turn_clients_away()
        self._loop.call_later(pause, self._respawn)

    def _turn_clients_away(self) -> None:
        """They try again a few times, and then say what our log says."""
        with contextlib.suppress(OSError):
            while True:
                self._listener.accept()[0].close()

    def _respawn(self) -> None:
        try:
            self._supervision.spawn()
        except OSError as error:
            exits.report(f"no supervisor can be started: {error}")
            self._loop.call_later(self._supervision.ended(), self._respawn)
        else:
            self._connect()

    def _kill_unfinished_starts(self) -> None:
        """Nobody is left to connect their network; the next supervisor finds nothing half-made."""
        for container in self._inits.values():
            if not container.newborn.is_executed:
                os.kill(container.record.pid, signal.SIGKILL)
        for execution in self._executions.values():
            # whoever waited for it went with the supervisor
            os.kill(execution.pid, signal.SIGKILL)

    def _tell(self, message: Any) -> bool:
        if self._link is None:
            return False
        self._link.send(message)
        return True

    def _receive(self, message: Any, request_id: int, descriptors: list[int]) -> None:
        assert self._link is not None
        asker = Asker(link=self._link, request_id=request_id)
        handler = HANDLERS.get(type(message))
        if handler is None:
            _close(descriptors)
            asker.link.send(Failure(message=f"unknown: {type(message).__name__}"), request_id)
            return
        try:
            handler(self, message, asker, descriptors)
        except (ValueError, TypeError) as error:
            # descriptors that the kernel did not let through (R16) must not end every container
            exits.report(f"{type(message).__name__} is refused: {error}")
            asker.link.send(Failure(message=str(error), code="E332"), request_id)

    # ---- starting containers

    def _launch(self, request: LaunchRequest, asker: Asker, handed: list[int]) -> None:
        if request.container_id in self._containers:
            _close(handed)
            self._refuse(request, asker, "it runs already")
            return
        pipes = Pipes(request, handed)
        try:
            birth = self._births.fork_init(request, pipes.its)
        except Exception as error:  # whatever it was, the keeper must not die of it
            pipes.close_all()
            self._refuse(request, asker, str(error), answered=getattr(error, "answered", ""))
            return
        pipes.close_its()
        self._restore_oom_score(birth.pid, request.spec.get("process", {}))
        self._descriptors.release(request.container_id)
        self._descriptors.hold(request.container_id, tuple(pipes.ours), tuple(pipes.ours.values()))
        self._adopt(request, asker, birth)
        forked = Forked(
            container_id=request.container_id, pid=birth.pid, start_time=birth.start_time
        )
        asker.link.send(forked, asker.request_id, [birth.pidfd])
        os.close(birth.pidfd)

    def _restore_oom_score(self, pid: int, process: Mapping[str, Any]) -> None:
        """What is forked here must not share the keeper's protection."""
        score = self._children_oom_score
        if score is not None and "oomScoreAdj" not in process:
            with contextlib.suppress(OSError):
                processes.write_oom_score_adjustment(pid, score)

    def _refuse(
        self, request: LaunchRequest, asker: Asker, message: str, *, answered: str = ""
    ) -> None:
        asker.link.send(
            LaunchFailed(
                container_id=request.container_id, step="fork", message=message, answered=answered
            ),
            asker.request_id,
        )

    def _adopt(self, request: LaunchRequest, asker: Asker, birth: Any) -> None:
        container_id = request.container_id
        newborn = Newborn(
            birth,
            self._loop,
            ready=lambda names, descriptors: self._ready(container_id, names, descriptors),
            executed=lambda: self._executed(container_id),
        )
        container = Container(
            record=ProcessRecord(
                container_id=container_id,
                generation=request.generation,
                pid=birth.pid,
                start_time=birth.start_time,
                boot_id=self._boot_id,
            ),
            newborn=newborn,
            asker=asker,
            cgroup=request.cgroup,
            log_folder=request.log_folder,
            oom_kills_before=exits.oom_kills(request.cgroup),
        )
        self._containers[container_id] = self._inits[birth.pid] = container

    def _configure(self, message: Configure, asker: Asker, descriptors: list[int]) -> None:
        _close(descriptors)
        if container := self._containers.get(message.container_id):
            container.newborn.tell(message)

    def _ready(self, container_id: str, names: tuple[str, ...], descriptors: list[int]) -> None:
        container = self._containers[container_id]
        self._descriptors.hold(container_id, names, descriptors)
        container.start_at(time.time())
        try:
            exits.write_record(self._project.processes, container.record)
        except OSError as error:
            container.newborn.failure = StepFailed(
                step="L12 record", message="the start cannot be written down", answered=str(error)
            )
            os.kill(container.record.pid, signal.SIGKILL)
            return
        container.is_recorded = True
        container.newborn.tell(Run())

    def _executed(self, container_id: str) -> None:
        container = self._containers[container_id]
        names, descriptors = self._descriptors.of_running(container_id)
        container.asker.link.send(
            Running(container_id=container_id, descriptors=names),
            container.asker.request_id,
            descriptors,
        )

    # ---- further processes in a container

    def _exec(self, request: ExecRequest, asker: Asker, handed: list[int]) -> None:
        stdio = Stdio(*handed) if len(handed) == 3 else None
        try:
            birth = self._births.fork_exec(request, stdio)
        except Exception as error:  # as above
            self._exec_failed(request.exec_id, asker, StepFailed(step="fork", message=str(error)))
            return
        finally:
            _close(handed)
        self._restore_oom_score(birth.pid, request.process)
        self._adopt_execution(request, asker, birth)

    def _adopt_execution(self, request: ExecRequest, asker: Asker, birth: Any) -> None:
        newborn = Newborn(
            birth,
            self._loop,
            ready=lambda names, descriptors: self._exec_ready(birth.pid, descriptors),
            executed=lambda: self._exec_executed(birth.pid),
        )
        self._executions[birth.pid] = Execution(
            exec_id=request.exec_id,
            pid=birth.pid,
            pidfd=birth.pidfd,
            newborn=newborn,
            asker=asker,
        )

    def _exec_ready(self, pid: int, descriptors: list[int]) -> None:
        execution = self._executions[pid]
        if descriptors:
            execution.pty = descriptors.pop(0)
            _close(descriptors)
        execution.newborn.tell(Run())

    def _exec_executed(self, pid: int) -> None:
        execution = self._executions[pid]
        descriptors = [one for one in (execution.pty, execution.pidfd) if one is not None]
        execution.asker.link.send(
            ExecForked(exec_id=execution.exec_id, pid=pid),
            execution.asker.request_id,
            descriptors,
        )

    def _exec_failed(self, exec_id: str, asker: Asker, failure: StepFailed) -> None:
        asker.link.send(
            ExecFailed(
                exec_id=exec_id,
                message=failure.message,
                answered=failure.answered,
                hint=failure.hint,
                exit_code=failure.exit_code,
            ),
            asker.request_id,
        )

    # ---- ends

    def _reap(self) -> None:
        for pid in exits.reapable():
            if container := self._inits.get(pid):
                container.newborn.read()
            if execution := self._executions.get(pid):
                execution.newborn.read()
            self._child_ended(pid, exits.reap(pid))

    def _child_ended(self, pid: int, exit_code: int) -> None:
        if pid == self._supervision.pid:
            self._supervisor_ended(exit_code)
        elif container := self._inits.pop(pid, None):
            self._init_ended(container, exit_code)
        elif execution := self._executions.pop(pid, None):
            self._exec_ended(execution, exit_code)

    def _init_ended(self, container: Container, exit_code: int) -> None:
        container.ended(exit_code, at=time.time(), oom_kills=exits.oom_kills(container.cgroup))
        if not container.newborn.is_executed:
            self._start_failed(container)
            return
        exits.write_exit(self._project.processes, container.record)
        self._descriptors.release_all_but_output(container.id)
        container.is_told = self._tell(Exited(record=container.record))
        self._forget_if_done(container)

    def _start_failed(self, container: Container) -> None:
        if container.is_recorded:
            files.remove_file(exits.record_path(self._project.processes, container.record))
        self._descriptors.release(container.id)
        del self._containers[container.id]
        failure = container.newborn.failure or StepFailed(
            step="init",
            message="it died before its program was executed",
            answered=f"exit code {container.record.exit_code}",
        )
        container.asker.link.send(
            LaunchFailed(
                container_id=container.id,
                step=failure.step,
                message=failure.message,
                answered=failure.answered,
                hint=failure.hint,
                exit_code=failure.exit_code,
                oom_killed=container.record.oom_kills > 0,
            ),
            container.asker.request_id,
        )

    def _exec_ended(self, execution: Execution, exit_code: int) -> None:
        _close([one for one in (execution.pty, execution.pidfd) if one is not None])
        if execution.newborn.is_executed:
            self._tell(ExecExited(exec_id=execution.exec_id, exit_code=exit_code))
            return
        failure = execution.newborn.failure or StepFailed(
            step="exec",
            message="it died before its program was executed",
            answered=f"exit code {exit_code}",
            exit_code=126,
        )
        self._exec_failed(execution.exec_id, execution.asker, failure)

    def _forget_if_done(self, container: Container) -> None:
        held = self._descriptors.of(container.id)
        if container.has_ended and container.is_told and not any(name in held for name in OUTPUTS):
            self._descriptors.release(container.id)
            self._containers.pop(container.id, None)

    # ---- descriptors

    def _hold(self, message: Hold, asker: Asker, descriptors: list[int]) -> None:
        container = self._containers.get(message.owner)
        if container is not None and container.has_ended:
            # it ended while this was under way
            _close(descriptors)
        else:
            self._descriptors.hold(message.owner, message.names, descriptors)
        asker.link.send(Done(), asker.request_id)

    def _release(self, message: Release, asker: Asker, descriptors: list[int]) -> None:
        _close(descriptors)
        self._descriptors.release(message.owner, message.names)
        if container := self._containers.get(message.owner):
            self._forget_if_done(container)
        if asker.request_id:
            asker.link.send(Done(), asker.request_id)

    def _take_back(self, message: TakeBack, asker: Asker, descriptors: list[int]) -> None:
        _close(descriptors)
        self._rescue.end()
        for held, batch in self._descriptors.batches():
            asker.link.send(held, asker.request_id, batch)
        known = tuple(one for one in self._containers.values() if one.newborn.is_executed)
        roster = Roster(processes=tuple(one.record for one in known), lays_entries=True)
        asker.link.send(roster, asker.request_id)
        for container in known:
            container.is_told = container.has_ended
            self._forget_if_done(container)

    # ---- the end

    def _end_if_idle(self, message: EndIfIdle, asker: Asker, descriptors: list[int]) -> None:
        _close(descriptors)
        if self._inits or self._executions or not self._hide_from_clients():
            asker.link.send(Failure(message="not idle", code="E348"), asker.request_id)
            return
        asker.link.send(Done(), asker.request_id)
        self._remove_traces()
        self._loop.end()

    def _hide_from_clients(self) -> bool:
        """Take the socket away, unless somebody queues on it.

        One who looked the path up before and connects after the test below gets an end of file and
        connects anew (Hello); one who comes later finds no socket and starts a keeper, which waits
        for our lock.
        """
        hidden = self._project.control_socket.with_suffix(".ending")
        with faults.point("hide socket"):
            os.rename(self._project.control_socket, hidden)
        queue = select.poll()
        queue.register(self._listener, select.POLLIN)
        if queue.poll(0):
            with faults.point("show socket"):
                os.rename(hidden, self._project.control_socket)
            return False
        files.remove_file(hidden)
        return True

    def _remove_traces(self) -> None:
        """All of the project's folder if none of its containers has a state; else what is ours."""
        files.remove_file(self._project.keeper_record)
        for folder in (self._project.processes, self._project.states, self._project.run):
            _remove_torn(folder)
        try:
            with faults.point("remove record folders"):
                os.rmdir(self._project.processes)
                os.rmdir(self._project.states)
        except OSError:
            return
        files.remove_file(self._project.engine_log)
        files.remove_file(self._project.lock)
        try:
            with faults.point("remove run folder"):
                os.rmdir(self._project.run)
        except OSError as error:
            exits.report(f"{self._project.run} stays: {error}")

    # ---- around

    def _watch_signals(self) -> None:
        waking, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: None)
        self._loop.watch(waking, lambda: self._signalled(waking))
        # whatever ended before the handler stood
        self._reap()

    def _signalled(self, waking: int) -> None:
        numbers = os.read(waking, 4096)
        if signal.SIGTERM in numbers and self._supervision.pid:
            # the polite way to ask for the end of the project: the supervisor stops its containers
            os.kill(self._supervision.pid, signal.SIGTERM)
        self._reap()

    def _write_keeper_record(self) -> None:
        record = KeeperRecord(
            pid=os.getpid(),
            start_time=_start_time(os.getpid()),
            boot_id=self._boot_id,
            supervisor_pid=self._supervision.pid,
            supervisor_start_time=_start_time(self._supervision.pid),
        )
        try:
            files.write_atomically(self._project.keeper_record, codec.dumps(record).encode())
        except OSError as error:
            exits.report(f"{self._project.keeper_record} is not written: {error}")


HANDLERS: Mapping[type, Callable[[Keeper, Any, Asker, list[int]], None]] = {
    LaunchRequest: Keeper._launch,
    Configure: Keeper._configure,
    ExecRequest: Keeper._exec,
    Hold: Keeper._hold,
    Release: Keeper._release,
    TakeBack: Keeper._take_back,
    EndIfIdle: Keeper._end_if_idle,
}


class Pipes:
    """The two sides of a container's stdin, stdout and stderr, as the request wants them."""

    def __init__(self, request: LaunchRequest, handed: list[int]) -> None:
        self.its: Stdio | None = None
        self.ours: dict[str, int] = {}
        if request.stdio == "handed":
            self.its = Stdio(*handed)
        elif request.stdio == "pipes":
            self.its = Stdio(self._stdin(request), self._output("stdout"), self._output("stderr"))

    def _stdin(self, request: LaunchRequest) -> int:
        if not request.open_stdin:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        reading, self.ours["stdin"] = os.pipe2(os.O_CLOEXEC)
        return reading

    def _output(self, name: str) -> int:
        self.ours[name], writing = os.pipe2(os.O_CLOEXEC)
        # only our end: the program must not find its output non-blocking
        os.set_blocking(self.ours[name], False)
        return writing

    def close_its(self) -> None:
        if self.its is not None:
            _close(list(self.its))

    def close_all(self) -> None:
        self.close_its()
        _close(list(self.ours.values()))


def _remove_torn(folder: Path) -> None:
    """Files that somebody was just writing when he was killed."""
    for name in os.listdir(folder):
        if name.startswith("."):
            files.remove_file(folder / name)


def _births() -> Births:
    from runtime.keeper import inits

    return inits.Inits()


def _avoid_the_oom_killer() -> int | None:
    """The score that children get back; None when ours stays as it is."""
    path = Path("/proc/self/oom_score_adj")
    before = int(path.read_text())
    try:
        processes.write_oom_score_adjustment(os.getpid(), OOM_SCORE)
    except OSError:
        # lowering it takes CAP_SYS_RESOURCE; without it we are as good as others
        return None
    return before


def _start_time(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[19])


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
