"""What is done with registries, for the engine: each in a thread, with its own connections.

The start of a command that pulls nothing imports none of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from runtime.images import background, front
from runtime.images.access import Access
from runtime.images.http_client import Cancellation
from runtime.images.reference import parse_reference
from runtime.images.store import Store
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database
from runtime.values import ImageRecord, Progress

T = TypeVar("T")

OnProgress = Callable[[Progress], None]


async def pull(
    paths: Paths, reference: str, *, platform: str = "", on_progress: OnProgress | None = None
) -> ImageRecord:
    """Have what the name means in its registry now. Raises as images/pull.py."""
    from runtime.images.pull import pull

    name = parse_reference(reference).with_tag
    machine = front.machine_platform()

    def work(store: Store, access: Access, report: OnProgress) -> ImageRecord:
        pulled = pull(store, access, name, machine=machine, platform=platform, report=report)
        return front.image_record(pulled.image, reference)

    return await _with_store(paths, work, on_progress)


async def _with_store(
    paths: Paths,
    work: Callable[[Store, Access, OnProgress], T],
    on_progress: OnProgress | None,
) -> T:
    cancellation = Cancellation()

    def run(report: OnProgress) -> T:
        ensure_directories(paths)
        database = Database.open(paths)
        try:
            with Access(cancellation) as access:
                return work(Store(paths, database), access, report)
        finally:
            database.close()

    return await background.in_thread(
        run, on_progress=on_progress or _ignore, cancel=cancellation.cancel
    )


def _ignore(progress: Progress) -> None:
    pass
