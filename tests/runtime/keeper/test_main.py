"""How a keeper begins while the last one is just taking its traces away."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from runtime.keeper import main
from runtime.linux import faults
from runtime.paths import Paths, ProjectPaths, ensure_directories


@pytest.fixture
def project(paths: Paths) -> ProjectPaths:
    ensure_directories(paths)
    return paths.project("0123abcd")


def ending(project: ProjectPaths, *, wholly: bool) -> None:
    """What a keeper does last (keeping.py), the lock's file included; not `wholly`: it was not so far yet."""
    for folder in (project.processes, project.states):
        if folder.exists():
            folder.rmdir()
    project.lock.unlink(missing_ok=True)
    if wholly:
        project.run.rmdir()


def just_before(
    monkeypatch: pytest.MonkeyPatch, wanted: str, happens: Callable[[], None]
) -> list[str]:
    """Something happens once, just before a fault point of that name; the names of all that were passed."""
    passed: list[str] = []

    @contextmanager
    def point(name: str) -> Iterator[None]:
        if name == wanted and name not in passed:
            happens()
        passed.append(name)
        yield

    monkeypatch.setattr(faults, "point", point)
    return passed


@pytest.mark.parametrize("wholly", [False, True])
def test_the_folders_of_the_records_are_there_when_the_lock_is_taken(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, wholly: bool
):
    """Negative control: without them every supervisor died at once, and whoever asked waited for ever."""
    for folder in (project.processes, project.states):
        folder.mkdir(parents=True)
    passed = just_before(monkeypatch, "open lock", lambda: ending(project, wholly=wholly))
    lock = main.take_lock(project)
    assert lock is not None
    os.close(lock)
    assert project.processes.is_dir()
    assert project.states.is_dir()
    assert passed.count("open lock") == (2 if wholly else 1)


def test_a_lock_whose_file_was_removed_is_a_lock_on_nothing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch
):
    passed = just_before(monkeypatch, "open lock", lambda: None)
    flock = main.fcntl.flock

    def remove_it_once(descriptor: int, operation: int) -> None:
        if passed.count("open lock") == 1:
            project.lock.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(main.fcntl, "flock", remove_it_once)
    lock = main.take_lock(project)
    assert lock is not None
    assert project.lock.read_text() == f"{os.getpid()}\n"
    os.close(lock)
