"""Some room that is kept back on the disk of the data root, so that taking things down works when
there is none (R15): SQLite writes before it can forget.

Given back as soon as the disk is nearly full, and set aside again when there is plenty.
"""

from __future__ import annotations

import os
from pathlib import Path

from runtime.linux import faults

SIZE = 4 << 20
LOW = 1 << 20
"""Free bytes below which it is given back."""
PLENTY = 16 << 20
_NAME = "reserve"


def keep(data: Path) -> None:
    """Set it aside, if it is not and there is plenty. Best effort: without it we are as good as
    others."""
    path = data / _NAME
    if path.exists() or _free(data) < PLENTY:
        return
    with faults.point("make reserve"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        except OSError:
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def give_back(data: Path) -> None:
    """Before a write: if the disk is full, there is some room afterwards."""
    if _free(data) < LOW:
        with faults.point("free reserve"):
            (data / _NAME).unlink(missing_ok=True)


def is_full(data: Path) -> bool:
    return _free(data) == 0


def _free(data: Path) -> int:
    try:
        found = os.statvfs(data)
    except OSError:
        return PLENTY  # nothing is known; whoever writes will hear
    return found.f_bavail * found.f_frsize
