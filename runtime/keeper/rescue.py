"""When no supervisor can be kept alive, the keeper moves the containers' output itself, in the
plain form: otherwise every container that writes would come to stand as soon as its pipe is full.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path

from runtime.keeper.containers import Container
from runtime.keeper.descriptors import OUTPUTS, Descriptors
from runtime.keeper.loop import Loop
from runtime.log_segments import SegmentWriter, discard, is_out_of_space


class Rescue:
    """Begun when supervisors die too often; ended by the one that takes back."""

    def __init__(self, loop: Loop, descriptors: Descriptors) -> None:
        self._loop = loop
        self._descriptors = descriptors
        self._writers: dict[str, SegmentWriter] = {}
        self._watched: list[int] = []

    def begin(self, containers: Iterable[Container]) -> None:
        """Also for a container that ended and whose last words are still in its pipes."""
        for container in containers:
            if container.log_folder and container.id not in self._writers:
                self._take(container.id, Path(container.log_folder))

    def end(self) -> None:
        for descriptor in self._watched:
            self._loop.forget(descriptor)
        for writer in self._writers.values():
            writer.close()
        self._watched.clear()
        self._writers.clear()

    def _take(self, container_id: str, folder: Path) -> None:
        try:
            writer = self._writers[container_id] = SegmentWriter(folder)
        except OSError:
            return
        for name, descriptor in self._descriptors.of(container_id).items():
            if name in OUTPUTS:
                self._watched.append(descriptor)
                move = functools.partial(self._move, writer, name, descriptor)
                self._loop.watch(descriptor, move)

    def _move(self, writer: SegmentWriter, name: str, descriptor: int) -> None:
        try:
            moved = self._move_once(writer, name, descriptor)
        except BlockingIOError:
            return
        except OSError as error:
            # EIO is a terminal whose last user is gone
            moved = discard(descriptor) if name != "pty" and is_out_of_space(error) else 0
        if not moved:
            self._loop.forget(descriptor)

    def _move_once(self, writer: SegmentWriter, name: str, descriptor: int) -> int:
        if name != "pty":
            return writer.splice(OUTPUTS.index(name), descriptor)
        data = os.read(descriptor, 65536)
        writer.write(0, data)
        return len(data)
