"""Waiting for files that keeper and supervisor write, by inotify."""

import select
from contextlib import closing

from runtime import codec
from runtime.linux.inotify import Watch
from runtime.messages import ProcessRecord

PATIENCE = 60


def wait_for_record(project, name):
    """Until the keeper has written the exit down."""
    path = project.paths.processes / name
    _wait(
        project.paths.processes,
        lambda: codec.loads(ProcessRecord, path.read_bytes()).exit_code is not None,
    )


def wait_for_state(project, name, wanted):
    _wait(project.paths.states, lambda: wanted(project.state(name)))


def _wait(folder, is_so):
    with closing(Watch()) as watch:
        watch.add(folder)
        while not is_so():
            assert select.select([watch], [], [], PATIENCE)[0]
            watch.drain()
