"""A real Debian, made by debootstrap from the mirror that this machine's own apt uses."""

from __future__ import annotations

import subprocess
from pathlib import Path

# GNU find's words: everything about a file but its inode, its own times and how many blocks it takes
LISTING = ("find", ".", "-mindepth", "1", "-printf", r"%P|%y|%m|%U:%G|%T@|%l|%n\n")


def make(folder: Path) -> Path:
    """`folder/tree`. In memory: dpkg has each of its files on the disk before it goes on."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "debian", folder], check=True)
    uri, suite = _mirror()
    words = ["debootstrap", "--variant=minbase", suite, str(folder / "tree"), uri]
    done = subprocess.run(words, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder / "tree"


def remove(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True)


def listing(tree: Path) -> list[str]:
    """Of all files, without the sizes of folders, which are the file system's own matter."""
    done = subprocess.run(LISTING, cwd=tree, capture_output=True, text=True, check=True)
    return sorted(_without_links_of_folders(line) for line in done.stdout.splitlines())


def _without_links_of_folders(line: str) -> str:
    return line.rpartition("|")[0] if "|d|" in line else line


def _mirror() -> tuple[str, str]:
    """(URI, suite) of the first of apt's sources that is Debian itself."""
    template = "$(ORIGIN)|$(REPO_URI)|$(CODENAME)"
    words = ["apt-get", "indextargets", "--format", template, "Created-By: Packages"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        origin, uri, suite = line.split("|")
        if origin == "Debian":
            return uri, suite
    raise AssertionError(f"apt knows no mirror of Debian here: {lines}")
