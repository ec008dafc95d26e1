"""The systemd unit that calls `pycompose boot` when the machine starts: its text, and where it is
put.

Enabled by the link that `systemctl enable` would make, so that it can be installed into an image
where no systemd runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

NAME = "pycompose-boot.service"
_TARGET = "multi-user.target"


def unit_text(program: str, root: str = "") -> str:
    """`root` is PYCOMPOSE_ROOT, when the projects are kept elsewhere."""
    environment = f"Environment=PYCOMPOSE_ROOT={_quoted(root)}\n" if root else ""
    return f"""\
[Unit]
Description=Containers of Compose projects whose restart policy says so
Wants=network-online.target
After=network-online.target local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
{environment}ExecStart={_quoted(program)} boot
# the containers are the projects', not this unit's: they outlive it
KillMode=process

[Install]
WantedBy={_TARGET}
"""


def install(program: str, environment: Mapping[str, str], *, folder: str) -> str:
    """Write and enable the unit; returns its path. Again is no error."""
    root = environment.get("PYCOMPOSE_ROOT", "")
    path = os.path.join(folder, NAME)
    wants = os.path.join(folder, f"{_TARGET}.wants")
    os.makedirs(wants, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(unit_text(program, os.path.abspath(root) if root else ""))
    link = os.path.join(wants, NAME)
    if not os.path.lexists(link):
        os.symlink(f"../{NAME}", link)
    return path


def _quoted(text: str) -> str:
    """One word for systemd: its quotes, backslashes, specifiers and variables stand for
    themselves."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
