"""What is done with registries, for the engine: each in a thread, with its own connections.

The start of a command that pulls nothing imports none of this.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from runtime.images import background, front
from runtime.images.access import Access
from runtime.images.credentials import Credentials, registry_of
from runtime.images.http_client import Cancellation
from runtime.images.reference import BadReference, parse_reference
from runtime.images.store import Store
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database
from runtime.values import ImageRecord, Login, Progress

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


async def push(
    paths: Paths, reference: str, *, on_progress: OnProgress | None = None
) -> tuple[str, int]:
    """Send an image to the registry of its name; (digest, size) of its manifest. Raises as
    images/push.py."""
    from runtime.images.push import push

    name = parse_reference(reference).with_tag
    return await _with_store(
        paths,
        lambda store, access, report: push(store, access, name, report=report),
        on_progress,
    )


async def resolve_digest(reference: str) -> str:
    """The digest that a name has in its registry now: one request, and nothing is kept.

    The name's own digest where it has one. Raises NotFound, RuntimeFault.
    """
    from runtime.images.pull import resolve_digest

    name = parse_reference(reference).with_tag
    if name.digest:
        return name.digest
    return await _with_access(lambda access, report: resolve_digest(access, name), None)


async def list_tags(name: str) -> tuple[str, ...]:
    """`NAME:TAG` for every tag that a repository has in its registry now. Raises BadReference for a
    name with a tag, NotFound, RuntimeFault."""
    from runtime.images.pull import find_tags

    reference = parse_reference(name)
    if reference.tag or reference.digest:
        raise BadReference(name, "every tag is meant, and it names one")
    found = await _with_access(lambda access, report: find_tags(access, reference), None)
    return tuple(f"{name}:{tag}" for tag in found)


async def pin(reference: str) -> str:
    """The whole name with the digest that it has in its registry now. Raises NotFound,
    RuntimeFault."""
    name = parse_reference(reference).with_tag
    return str(name._replace(digest=await resolve_digest(reference)))


async def login(registry: str, login: Login) -> str:
    """Try a login and keep it; the file in which it now lies unencrypted, if it does. Raises
    RuntimeFault."""
    host = registry_of(registry)

    def work(access: Access, report: OnProgress) -> str:
        access.check_login(host, login)
        file = access.credentials.store(host, login)
        return str(file) if file else ""

    return await _with_access(work, None)


def known_login(registry: str) -> Login | None:
    """The login that is kept for a registry. Raises RuntimeFault for a broken file or helper."""
    return Credentials(os.environ).find(registry_of(registry))


def logout(registry: str) -> bool:
    """Forget it. False when there was none. Raises RuntimeFault."""
    return Credentials(os.environ).erase(registry_of(registry))


async def _with_store(
    paths: Paths,
    work: Callable[[Store, Access, OnProgress], T],
    on_progress: OnProgress | None,
) -> T:
    def run(access: Access, report: OnProgress) -> T:
        ensure_directories(paths)
        database = Database.open(paths)
        try:
            return work(Store(paths, database), access, report)
        finally:
            database.close()

    return await _with_access(run, on_progress)


async def _with_access(
    work: Callable[[Access, OnProgress], T], on_progress: OnProgress | None
) -> T:
    cancellation = Cancellation()

    def run(report: OnProgress) -> T:
        with Access(cancellation) as access:
            return work(access, report)

    return await background.in_thread(
        run, on_progress=on_progress or _ignore, cancel=cancellation.cancel
    )


def _ignore(progress: Progress) -> None:
    pass
