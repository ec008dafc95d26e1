"""A Stack over a World: YAML in a temporary folder, an engine in memory, and what was told.

shop = play(tmp_path, "services: {web: {image: host}}")
shop.stack.up(UpOptions(detach=True), on_event=shop.hear)
assert shop.said == "Container p-web-1 Created ..."
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from compose.options import StackOptions
from compose.scheduling.events import (
    Attaching,
    ContainerExited,
    ContainerRecreated,
    Event,
    LogOutput,
    Message,
    ResourceEvent,
    Warned,
)
from compose.stack import AsyncStack, Stack
from tests.fakes.engine import FakeEngine, World


class Play:
    """One project folder, named p, its world, and what its verbs said."""

    def __init__(self, folder: Path, text: str, world: World, **options: Any) -> None:
        self.folder = folder / "p"
        self.folder.mkdir(exist_ok=True)
        self.world = world
        self.heard: list[Event] = []
        self.write(text)
        self.options = StackOptions(**{"folder": str(self.folder), "environment": {}, **options})
        self.stack = Stack(self.options, open_engine=self._engine)

    def _engine(self, name: str, folder: str, files: tuple[str, ...]) -> Any:
        return FakeEngine(self.world, project=name, folder=folder, files=files)

    def write(self, text: str) -> None:
        """The Compose file; a service without image and build has `host`."""
        said = yaml.safe_load(text)
        for service in said["services"].values():
            if "build" not in service:
                service.setdefault("image", "host")
        (self.folder / "compose.yaml").write_text(yaml.safe_dump(said, sort_keys=False))

    def changed(self, text: str) -> Play:
        """The same project after its file was edited."""
        return Play(self.folder.parent, text, self.world)

    @property
    def async_stack(self) -> AsyncStack:
        return AsyncStack(self.options, open_engine=self._engine)

    def hear(self, event: Event) -> None:
        self.heard.append(event)

    @property
    def said(self) -> str:
        """A line for each thing that was told; lines that only begin something are left out."""
        return "\n".join(line for event in self.heard if (line := _line(event)))

    @property
    def done(self) -> str:
        """The world's journal."""
        return "\n".join(self.world.journal)


def play(folder: Path, text: str, world: World | None = None, **options: Any) -> Play:
    return Play(folder, text, world or World(), **options)


def _line(event: Event) -> str:
    match event:
        case ResourceEvent(status="Working"):
            return ""
        case ResourceEvent():
            return f"{event.id} {event.text} {event.details}".rstrip()
        case Message():
            return f"{event.level}: {event.text}"
        case Warned():
            return f"warning: {event.fault.message}"
        case Attaching():
            return f"attaching to {', '.join(event.names)}"
        case LogOutput():
            arrow = "->" if event.hook else "|"
            return f"{event.name} {arrow} {event.text.decode()}"
        case ContainerExited():
            again = " (restarting)" if event.restarting else ""
            return f"{event.name} exited with code {event.exit_code}{again}"
        case ContainerRecreated():
            return f"{event.name} has been recreated"
