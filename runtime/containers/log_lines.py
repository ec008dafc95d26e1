"""Chunks of a log -> lines, with the time of each one's first byte. No I/O."""

from __future__ import annotations

from runtime.containers.log_sources import START, Chunk
from runtime.log_segments import STREAMS
from runtime.values import ContainerId, LogLine


class Lines:
    """Holds what each stream's last line began with."""

    def __init__(
        self,
        container_id: str,
        *,
        since: float | None = None,
        until: float | None = None,
        timestamps: bool = False,
    ) -> None:
        self._id = ContainerId(container_id)
        self._since = _microseconds(since) if since is not None else None
        self._until = _microseconds(until) if until is not None else None
        self._stamped = timestamps
        self._begun = [b"", b""]
        self._times = [0, 0]

    def begin_with(self, unfinished: tuple[bytes, bytes]) -> None:
        """The first chunk of a stream goes on with this."""
        self._begun = list(unfinished)

    def add(self, chunk: Chunk) -> list[LogLine]:
        """The lines that are whole with it."""
        stream, data, time = chunk
        if stream == START:
            return self.finish()
        *whole, rest = data.split(b"\n")
        lines: list[LogLine] = []
        if whole and (begun := self._begun[stream]):
            lines = self._lines(stream, [begun + whole.pop(0)], self._times[stream])
            self._begun[stream] = b""
        lines += self._lines(stream, whole, time)
        if rest:
            if not self._begun[stream]:
                self._times[stream] = time
            self._begun[stream] += rest
        return lines

    def finish(self) -> list[LogLine]:
        """What nobody will bring to an end: the last run is over."""
        lines = []
        for stream, text in enumerate(self._begun):
            if text:
                lines += self._lines(stream, [text], self._times[stream])
                self._begun[stream] = b""
        return lines

    def _lines(self, stream: int, texts: list[bytes], time: int) -> list[LogLine]:
        shown = (time + 500) // 1000
        if self._since is not None and shown < self._since:
            return []
        if self._until is not None and shown > self._until:
            return []
        container, name = self._id, STREAMS[stream]
        # of the same microseconds that --since is compared with: a float has no nanoseconds
        stamp = shown / 1e6 if self._stamped else None
        return [LogLine(container=container, stream=name, text=text, time=stamp) for text in texts]


def _microseconds(moment: float) -> int:
    """As stamps are printed: a line's own stamp, given back, includes the line."""
    return round(moment * 1e6)
