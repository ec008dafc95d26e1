"""Bind sources: there, or made, or an error that says what is missing; and how their mounts
propagate.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from runtime.errors import RuntimeFault, describe_errno, system_call
from runtime.linux import faults, proc
from runtime.values import Mount


def ensure_source(mount: Mount) -> None:
    """Make the folder of a bind with `create_host_path` where nothing is. Raises RuntimeFault.

    `host_owner` gets every folder that is made: under sudo the caller, whose project it is.
    """
    source = mount.source
    if not os.path.isabs(source) or "\0" in source:
        raise RuntimeFault(f"the bind source `{source}` is not an absolute path", code="E443")
    if os.path.lexists(source):
        return _check_reachable(mount)
    if not mount.create_host_path:
        raise RuntimeFault(
            f"the bind source `{source}` does not exist",
            code="E443",
            tried=f"mounting it at {mount.target}",
            answered="ENOENT (No such file or directory)",
            hint="make it, or set `bind.create_host_path: true`",
        )
    with system_call(
        f"cannot make the bind source `{source}`", tried=f"making {source}", code="E443"
    ):
        _make_folders(source, mount.host_owner)


def _check_reachable(mount: Mount) -> None:
    try:
        os.stat(mount.source)
    except OSError as error:
        raise RuntimeFault(
            f"the bind source `{mount.source}` cannot be reached",
            code="E443",
            tried=f"mounting it at {mount.target}",
            answered=describe_errno(error),
            hint="it is a symlink that leads nowhere" if os.path.islink(mount.source) else "",
        ) from error


def _make_folders(path: str, owner: tuple[int, int] | None) -> None:
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        with faults.point("mkdir bind source"):
            try:
                os.mkdir(folder, 0o755)
            except FileExistsError:
                continue
            if owner is not None:
                os.chown(folder, *owner)


def find_propagation(mounts: Iterable[proc.MountLine], source: str) -> str:
    """shared, slave or private: the mount of that table which `source`, a path without
    links, lies on.
    """
    best, found = -1, "private"
    for line in mounts:
        target = line.target.rstrip("/")
        # A later line of the same target covers the earlier one.
        if (source == target or source.startswith(f"{target}/")) and len(target) >= best:
            best, found = len(target), _propagation(line)
    return found


def _propagation(line: proc.MountLine) -> str:
    if any(word.startswith("shared:") for word in line.propagation):
        return "shared"
    return "slave" if any(word.startswith("master:") for word in line.propagation) else "private"


def read_propagations(mounts: Iterable[Mount]) -> Mapping[str, str]:
    """For `SpecContext.propagations`: of the sources whose mounts ask for shared or slave (L28)."""
    sources = {
        mount.source
        for mount in mounts
        if mount.type == "bind" and mount.propagation.removeprefix("r") in ("shared", "slave")
    }
    if not sources:
        return {}
    table = proc.read_mountinfo()
    return {source: find_propagation(table, os.path.realpath(source)) for source in sources}
