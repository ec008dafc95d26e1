"""Looks into a root file system as a container's init mounts it, in a mount namespace of its own."""

import os
import subprocess
from pathlib import Path

from runtime.messages import RootFilesystem


def run_in(root: RootFilesystem, script: str, *, chroot: bool = True) -> str:
    """What `script` (sh) prints in there; with chroot=False it runs outside, in the root's folder."""
    place = Path(root.work).parent / "look"
    place.mkdir(exist_ok=True)
    # Short names: mount(2) has one page for 127 of them
    start = os.path.commonpath(root.lowers)
    lowers = [os.path.relpath(lower, start) for lower in root.lowers]
    options = f"lowerdir={':'.join(lowers)},upperdir={root.upper},workdir={root.work}"
    lines = ["set -e", f"cd {start}", f"mount -t overlay overlay -o {options} {place}"]
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
