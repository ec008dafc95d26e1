"""A supervisor from its start to its end. Read `supervise` first: one task per line.

take over -> serve clients -> until nothing is left, the keeper is lost, or SIGTERM
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from runtime import start_keeper, tasks
from runtime.errors import Unreachable
from runtime.linux import faults, files, rlimits
from runtime.messages import ExecExited, Exited
from runtime.paths import UNKNOWN_PROJECT, Paths
from runtime.supervisor import exits, idle, leases, stops, takeover
from runtime.supervisor import socket as clients
from runtime.supervisor.keeper_link import KeeperLink
from runtime.supervisor.log_writer import LogWriter, report
from runtime.supervisor.machine import Machine
from runtime.supervisor.project import Project, report_exception
from runtime.supervisor.wire import Wire

LISTENER = 3
CHANNEL = 4
ROOM = 1024
SUCCESSION_SECONDS = 20.0
PREDECESSOR_SECONDS = 60.0
"""It kills the containers of a lost keeper, all at once; `stops` says how long that may take."""
LINE_SECONDS = 2.0
"""Between the end of the connection to a keeper and its own."""
MakeMachine = Callable[[Paths, str], Machine]


def main(data: str, run: str, project_id: str, *, make_machine: MakeMachine | None = None) -> None:
    """Returns when the project is idle or its keeper was lost. `make_machine` is for tests."""
    faults.configure("supervisor")
    os.chdir("/")
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # R16
    rlimits.raise_open_files()
    paths = Paths(Path(data), Path(run))
    if project_id == UNKNOWN_PROJECT:
        from runtime.supervisor import local_machine

        local_machine.load()
        project_id = files.read_line(CHANNEL)
        if not project_id:
            return
        files.write_output_to(paths.project(project_id).engine_log)
    _make_room_for_descriptors()
    for descriptor in (LISTENER, CHANNEL):
        os.set_inheritable(descriptor, False)
    tasks.run(supervise, paths, project_id, make_machine or _local_machine)


def _make_room_for_descriptors() -> None:
    """Beside other threads the kernel waits 10 ms for them each time when its table grows."""
    with contextlib.suppress(OSError):
        os.close(fcntl.fcntl(LISTENER, fcntl.F_DUPFD_CLOEXEC, ROOM - 1))


def _local_machine(paths: Paths, project_id: str) -> Machine:
    from runtime.supervisor.local_machine import LocalMachine

    return LocalMachine(paths, project_id)


async def supervise(paths: Paths, project_id: str, make_machine: MakeMachine) -> None:
    channel = socket.socket(fileno=CHANNEL)
    keeper_pid = _pid_of_keeper(channel)
    keeper_end = _open_end_of_keeper(keeper_pid)
    lock = await _wait_for_predecessor(paths.project(project_id).states)
    listener = socket.socket(fileno=LISTENER)
    wire = Wire(channel)
    logs = LogWriter()
    project: Project

    def hear(message: object) -> None:
        _hear(project, message)

    async with tasks.group() as group:
        project = Project(
            paths=paths.project(project_id),
            machine=make_machine(paths, project_id),
            keeper=KeeperLink(wire, hear=hear),
            logs=logs,
            group=group,
        )
        # what is imported by now stays for ever: no collection needs to look at it again
        gc.freeze()
        gc.enable()
        group.start_soon(_hear_keeper, project, os.dup(keeper_end))
        group.start_soon(logs.run)
        try:
            await takeover.take_over(project)
        except Unreachable:
            await _end_with_keeper(project, keeper_end, listener, lock, paths, project_id)
            project.bulletin.write()
            project.machine.close()
            return
        group.start_soon(clients.serve, project, listener)
        group.start_soon(_end_with_keeper, project, keeper_end, listener, lock, paths, project_id)
        group.start_soon(_end_by_signal, project)
        # not getppid: of a keeper that just died it says the machine's first process
        project.start_task(_keep_house, project, (keeper_pid, os.getpid()))
        project.start_task(project.machine.maintain)
        await idle.wait_for_idle(project)
        group.cancel()
    project.bulletin.write()
    project.machine.close()


async def _keep_house(project: Project, pids: tuple[int, ...]) -> None:
    """Beside the first start, which needs nothing of it."""
    await project.machine.settle(pids)
    # only now: a group that nobody is in would be taken for a stray
    await project.machine.sweep()


def _hear(project: Project, message: object) -> None:
    match message:
        case Exited(record=record):
            project.start_task(exits.container_ended, project, record)
        case ExecExited():
            project.executions.ended(message)
        case _:
            report(f"the keeper said {type(message).__name__}")


def _pid_of_keeper(channel: socket.socket) -> int:
    """Who made the channel, alive or not."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], sys.byteorder)


def _open_end_of_keeper(keeper: int) -> int:
    """Readable when the keeper has ended. One that died before we came this far has left us to
    somebody else, who will not end."""
    if keeper == os.getppid():
        pidfd = os.pidfd_open(keeper)
        if keeper == os.getppid():
            return pidfd
        os.close(pidfd)
    ended, write_end = os.pipe2(os.O_CLOEXEC)
    os.close(write_end)
    return ended


async def _wait_for_predecessor(folder: Path) -> int:
    """A lock on the folder of the states that we are about to write: a supervisor whose keeper was
    lost may still be killing its containers. Raises Unreachable."""
    deadline = time.monotonic() + PREDECESSOR_SECONDS
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unreachable("the supervisor of the lost keeper does not end") from None
            # no event tells when a lock is let go; this happens after a lost keeper only
            await tasks.sleep(0.01)
        else:
            return descriptor


async def _hear_keeper(project: Project, keeper_end: int) -> None:
    """Until it ends, or hangs up on us (a frame that it could not read): then our end is all that
    gives it a new line, to the next supervisor."""
    await project.keeper.run()
    with tasks.move_on_after(LINE_SECONDS) as waiting:
        await tasks.wait_readable(keeper_end)
    if waiting.cancelled_caught:
        report("the keeper has hung up: the next supervisor goes on")
        project.group.cancel()


async def _end_with_keeper(
    project: Project,
    keeper_end: int,
    listener: socket.socket,
    lock: int,
    paths: Paths,
    project_id: str,
) -> None:
    """R11. The last deed is to start the next keeper, if there is something for it to do."""
    # forever: until the keeper ends
    await tasks.wait_readable(keeper_end)
    tasks.notify_closing(listener)
    listener.close()
    wanted = await takeover.after_lost_keeper(project)
    if wanted or project.leases:
        # a planned fault strikes once
        faults.configure("supervisor", {})
        try:
            with tasks.fail_after(SUCCESSION_SECONDS):
                await start_keeper.wait_until_listening(paths, project_id)
                # the next supervisor waits for this lock
                os.close(lock)
                await leases.hand_over(project, paths.project(project_id))
        except Exception:
            report_exception("starting the next keeper")
    project.group.cancel()


async def _end_by_signal(project: Project) -> None:
    """SIGTERM (the machine goes down, an administrator): everything stops in its own time. What was
    wanted stays wanted, so that `boot` starts it again."""
    arrived, written = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    while True:
        # forever: until somebody ends us
        await tasks.wait_readable(arrived)
        os.read(arrived, 4096)
        report("SIGTERM: the project's containers are stopped")
        project.is_ending = True
        await stops.stop_all(project, grace=None, by_hand=False)
        project.note_change()
