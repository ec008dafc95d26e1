"""Notices that the kernel killed a process of a container for want of memory (C32).

A counter that moved while init lives on is an event `oom` of its own; the end of init is judged by
the keeper's record, which reads the counter last.
"""

from __future__ import annotations

import contextlib
import os

from runtime import tasks
from runtime.supervisor.project import Project
from runtime.supervisor.supervised import Supervised

PAUSES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Between the looks at a counter that has yet to move."""
LATE = 0.1
"""Of a counter whose notice came just before we asked for notices."""


async def watch(project: Project, container: Supervised) -> None:
    """Until the run ends. On a machine that cannot tell, at once."""
    notices = project.machine.open_oom_notices(container.record)
    if notices is None:
        return
    try:
        # a program may be faster than we are: no notice tells of what was before we asked for them
        note(project, container)
        await tasks.sleep(LATE)
        note(project, container)
        while True:
            # forever: until the run ends
            await tasks.wait_readable(notices)
            with contextlib.suppress(BlockingIOError):
                os.read(notices, 4096)
            await _note_soon(project, container)
    finally:
        os.close(notices)


async def _note_soon(project: Project, container: Supervised) -> None:
    """v1 gives notice when it begins to look for a victim, and counts when it has found one; no
    second notice tells of that."""
    for pause in PAUSES:
        if note(project, container):
            return
        await tasks.sleep(pause)
    note(project, container)


def note(project: Project, container: Supervised) -> bool:
    """Say it once per run and counted kill; whether there was one."""
    kills = project.machine.oom_kills(container.record)
    if kills <= container.oom_kills:
        return False
    container.oom_kills = kills
    container.change(oom_killed=True)
    project.publish(container, "oom")
    return True
