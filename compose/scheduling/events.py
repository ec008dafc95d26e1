"""What happened, as frozen values: the only thing that flows from a running verb to its display.

A `ResourceEvent` is one line of progress with Docker Compose's words ("Container shop-web-1",
"Started"); the others are what an attached `up` shows between them. Emitted in the order in which
things happened. Leaves wording of lines, colours and timers to `compose/output`. Source: reference
cli.md 9 and 17.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from compose.errors import Fault
from runtime.frozen import dataclass
from runtime.values import Progress

Status: TypeAlias = Literal["Working", "Done", "Warning", "Error"]
Level: TypeAlias = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceEvent:
    """One step of one thing.

    `id` names the thing for the whole command (`Container P-web-1`, `Network P_default`, `Volume
    P_v`, `Image X`; a layer has its image as `parent_id`); `text` is Docker's word (`Creating`,
    `Created`, `Waiting`, `Healthy` ...). The first Working event of an id starts its clock, the
    next of another status ends it.
    """

    id: str
    text: str
    status: Status = "Working"
    details: str = ""
    """After the word: `optional dependency "x" failed to start`, an error in one line."""
    parent_id: str = ""
    current: int = 0
    total: int = 0
    waiting_for: str = ""
    """With `Waiting`: what is awaited and by whom, for live display: `healthy, for web and
    worker`."""
    reason: str = ""
    """With `Recreate`: what changed, by its key: `environment.DEBUG changed`."""

    @property
    def percent(self) -> int:
        return min(100, self.current * 100 // self.total) if self.total else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A line that belongs to no resource: a warning about orphans, `Aborting on container exit...`.

    `stack_wide` ones are Docker's "Compose"-level messages, shown in error colour beside the
    progress.
    """

    text: str
    level: Level = "info"
    stack_wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attaching:
    """`Attaching to web-1, db-1`: the short names of the containers whose output follows."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The caller's terminal or pipes are a container's from here on: nothing else is drawn there
    while it has nothing to say."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutput:
    """What a container wrote: one or more whole lines.

    `name` is the short one that prefixes each line: `web-1`, or the whole `container_name`. `text`
    ends without a newline; it holds several lines when they came at once and nobody asked for the
    time of each. `time` is seconds since the epoch. `hook`: the output of a lifecycle hook.
    """

    name: str
    service: str
    text: bytes
    stream: str = "stdout"
    time: float | None = None
    container: str = ""
    """The whole name: `shop-web-1`."""
    hook: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerExited:
    """`web-1 exited with code 1 (restarting)`, in the stream of an attached `up` or `logs -f`."""

    name: str
    service: str
    exit_code: int
    restarting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecreated:
    """`web-1 has been recreated`: the next lines of that name come from its replacement."""

    name: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Something about the files that does not end the verb, with its place."""

    fault: Fault


Event: TypeAlias = (
    Warned
    | ResourceEvent
    | Message
    | Attaching
    | HandedOver
    | LogOutput
    | ContainerExited
    | ContainerRecreated
)
OnEvent: TypeAlias = Callable[[Event], None]
"""Called in the event loop's thread, one call at a time; must not block. What it raises ends the
verb."""


def ignore(event: Event) -> None:
    """The listener of callers who want none."""


def tell_progress(on_event: OnEvent, parent: str, progress: Progress) -> None:
    """What the engine reports of a part of the work, as an event below its parent."""
    on_event(
        ResourceEvent(
            id=progress.id,
            text=progress.text,
            status="Done" if progress.done else "Working",
            parent_id=progress.parent_id or parent,
            current=progress.current,
            total=progress.total,
        )
    )
