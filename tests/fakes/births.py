"""Births without namespaces: forks plain processes that speak the init's side of its channel.

`args[0]` may be a stand-in for a failure: `!fail STEP CODE` sends StepFailed, `!die` ends before it
executes anything, `!hang` never gets ready.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import NamedTuple

from runtime.messages import Frames, Ready, StepFailed, receive, send


class Birth(NamedTuple):
    pid: int
    pidfd: int
    start_time: int
    channel: socket.socket


class PlainBirths:
    def fork_init(self, request, stdio):
        return _fork(request.spec["process"], stdio, waits=1, resolver=request.resolver)

    def fork_exec(self, request, stdio):
        return _fork(request.process, stdio, waits=0)


def _fork(process, stdio, *, waits, resolver=False):
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            _child(its, process, stdio, waits, resolver)
        except BaseException as error:
            sys.stderr.write(f"child: {error!r}\n")
        finally:
            os._exit(1)
    its.close()
    with open(f"/proc/{pid}/stat") as file:
        start_time = int(file.read().rpartition(")")[2].split()[19])
    return Birth(pid, os.pidfd_open(pid), start_time, ours)


def _child(channel, process, stdio, waits, resolver):
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGPIPE,
        signal.SIGTSTP,
        signal.SIGTTOU,
        signal.SIGCHLD,
        signal.SIGTERM,
    ):
        signal.signal(number, signal.SIG_DFL)
    frames = Frames()
    for _ in range(waits):
        receive(channel, frames)
    args = list(process["args"])
    if args[0] == "!hang":
        signal.pause()
    if args[0] == "!die":
        os._exit(3)
    if args[0] == "!fail":
        send(
            channel,
            StepFailed(step=args[1], message="no", answered="ENOENT", exit_code=int(args[2])),
        )
        os._exit(0)
    names, descriptors = _opened(process, resolver)
    send(channel, Ready(descriptors=names), 0, descriptors)
    receive(channel, frames)
    if stdio is not None:
        for number, descriptor in enumerate(stdio):
            os.dup2(descriptor, number)
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, 1 << 16)
    channel.set_inheritable(False)
    try:
        os.execve(args[0], args, dict(pair.split("=", 1) for pair in process.get("env", ())))
    except OSError as error:
        send(
            channel,
            StepFailed(
                step="L55 execve",
                message=f"{args[0]}: not found",
                answered=str(error),
                exit_code=127,
            ),
        )
        os._exit(127)


def _opened(process, resolver):
    if process.get("terminal"):
        master, slave = os.openpty()
        for number in range(3):
            os.dup2(slave, number)
        return ("pty",), [master]
    if resolver:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        return ("resolver-udp",), [udp.detach()]
    return (), []
