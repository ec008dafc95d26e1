"""`wait`: until containers end, in the order in which they do."""

from __future__ import annotations

from collections.abc import Sequence

from compose.scheduling.states import States
from runtime import tasks
from runtime.engine import Engine
from runtime.errors import NotFound
from runtime.values import ContainerRecord


async def wait(
    engine: Engine, records: Sequence[ContainerRecord]
) -> list[tuple[ContainerRecord, int]]:
    """(container, exit code), the first to end first. One that is removed counts as 137."""
    states = States(engine)
    ended: list[tuple[ContainerRecord, int]] = []

    async def one(record: ContainerRecord) -> None:
        def code() -> int | None:
            try:
                state = states.get(record.id)
            except NotFound:
                return 137
            return state.exit_code if state.status in ("exited", "dead") else None

        ended.append((record, await states.until(code)))

    async with tasks.group() as group:
        group.start_soon(states.watch)
        async with tasks.group() as waiting:
            for record in records:
                waiting.start_soon(one, record)
        group.cancel()
    return ended
