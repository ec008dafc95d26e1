"""Reading a container's log: what is there, and what comes.

    read_logs      what was written so far, as lines in order
    LogFollower    the same and whatever comes, for one who waits on several logs
    follow_logs    a generator over one follower, and follow_logs_async

Needs no process of ours, only the files. Writing them is supervisor/log_writer.py's business.
"""

from __future__ import annotations

import itertools
import select
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from runtime.containers.log_lines import Lines
from runtime.containers.log_sources import JsonSource, SegmentSource, Source
from runtime.errors import RuntimeFault
from runtime.linux.inotify import Watch
from runtime.values import ContainerId, LogLine

UNREADABLE = "unreadable"
"""A file of this name in the folder: the driver is `none`."""
LOOK_AGAIN = 1.0
"""Seconds; the end of a container is no event of its log."""


def read_logs(
    folder: str | Path,
    container_id: str,
    *,
    tail: int | None = None,
    since: float | None = None,
    until: float | None = None,
    timestamps: bool = False,
) -> Iterator[LogLine]:
    """Every line so far, an unfinished one too. Raises RuntimeFault when the driver keeps none.

    `tail` counts the lines of the whole log, from which `since` and `until` (seconds since the
    epoch) then choose. A container that never ran has no lines.
    """
    follower = LogFollower(
        folder,
        container_id,
        tail=tail,
        since=since,
        until=until,
        timestamps=timestamps,
        watch=False,
    )
    try:
        yield from follower.snapshot()
    finally:
        follower.close()


class LogFollower:
    """One log, from a place on. Readable (`fileno`) when there may be something new."""

    def __init__(
        self,
        folder: str | Path,
        container_id: str,
        *,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
        watch: bool = True,
    ) -> None:
        """Raises RuntimeFault, see read_logs."""
        self._folder = Path(folder)
        self._id = container_id
        self._tail = tail
        _check_readable(self._folder)
        self._lines = Lines(container_id, since=since, until=until, timestamps=timestamps)
        self._watch = Watch() if watch else None
        self._is_watched = False
        self._look()
        timed = timestamps or since is not None or until is not None
        # after the watch stands: what is written from now on is seen or told
        self._sources = self._open(timed=timed)

    def fileno(self) -> int:
        assert self._watch is not None
        return self._watch.fileno()

    def read(self) -> list[LogLine]:
        """Everything since the last call (the first applies `tail`); never waits."""
        assert self._watch is not None
        self._watch.drain()
        self._look()
        tail, self._tail = self._tail, None
        return list(self._new()) if tail is None else list(deque(self._new(), maxlen=tail))

    def snapshot(self) -> Iterator[LogLine]:
        """Everything, unfinished lines too, for one who does not come back."""
        lines = itertools.chain(self._new(), self.finish())
        return lines if self._tail is None else iter(deque(lines, maxlen=self._tail))

    def finish(self) -> Iterator[LogLine]:
        """The unfinished lines, when nothing more can come."""
        yield from self._lines.finish()

    @property
    def lost(self) -> int:
        """Files that were rotated away before they could be read."""
        return sum(source.lost for source in self._sources)

    def close(self) -> None:
        for source in self._sources:
            source.close()
        if self._watch is not None:
            self._watch.close()

    def _new(self) -> Iterator[LogLine]:
        for source in self._sources:
            for chunk in source.read():
                yield from self._lines.add(chunk)

    def _open(self, *, timed: bool) -> tuple[Source, ...]:
        segments = SegmentSource(self._folder, timed=timed, tail=self._tail)
        self._lines.begin_with(segments.unfinished)
        return JsonSource(self._folder / f"{self._id}-json.log"), segments

    def _look(self) -> None:
        """Watch the folder; as long as there is none, the one above it."""
        if self._watch is None or self._is_watched:
            return
        try:
            self._watch.add(self._folder)
            self._is_watched = True
        except FileNotFoundError:
            if self._folder.parent.is_dir():
                self._watch.add(self._folder.parent)


def follow_logs(
    folder: str | Path,
    container_id: ContainerId,
    *,
    has_ended: Callable[[], bool],
    tail: int | None = None,
    since: float | None = None,
    until: float | None = None,
    timestamps: bool = False,
) -> Iterator[LogLine]:
    """What is there and what comes, until `has_ended()` is true and nothing is left to read."""
    follower = LogFollower(
        folder, container_id, tail=tail, since=since, until=until, timestamps=timestamps
    )
    try:
        ended = False
        while not ended:
            ended = has_ended()
            yield from follower.read()
            if not ended:
                select.select([follower], [], [], LOOK_AGAIN)
        yield from follower.finish()
    finally:
        follower.close()


async def follow_logs_async(
    folder: str | Path,
    container_id: ContainerId,
    *,
    has_ended: Callable[[], bool],
    tail: int | None = None,
    since: float | None = None,
    until: float | None = None,
    timestamps: bool = False,
) -> AsyncIterator[LogLine]:
    """`follow_logs` for a caller with an event loop."""
    import anyio

    follower = LogFollower(
        folder, container_id, tail=tail, since=since, until=until, timestamps=timestamps
    )
    try:
        ended = False
        while not ended:
            ended = has_ended()
            for line in follower.read():
                yield line
            if not ended:
                with anyio.move_on_after(LOOK_AGAIN):
                    await anyio.wait_readable(follower)
        for line in follower.finish():
            yield line
    finally:
        follower.close()


def _check_readable(folder: Path) -> None:
    if (folder / UNREADABLE).exists():
        raise RuntimeFault(
            "configured logging driver does not support reading",
            code="E347",
            hint="`logging: {driver: none}` keeps no log",
        )
