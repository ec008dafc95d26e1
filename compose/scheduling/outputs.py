"""Log lines -> what is told of them. Pure; for those who read and those who follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from compose.scheduling.events import LogOutput
from runtime.values import ContainerRecord, LogLine

MOST_LINES = 2000
"""In one output: enough to cost nothing, few enough to be shown at once."""


def outputs(record: ContainerRecord, lines: Iterable[LogLine]) -> Iterator[LogOutput]:
    """As few as there can be: neighbours of one stream and time are one."""
    options = record.options
    name = shown_name(options.project, options.name)
    for (stream, time), several in groupby(lines, key=lambda line: (line.stream, line.time)):
        texts = [line.text for line in several]
        for first in range(0, len(texts), MOST_LINES):
            yield LogOutput(
                name=name,
                service=options.service,
                container=options.name,
                stream=stream,
                text=b"\n".join(texts[first : first + MOST_LINES]),
                time=time,
            )


def shown_name(project: str, container: str) -> str:
    """`shop-web-1` -> `web-1`; a name of the user's own stays whole."""
    for separator in "-_":
        if container.startswith(project + separator):
            return container[len(project) + 1 :]
    return container
