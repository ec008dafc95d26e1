"""How the project's containers are doing, kept current by the engine's events; nothing polls.

One watcher for all who wait. Who waits reads a state only once the watch is open, so nothing is
missed between the read and the wait. When the supervisor ends and comes back, all is read anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from runtime import tasks
from runtime.engine import Engine
from runtime.errors import NotFound
from runtime.values import COMES_BACK, Event, RunState

T = TypeVar("T")
ATTEMPTS = 5
"""How often in a row the watch may break without a word before that is an error."""

Listener = Callable[[Event, RunState | None], None]


class States:
    """The run states of one project's containers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, RunState] = {}
        self._told: set[str] = set()
        """Whose state came as an event."""
        self._removed: set[str] = set()
        self._changed = tasks.event()
        self._watching = tasks.event()
        self._listeners: list[Listener] = []
        self._coming_back: set[str] = set()

    def listen(self, listener: Listener) -> None:
        """Hear of every event, in order, in the loop's thread."""
        self._listeners.append(listener)

    def get(self, container_id: str) -> RunState:
        """The newest state, of one that was removed its last. Raises NotFound."""
        known = self._known.get(container_id)
        if known is None:
            if container_id in self._removed:
                raise NotFound(f"no such container: {container_id}", code="E314")
            known = self._known[container_id] = self._engine.container(container_id).state
        return known

    def put(self, container_id: str, state: RunState) -> None:
        """What an act has answered. It came on a connection of its own, so it may be older than
        what the events have told of the same run, and is ignored then."""
        known = self._known.get(container_id)
        is_told = container_id in self._told
        if container_id in self._removed:
            return
        if known is None or state.generation >= known.generation + is_told:
            self._known[container_id] = state
            self._told.discard(container_id)
            self._wake()

    def _hear(self, container_id: str, state: RunState) -> None:
        known = self._known.get(container_id)
        if known is None or state.generation >= known.generation:
            self._known[container_id] = state
            self._told.add(container_id)
            self._wake()

    @property
    def is_one_coming_back(self) -> bool:
        """Whether somebody restarts or recreates a container now: all may be down, and not over."""
        return bool(self._coming_back)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = tasks.event()

    async def watched(self) -> None:
        """Until `watch` misses nothing any more."""
        await self._watching.wait()

    async def until(self, judge: Callable[[], T | None]) -> T:
        """Call `judge` now and after every change, until it answers. May wait for ever: the
        caller sets the deadline. Needs `watch` to run beside it."""
        await self._watching.wait()
        while (answer := judge()) is None:
            await self._changed.wait()
        return answer

    async def watch(self) -> None:
        """Keep the states current until cancelled. What came before is read when asked for."""
        broken = 0
        while True:
            try:
                async with self._engine.watch() as happenings:
                    # what happened up to here is in the files, what follows comes as an event
                    self._known.clear()
                    self._told.clear()
                    self._coming_back.clear()
                    self._watching.set()
                    self._wake()
                    async for happened in happenings:
                        broken = 0
                        self._take(happened.event, happened.state)
            except Exception:
                if broken >= ATTEMPTS:
                    raise
            broken += 1

    def _take(self, event: Event, state: RunState | None) -> None:
        if event.type == "container":
            self._expect(event.action, event.attributes.get("name", ""))
            if event.action == "destroy":
                self._removed.add(event.id)
                self._forget_unless_ended(event.id)
                self._wake()
            elif state is not None:
                self._hear(event.id, state)
            else:
                self._known.pop(event.id, None)
                self._told.discard(event.id)
                self._wake()
        for listener in self._listeners:
            listener(event, state)

    def _forget_unless_ended(self, container_id: str) -> None:
        """Of one that was removed: who waits for its end may look only now, and who waits for
        something else would wait for ever."""
        known = self._known.get(container_id)
        if known is not None and known.status not in ("exited", "dead"):
            del self._known[container_id]

    def _expect(self, action: str, name: str) -> None:
        if action == COMES_BACK:
            self._coming_back.add(name)
        elif action == "start":
            self._coming_back.discard(name)
