"""Notices that the kernel killed a process of a container for want of memory (C32).

A counter that moved while init lives on is an event `oom` of its own; the end of init is judged by
the keeper's record, which reads the counter last.
"""

from __future__ import annotations

import contextlib
import os

import anyio

from runtime.supervisor.project import Project
from runtime.supervisor.supervised import Supervised


async def watch(project: Project, container: Supervised) -> None:
    """Until the run ends. On a machine that cannot tell, at once."""
    notices = project.machine.open_oom_notices(container.record)
    if notices is None:
        return
    try:
        while True:
            # forever: until the run ends
            await anyio.wait_readable(notices)
            with contextlib.suppress(BlockingIOError):
                os.read(notices, 4096)
            note(project, container)
    finally:
        os.close(notices)


def note(project: Project, container: Supervised) -> None:
    """Say it once per run and counted kill."""
    kills = project.machine.oom_kills(container.record)
    if kills > container.oom_kills:
        container.oom_kills = kills
        container.change(oom_killed=True)
        project.publish(container, "oom")
