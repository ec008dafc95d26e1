"""Where each event of a running verb goes: to the progress, or to the log. What commands pass as
`on_event`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import assert_never

from compose.output.log_view import LogView
from compose.output.progress_view import ProgressView
from compose.scheduling.events import (
    Attaching,
    ContainerExited,
    ContainerRecreated,
    Event,
    HandedOver,
    LogOutput,
    Message,
    ResourceEvent,
    Warned,
    tell_progress,
)
from runtime.values import Progress


class Display:
    """Progress, and the log where a verb has one: without, hooks are heard when they fail."""

    def __init__(self, progress: ProgressView, logs: LogView, *, attached: bool = True) -> None:
        self.progress = progress
        self.logs = logs
        self.attached = attached

    def __enter__(self) -> Display:
        self.progress.__enter__()
        self.logs.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.logs.__exit__(*exception)
        finally:
            self.progress.__exit__(*exception)

    @contextmanager
    def work(self, id: str, working: str, done: str) -> Iterator[Callable[[Progress], None]]:
        """One thing that is worked on in the block, outside of any plan; give the value to the
        engine as `on_progress`."""
        self.on_event(ResourceEvent(id=id, text=working))
        try:
            yield functools.partial(tell_progress, self.on_event, id)
        except Exception as error:
            said = str(error).partition("\n")[0]
            self.on_event(ResourceEvent(id=id, text="Error", status="Error", details=said))
            raise
        self.on_event(ResourceEvent(id=id, text=done, status="Done"))

    def on_event(self, event: Event) -> None:
        match event:
            case LogOutput():
                if self.attached or not event.hook:
                    self.logs.output(event)
            case ResourceEvent():
                self.logs.flush()
                self.progress.resource(event)
            case Warned():
                self.logs.flush()
                self.progress.warned(event)
            case Message():
                self.logs.flush()
                self.progress.message(event)
            case Attaching():
                # what was drawn so far stays above the log
                self.progress.settle()
                self.logs.attaching(event)
            case HandedOver():
                self.progress.settle()
            case ContainerExited():
                self.logs.exited(event)
            case ContainerRecreated():
                self.logs.recreated(event)
            case _:
                assert_never(event)
