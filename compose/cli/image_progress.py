"""Progress of what is done to images by hand, on a terminal or as JSON; elsewhere nothing is said,
as Docker says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from compose.cli.context import Context

if TYPE_CHECKING:
    from runtime.values import Progress

OnProgress = Callable[["Progress"], None]


@contextmanager
def shown(context: Context, operation: str, *, quiet: bool = False) -> Iterator[OnProgress | None]:
    """A line with a bar for each image, `operation` in its header."""
    if quiet or context.progress_mode not in ("tty", "json"):
        yield None
        return
    from compose.output.progress_view import open_view
    from compose.scheduling.events import ResourceEvent

    told: dict[str, int] = {}
    with open_view(context.progress_mode, context.console, operation=operation) as view:

        def on_progress(progress: Progress) -> None:
            event = ResourceEvent(
                id=f"Image {progress.id}",
                text=progress.text,
                current=progress.current,
                total=progress.total,
                status="Done" if progress.done else "Working",
            )
            # A thousand steps and more: one that changes no number need not be said
            if told.get(event.id) != event.percent or progress.done:
                told[event.id] = event.percent
                view.resource(event)

        yield on_progress
