"""Folders on file systems that no upper can lie on: an overlay, as the data root of a container is that runs pycompose
(it makes no whiteouts), and a ramfs, which has no attributes, as NFS has none that are trusted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KINDS = ("overlay", "ramfs")


@contextmanager
def mounted(folder: Path, kind: str) -> Iterator[Path]:
    """`folder/merged`, for as long as the block lasts."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / name).mkdir(parents=True)
    options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    words = ["mount", "-t", kind, kind, *(("-o", options) if kind == "overlay" else ())]
    place = folder / "merged"
    subprocess.run([*words, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
