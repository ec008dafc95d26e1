"""The keeper's last act: out of its own leaf cgroup, and the leaf removed with its empty parents.

Nobody else could: a group with a process in it stays, and the keeper is the last process of the
project.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from runtime.linux import faults, proc

_OURS = "/pycompose-"


def leave() -> None:
    """Best effort, as nobody is left to be told: what stays behind is empty, and the next `up` uses
    it again."""
    for top, folder, is_unified in _own_folders():
        # see init/namespaces.py
        file_name = "cgroup.procs" if is_unified else "tasks"
        with suppress(OSError):
            with (
                faults.point("leave cgroup"),
                open(f"{top}/{file_name}", "w", encoding="ascii") as file,
            ):
                file.write("0")
            for _level in range(3):
                with faults.point("rmdir cgroup"):
                    os.rmdir(folder)
                folder = os.path.dirname(folder)


def _own_folders() -> Iterator[tuple[str, str, bool]]:
    """(top of the tree, our leaf, whether it is the v2 tree) wherever we are in one of ours."""
    trees = {
        (line.kind, tuple(sorted(line.data.split(",")))): line.target
        for line in proc.read_mountinfo()
        if line.kind in ("cgroup", "cgroup2")
    }
    for entry in proc.read_cgroups():
        if _OURS not in entry.path:
            continue
        controllers = set(entry.controllers.split(","))
        for (kind, words), target in trees.items():
            is_unified = entry.hierarchy == 0 and kind == "cgroup2"
            if is_unified or (kind == "cgroup" and entry.hierarchy and controllers <= set(words)):
                yield target, target + entry.path, is_unified
                break
