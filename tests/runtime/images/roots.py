"""Looks into a root file system as a container's init mounts it, in a mount namespace of its own."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from runtime.messages import RootFilesystem
from tests.conftest import TOP

LAY = (
    "import json, sys; from runtime.linux.overlay_entries import Entry, lay_entries;"
    " lay_entries(sys.argv[1], [Entry(*one) for one in json.loads(sys.argv[2])])"
)


def run_in(root: RootFilesystem, script: str, *, chroot: bool = True) -> str:
    """What `script` (sh) prints in there; with chroot=False it runs outside, in the root's folder."""
    place = Path(root.work).parent / "look"
    place.mkdir(exist_ok=True)
    # Short names: mount(2) has one page for 127 of them
    start = os.path.commonpath(root.lowers)
    lowers = [os.path.relpath(lower, start) for lower in root.lowers]
    options = f"lowerdir={':'.join(lowers)},upperdir={root.upper},workdir={root.work}"
    lines = ["set -e"]
    if root.laid:
        entries = shlex.quote(json.dumps(root.laid))
        lines.append(f"mount -t tmpfs -o mode=755 laid {place}")
        lines.append(f"cd {TOP}; {sys.executable} -c {shlex.quote(LAY)} {place} {entries}")
        options = options.replace("lowerdir=", f"lowerdir={place}:", 1) + ",xino=auto"
    lines += [f"cd {start}", f"mount -t overlay overlay -o {options} {place}"]
    for source, target in root.inner_binds:
        lines.append(f"mount --bind -o ro {source} {place}{target}")
    lines.append(
        f"exec chroot {place} /bin/sh -c '{script}'" if chroot else f"cd {place}; {script}"
    )
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        errors="surrogateescape",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
