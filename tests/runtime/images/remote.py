"""The client in the test's own thread: an access with short pauses, a store, one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from runtime.images.access import Access
from runtime.images.http_client import Cancellation
from runtime.images.manifest import Platform
from runtime.images.pull import Pulled, find_tags, pull, resolve_digest
from runtime.images.push import Pushed, push
from runtime.images.reference import parse_reference
from runtime.images.registry import Tries
from runtime.images.store import Store
from runtime.paths import Paths, ensure_directories
from runtime.state.database import Database
from runtime.values import Progress

AMD64 = Platform("linux", "amd64")
QUICK = Tries(first_pause=0.001, random=lambda: 0.0)


class Remote(NamedTuple):
    """One root and one user, whose home is `home`."""

    store: Store
    home: Path
    environment: Mapping[str, str]
    told: list[Progress]
    cancellation: Cancellation = Cancellation()
    idle_seconds: float = 30.0

    def pull(self, name: str, *, platform: str = "") -> Pulled:
        with self.access() as access:
            return pull(
                self.store,
                access,
                parse_reference(name).with_tag,
                machine=AMD64,
                platform=platform,
                report=self.told.append,
            )

    def push(self, name: str) -> Pushed:
        with self.access() as access:
            return push(self.store, access, parse_reference(name).with_tag, report=self.told.append)

    def resolve(self, name: str) -> str:
        with self.access() as access:
            return resolve_digest(access, parse_reference(name).with_tag)

    def tags(self, name: str) -> tuple[str, ...]:
        with self.access() as access:
            return find_tags(access, parse_reference(name))

    def access(self, cancellation: Cancellation | None = None) -> Access:
        return Access(
            cancellation or self.cancellation,
            environment=self.environment,
            tries=QUICK,
            idle_seconds=self.idle_seconds,
        )

    def with_environment(self, **more: str) -> Remote:
        return self._replace(environment={**self.environment, **more})

    def content(self, name: str, path: str) -> bytes:
        """A file of the image, from the topmost layer that has it."""
        image = self.store.get(name)
        for layer in self.store.layer_paths(image):
            if (layer / path).is_file():
                return (layer / path).read_bytes()
        raise AssertionError(f"no {path} in {name}")


@contextmanager
def opened(paths: Paths, home: Path) -> Iterator[Remote]:
    ensure_directories(paths)
    database = Database.open(paths)
    environment = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin"}
    yield Remote(Store(paths, database), home, environment, [])
    database.close()


@pytest.fixture
def remote(paths: Paths, tmp_path: Path) -> Iterator[Remote]:
    home = tmp_path / "home"
    home.mkdir()
    with opened(paths, home) as remote:
        yield remote
