"""What is going on, while it goes on: one of four forms of the same events, all on stderr.

plain: a line per step. json: an object per step. quiet: errors alone. tty: a block of lines that is
redrawn ten times a second, with what each waiting service waits for. Source: the progress chapter
of the command-line reference; scripts depend on the texts of plain and json.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from compose.output import live_block
from compose.output.console import Console, Stream
from compose.position import printable
from compose.scheduling.events import Message, ResourceEvent, Warned

DRY_RUN = " DRY-RUN MODE - "
_REDRAW = 0.1


class ProgressView(Protocol):
    """The display of one verb. Entered before it and left after it, whatever happens between."""

    def resource(self, event: ResourceEvent) -> None: ...

    def message(self, event: Message) -> None: ...

    def warned(self, event: Warned) -> None: ...

    def beside(self, write: Callable[[], None]) -> None:
        """Let something else write to the same terminal."""

    def settle(self) -> None:
        """Leave what is drawn as it is; a later event begins anew."""

    def __enter__(self) -> ProgressView: ...

    def __exit__(self, *_exception: object) -> None: ...


def open_view(
    mode: str,
    console: Console,
    *,
    operation: str,
    detached: bool = True,
    dry_run: bool = False,
    status_to_stdout: bool = False,
) -> ProgressView:
    """`detached` False hides Starting and Started, which would stand between the lines of the
    log."""
    info = console.out if status_to_stdout else console.err
    if mode == "tty":
        hidden = () if detached or operation == "start" else ("Starting", "Started")
        return LiveView(
            console.err,
            info,
            operation=operation,
            hidden=hidden,
            dry_run=dry_run,
        )
    if mode == "json":
        return JsonView(console.err, dry_run=dry_run)
    if mode == "quiet":
        return QuietView(console.err)
    return PlainView(console.err, info, dry_run=dry_run)


class QuietView:
    """Errors alone."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def resource(self, event: ResourceEvent) -> None:
        pass

    def message(self, event: Message) -> None:
        if event.level == "error":
            write_message(event, self.stream)

    def warned(self, event: Warned) -> None:
        pass

    def beside(self, write: Callable[[], None]) -> None:
        write()

    def settle(self) -> None:
        pass

    def __enter__(self) -> QuietView:
        return self

    def __exit__(self, *_exception: object) -> None:
        pass


class PlainView(QuietView):
    """` Container shop-web-1 Created `: a line per step, in the order of the steps.

    The same step is said once, and the layers of an image not at all: Docker's plain form fills CI
    logs with them.
    """

    def __init__(self, stream: Stream, info: Stream, *, dry_run: bool = False) -> None:
        super().__init__(stream)
        self.info = info
        self.prefix = DRY_RUN if dry_run else ""
        self.said: dict[str, tuple[str, str]] = {}

    def resource(self, event: ResourceEvent) -> None:
        details = event.details or event.reason
        step = (event.text, details)
        if event.parent_id or self.said.get(event.id) == step:
            return
        self.said[event.id] = step
        line = f"{self.prefix} {event.id} {event.text} {details}"
        self.stream.line(printable(line))
        self.stream.flush()

    def message(self, event: Message) -> None:
        write_message(event, self.info if event.stack_wide else self.stream)

    def warned(self, event: Warned) -> None:
        write_warning(event, self.stream)


class JsonView(QuietView):
    """An object per step; keys without a value are left out."""

    def __init__(self, stream: Stream, *, dry_run: bool = False) -> None:
        super().__init__(stream)
        self.dry_run = dry_run

    def resource(self, event: ResourceEvent) -> None:
        self.write(
            {
                "dry-run": self.dry_run,
                "id": event.id,
                "parent_id": event.parent_id,
                "status": event.status,
                "text": event.text,
                "details": event.details,
                "waiting_for": event.waiting_for,
                "reason": event.reason,
                "current": event.current,
                "total": event.total,
                "percent": event.percent,
            }
        )

    def message(self, event: Message) -> None:
        if event.stack_wide:
            self.write({"id": "Compose", "status": "Working", "details": event.text})
        else:
            self.write({"level": event.level, "msg": event.text})

    def warned(self, event: Warned) -> None:
        self.write({"level": "warning", "msg": str(event.fault)})

    def write(self, fields: dict[str, Any]) -> None:
        given = {name: value for name, value in fields.items() if value}
        self.stream.line(json.dumps(given, ensure_ascii=False, separators=(",", ":")))
        self.stream.flush()


class LiveView:
    """The block on a terminal. A thread of its own redraws it, since the verb keeps the main thread
    busy."""

    def __init__(
        self,
        stream: Stream,
        info: Stream,
        *,
        operation: str,
        hidden: tuple[str, ...] = (),
        dry_run: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        self.info = info
        self.block = live_block.Block(operation, dry_run=dry_run)
        self.hidden = hidden
        self.is_beside_logs = False
        """Containers write below what was drawn so far."""
        self.clock = clock
        self.drawn = 0
        self.lock = threading.RLock()
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.ended.set()
        if self.thread is not None:
            self.thread.join()
        self.settle()

    def resource(self, event: ResourceEvent) -> None:
        if event.text in self.hidden:
            return
        with self.lock:
            self.block.take(event, self.clock())
            if self.is_beside_logs and self.block.is_over:
                # the lines of the containers go on below what is done, undisturbed
                self.settle()
                return
            if self.thread is None:
                self.thread = threading.Thread(target=self.redraw, daemon=True, name="progress")
                self.thread.start()

    def message(self, event: Message) -> None:
        self.beside(lambda: write_message(event, self.info if event.stack_wide else self.stream))

    def warned(self, event: Warned) -> None:
        self.beside(lambda: write_warning(event, self.stream))

    def redraw(self) -> None:
        while not self.ended.wait(_REDRAW):
            with self.lock:
                self.draw()

    def draw(self) -> None:
        """Over the block that stands there: each line erases its own rest, the last one all below
        it."""
        if self.block.is_empty:
            return
        columns, rows = self.stream.size
        lines = self.block.lines(self.clock(), columns=columns, rows=rows, paint=self.stream.paint)
        up = f"\x1b[{self.drawn}A" if self.drawn else ""
        body = "".join(f"{line}\x1b[K\n" for line in lines)
        self.stream.write(f"\x1b[?25l{up}\r{body}\x1b[J\x1b[?25h")
        self.stream.flush()
        self.drawn = len(lines)

    def beside(self, write: Callable[[], None]) -> None:
        with self.lock:
            if self.drawn:
                self.stream.write(f"\x1b[{self.drawn}A\r\x1b[J")
                self.stream.flush()
                self.drawn = 0
                write()
                self.draw()
            else:
                write()

    def settle(self) -> None:
        with self.lock:
            self.draw()
            self.drawn = 0
            self.block.clear()
            self.is_beside_logs = True


def write_message(event: Message, stream: Stream) -> None:
    """`warning: ...`; what concerns the whole stack stands alone, in the colour of errors."""
    text = printable(event.text)
    if event.stack_wide:
        stream.line(stream.paint(text, "bold red"))
    elif event.level == "info":
        stream.line(text)
    else:
        style = "bold yellow" if event.level == "warning" else "bold red"
        stream.line(f"{stream.paint(f'{event.level}:', style)} {text}")
    stream.flush()


def write_warning(event: Warned, stream: Stream) -> None:
    """`compose.yaml:3:5: warning W012: ...` with its excerpt."""
    from compose.output.diagnostics import render_warning

    stream.line(render_warning(event.fault, stream))
    stream.flush()
