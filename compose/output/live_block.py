"""The block of live progress as lines of text: which tasks, in which state, for how long. Pure.

`[+] up 3/5`, then a line per task: mark, name, state, what is waited for, seconds. Fits any width
from 20 columns and any height: details go first, then the middle of long names, then tasks that are
done.
"""

from __future__ import annotations

from collections.abc import Callable

from compose.output import humanise
from compose.position import printable
from compose.scheduling.events import ResourceEvent

Paint = Callable[[str, str], str]

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FILL = "⠀⡀⣀⣄⣤⣦⣶⣷⣿"
_MARKS = {"Done": ("✔", "green"), "Warning": ("!", "bold yellow"), "Error": ("✘", "bold red")}
_SHORTEST_NAME = 10
_LAYER_NAME = 12
_BAR = 12
_DRY_RUN = " DRY-RUN MODE - "


class Task:
    """One thing that is worked on, from its first event to its last."""

    __slots__ = (
        "current",
        "details",
        "ended",
        "id",
        "parent",
        "phase",
        "reason",
        "started",
        "status",
        "text",
        "total",
    )

    def __init__(self, event: ResourceEvent, now: float) -> None:
        self.id = printable(event.id)
        self.parent = event.parent_id
        self.started = now
        self.ended: float | None = None
        self.reason = ""
        self.current = self.total = 0
        self.text = ""
        self.take(event, now)

    def take(self, event: ResourceEvent, now: float) -> None:
        if event.status == "Working":
            self.ended = None
        elif self.ended is None:
            self.ended = now
        self.status = event.status
        text = printable(event.text)
        if text != self.text:
            self.phase = _Phase(now, event.current)
        self.phase.current = max(self.phase.current, event.current)
        self.text = text
        self.reason = event.reason or self.reason
        self.details = printable(event.details or event.waiting_for or self.reason)
        # progress only grows: a late report of another worker must not turn it back
        self.current = max(self.current, event.current)
        self.total = max(self.total, event.total)

    @property
    def is_done(self) -> bool:
        return self.status != "Working"

    def seconds(self, now: float) -> float:
        return (now if self.ended is None else self.ended) - self.started


class _Phase:
    """One of the steps of a layer, for its bar: it is downloaded, then extracted."""

    __slots__ = ("began", "current", "first")

    def __init__(self, began: float, first: int) -> None:
        self.began = began
        self.first = self.current = first

    def rate(self, now: float) -> float:
        """Bytes a second since the step began; what an earlier attempt had brought is left out."""
        seconds = now - self.began
        return (self.current - self.first) / seconds if seconds > 0 else 0.0


class Block:
    """All tasks of an operation, in the order of their first event."""

    def __init__(self, operation: str, *, dry_run: bool = False) -> None:
        self.operation = operation
        self.prefix = _DRY_RUN if dry_run else ""
        self.tasks: dict[str, Task] = {}

    @property
    def is_empty(self) -> bool:
        return not self.tasks

    @property
    def is_over(self) -> bool:
        """Nothing is under way."""
        return all(task.is_done for task in self.tasks.values())

    def take(self, event: ResourceEvent, now: float) -> None:
        task = self.tasks.get(event.id)
        if task is None:
            self.tasks[event.id] = Task(event, now)
        elif not event.parent_id or event.parent_id == task.parent:
            # a layer that two images share flickers unless one of them alone reports it
            task.take(event, now)

    def clear(self) -> None:
        self.tasks.clear()

    def lines(self, now: float, *, columns: int, rows: int, paint: Paint) -> list[str]:
        """The block as it is now. One row of the terminal stays free for the cursor."""
        done = sum(task.is_done for task in self.tasks.values())
        header = f"[+] {self.operation} {done}/{len(self.tasks)}"
        top = [task for task in self.tasks.values() if not task.parent]
        shown = self.choose(top, max(1, rows - 2))
        layout = _Layout(self, shown, now, columns)
        lines = [header[:columns]]
        free = rows - 2 - len(shown)
        for task in shown:
            lines.append(layout.line(task, paint))
            below = self.choose(self.children(task), max(0, free)) if not task.is_done else []
            free -= len(below)
            lines += [layout.layer(child, paint) for child in below]
        if len(shown) < len(top):
            lines.append(f" ... {len(top) - len(shown)} more"[:columns])
        return lines

    def choose(self, tasks: list[Task], rows: int) -> list[Task]:
        """All of them, or as many as fit: what still runs or failed before what is done."""
        if len(tasks) <= rows or rows == 0:
            return tasks if rows else []
        first = [task for task in tasks if task.status != "Done"]
        kept = set(map(id, [*first, *(task for task in tasks if task.is_done)][: rows - 1]))
        return [task for task in tasks if id(task) in kept]

    def children(self, task: Task) -> list[Task]:
        return [child for child in self.tasks.values() if child.parent == task.id]


class _Layout:
    """How wide the columns are for the tasks that are shown."""

    def __init__(self, block: Block, tasks: list[Task], now: float, columns: int) -> None:
        self.block = block
        self.now = now
        self.columns = columns
        self.bars = {id(task): self.bar(task) for task in tasks}
        self.timer = max((len(self.seconds(task)) for task in tasks), default=0)
        self.state = max((len(task.text) for task in tasks), default=0)
        names = max((len(self.name(task)) for task in tasks), default=0)
        # mark and blanks, two blanks before the state, one before the timer
        room = columns - 3 - 2 - self.state - 1 - self.timer
        self.names = max(min(names, room), min(names, _SHORTEST_NAME))

    def name(self, task: Task) -> str:
        return f"{self.block.prefix}{task.id}{self.bars.get(id(task), '')}"

    def seconds(self, task: Task) -> str:
        return f"{task.seconds(self.now):.1f}s"

    def bar(self, task: Task) -> str:
        """` [⣿⣿⡀⠀] 12MB / 40MB`: one character per layer while an image comes."""
        children = self.block.children(task) if not task.is_done else []
        if not children:
            return ""
        fill = "".join(_fill(child) for child in children)
        total = sum(child.total for child in children)
        known = total and all(child.total or child.is_done for child in children)
        if not known:
            return f" [{fill}]"
        current = sum(child.current for child in children)
        return f" [{fill}] {humanise.size(current):>7} / {humanise.size(total):<7}"

    def line(self, task: Task, paint: Paint) -> str:
        mark, style = _MARKS.get(task.status, (_spin(task, self.now), "yellow"))
        name = f"{_shorten(self.name(task), self.names):<{self.names}}"
        left = 3 + self.names + 2 + len(task.text)
        timer = f"{self.seconds(task):>{self.timer}}"
        details = _cut(task.details, self.columns - left - 1 - 1 - len(timer))
        gap = self.columns - left - len(timer) - (len(details) + 1 if details else 0)
        text = paint(task.text, style) if task.is_done else task.text
        body = f" {paint(mark, style)} {name}  {text}{' ' + details if details else ''}"
        if gap < 1:  # too narrow even for the shortest name: the timer goes
            return _cut_plain(f" {mark} {name}  {task.text}", self.columns)
        return f"{body}{' ' * gap}{paint(timer, 'blue')}"

    def layer(self, child: Task, paint: Paint) -> str:
        """`   0123456789ab ⣿⣿⣿⡀      12MB / 40MB    3.1MB/s  Downloading`."""
        mark, style = _MARKS.get(child.status, (_spin(child, self.now), "yellow"))
        amount = rate = ""
        if child.total and not child.is_done:
            current = child.phase.current
            amount = f" {humanise.size(current):>7} / {humanise.size(child.total):<7}"
            if speed := child.phase.rate(self.now):
                rate = f" {humanise.size(speed):>7}/s"
        bar = "" if child.is_done else f" {_bar(child)}"
        text = f"{_shorten(child.id, _LAYER_NAME)}{bar}{amount}{rate}  {child.text}"
        return f"   {paint(mark, style)} {_cut_plain(text, self.columns - 5)}"


def _bar(child: Task) -> str:
    """Of what the layer does just now."""
    share = child.phase.current / child.total if child.total else 0.0
    eighths = int(min(1.0, share) * _BAR * (len(_FILL) - 1))
    whole, rest = divmod(eighths, len(_FILL) - 1)
    return (_FILL[-1] * whole + (_FILL[rest] if whole < _BAR else "")).ljust(_BAR, _FILL[0])


def _spin(task: Task, now: float) -> str:
    return _SPINNER[int(task.seconds(now) * 10) % len(_SPINNER)]


def _fill(child: Task) -> str:
    if child.is_done:
        return _FILL[-1]
    share = child.current / child.total if child.total else 0.0
    return _FILL[min(len(_FILL) - 1, int(share * (len(_FILL) - 1)))]


def _shorten(name: str, width: int) -> str:
    """The end of a name says most: `Container …-frontend-1`."""
    if len(name) <= width:
        return name
    head = (width - 1) // 3
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return f"{text[: width - 1]}…" if width > 3 else ""


def _cut_plain(text: str, width: int) -> str:
    return text if len(text) <= width else text[:width]
