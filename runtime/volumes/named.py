"""Named volumes as folders: made, filled from the image once, removed.

A volume is a folder of generations, `volumes/NAME/1`, of which the record names the current one;
more come with snapshots, which then move nobody's data (DESIGN.md 5). Which volumes exist is the
database's business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import RuntimeFault, system_call
from runtime.linux import faults, files
from runtime.values import VolumeRecord
from runtime.volumes import copy_up as copying
from runtime.volumes import driver_options

FIRST_GENERATION = "1"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_ASIDE = ".removed-"


def check_name(name: str) -> None:
    """Docker's rule; it keeps the name a single folder. Raises RuntimeFault."""
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise RuntimeFault(
            f"`{name}` cannot be the name of a volume",
            code="E441",
            hint="letters, digits, `_`, `.` and `-`, and a letter or digit first",
        )


def generation_path(volumes: Path, name: str) -> Path:
    """Where a new volume's first generation lies. Raises RuntimeFault for an impossible name."""
    check_name(name)
    return volumes / name / FIRST_GENERATION


def create(record: VolumeRecord) -> None:
    """Make the folder, 0755 of root as Docker's are; one that is there is kept with all its
    data.
    """
    driver_options.check(record.options)
    if not driver_options.has_own_folder(record):
        return
    path = Path(record.path)
    with system_call("cannot make a volume", tried=f"making {path}", code="E441"):
        files.ensure_directory(path.parent)
        files.ensure_directory(path, mode=0o755)


def check_source(record: VolumeRecord) -> None:
    """Before a start: the folder that `driver_opts` binds must be there. Raises RuntimeFault."""
    source = driver_options.source_of(record)
    if source.path and not os.path.isdir(source.path):
        raise RuntimeFault(
            f"the folder of volume {record.name} does not exist",
            code="E441",
            tried=f"mounting {source.path}",
            answered="ENOENT (No such file or directory)",
            hint="make it: `driver_opts.device` is not made by the engine",
        )


def remove(volumes: Path, name: str) -> None:
    """Remove it with all generations. It is out of the way at once, and gone for good after
    a while.
    """
    with system_call("cannot remove a volume", tried=f"removing {volumes / name}", code="E441"):
        if (aside := set_aside(volumes, name)) is not None:
            files.remove_tree(aside)


def set_aside(volumes: Path, name: str) -> Path | None:
    """Out of the way, for `sweep` to remove; None when it is not there. Killed while deleting, a
    half-empty folder must not be found under the volume's name."""
    check_name(name)
    aside = volumes / f"{_ASIDE}{os.urandom(4).hex()}"
    try:
        with faults.point("set volume aside"):
            os.rename(volumes / name, aside)
    except FileNotFoundError:
        return None
    return aside


def sweep(volumes: Path) -> None:
    """Finish removals that were killed."""
    for path in volumes.glob(f"{_ASIDE}*"):
        files.remove_tree(path)


def list_names(volumes: Path) -> tuple[str, ...]:
    """Volumes that have a folder, whatever the database says."""
    if not volumes.is_dir():
        return ()
    return tuple(sorted(path.name for path in volumes.iterdir() if _NAME.fullmatch(path.name)))


def is_empty(record: VolumeRecord) -> bool:
    """True when it waits for its first content; never for one whose content lies elsewhere."""
    if not driver_options.has_own_folder(record):
        return False
    path = Path(record.path)
    if copying.is_unfinished(path):
        return True
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        create(record)
        return True


def copy_up(
    record: VolumeRecord, layers: Sequence[Path], target: str, *, owner_only: bool = False
) -> None:
    """Fill an empty volume with what the image has at `target`; nothing happens when it has no
    folder there.

    `layers` are the image's, topmost first. `owner_only` (image: host): owner and mode of the
    folder alone, since the host's data belongs into no volume.
    """
    if owner_only:
        copying.copy_owner(Path("/"), target, Path(record.path))
        return
    with system_call(
        f"cannot fill the volume {record.name}",
        tried=f"copying {target} of the image",
        code="E442",
        hint="`nocopy: true` leaves the volume empty",
    ):
        copying.copy_folder(layers, target, Path(record.path))
