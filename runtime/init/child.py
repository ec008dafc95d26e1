"""The state of a process on its way to becoming the user's program, and its talk with the keeper.

One object per child, filled step by step; `sequence.py` (an init) and `join.py` (an exec) say in
which order. Which descriptors exist at which moment is the subject of V01: what is named here is
all there is.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from runtime import messages, spec
from runtime.errors import RuntimeFault, describe_errno
from runtime.frozen import dataclass, field
from runtime.init.users import Identity
from runtime.messages import Configure, ExecRequest, LaunchRequest, StepFailed

NEVER_RAN = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127


@dataclass(slots=True, kw_only=True)
class Child:
    """What an init and an exec have in common."""

    process: spec.Process
    channel: socket.socket
    seccomp_program: bytes = b""
    tty: bool = False
    columns: int = 0
    rows: int = 0
    owns_stdio: bool = False
    """stdin, stdout and stderr are pipes of ours: they may be given to the user (L51)."""

    root: int = -1
    """O_PATH on the container's root directory."""
    identity: Identity = field(default_factory=Identity)
    master: int = -1
    """Of the terminal, until it is sent away."""
    frames: messages.Frames = field(default_factory=messages.Frames)
    timings: list[tuple[str, float]] = field(default_factory=list)
    """(step, seconds), for --debug."""


@dataclass(slots=True, kw_only=True)
class InitChild(Child):
    """The container's PID 1."""

    request: LaunchRequest
    joined: dict[str, int] = field(default_factory=dict)
    """Kind -> descriptor of a namespace to enter."""
    proc: int = -1
    """A procfs of our own, attached nowhere (L45)."""
    configure: Configure = field(default_factory=lambda: Configure(container_id=""))
    resolver: list[socket.socket] = field(default_factory=list)
    made_read_only_last: list[int] = field(default_factory=list)
    """Mounts whose `ro` waits until nothing is created in them any more (L29)."""

    @property
    def linux(self) -> spec.Linux:
        linux: spec.Linux = self.request.spec.get("linux", {})
        return linux

    def has_own(self, kind: str) -> bool:
        """Whether the document gives the container a namespace of this kind (new or joined)."""
        return any(entry["type"] == kind for entry in self.linux.get("namespaces", ()))


@dataclass(slots=True, kw_only=True)
class ExecChild(Child):
    """A further process in a running container."""

    request: ExecRequest
    container: int
    """pidfd of the container's init."""


class Step(NamedTuple):
    """One step: the reference's letter and number, what it does, and the function."""

    id: str
    name: str
    act: Callable[[Any], None]

    def __str__(self) -> str:
        return f"{self.id} {self.name}"


class ProgramFault(RuntimeFault):
    """The user's program cannot be executed: `exit_code` is 126 or 127."""


def run_to_the_end(steps: Sequence[Step], child: Child) -> NoReturn:
    """Go through the steps, the last of which executes the program. Whatever fails is reported;
    never returns."""
    step = steps[0]
    try:
        for step in steps:
            begin = time.perf_counter()
            step.act(child)
            child.timings.append((str(step), time.perf_counter() - begin))
    except BaseException as error:
        report(child.channel, step, error)
    finally:
        os._exit(NEVER_RAN)


def report(channel: socket.socket, step: Step, error: BaseException) -> None:
    """Our last word. Best effort: without a keeper nobody is there to hear it."""
    try:
        messages.send(channel, describe_failure(step, error))
    except OSError:
        pass


def describe_failure(step: Step, error: BaseException) -> StepFailed:
    """What the user is told, whatever class the error has. Pure."""
    if isinstance(error, RuntimeFault):
        return StepFailed(
            step=str(step),
            message=error.message,
            answered=error.answered,
            hint=error.hint,
            exit_code=error.exit_code if isinstance(error, ProgramFault) else NEVER_RAN,
        )
    if isinstance(error, OSError):
        about = f" ({os.fsdecode(error.filename)})" if error.filename else ""
        return StepFailed(
            step=str(step), message=f"cannot {step.name}{about}", answered=describe_errno(error)
        )
    return StepFailed(step=str(step), message=f"cannot {step.name}", answered=repr(error))


def receive_one(child: Child, kind: type[Any]) -> Any:
    """Wait for the keeper's next message, which has to be of this kind. Raises EOFError when the
    keeper is gone."""
    while True:
        for message, _request_id, _descriptors in messages.receive(child.channel, child.frames):
            if isinstance(message, kind):
                return message
            raise RuntimeFault(f"the keeper sent {type(message).__name__}, not {kind.__name__}")
