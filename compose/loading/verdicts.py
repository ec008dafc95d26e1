"""Contents that were found valid before: then jsonschema, 90 ms, need not be imported.

A verdict is an empty file named by the hash of the content, the schema and this module's version;
so nothing has to be trusted but the folder, which only its owner can write. Everything may be
deleted at any time, and nothing here ever fails: without a folder each file is judged anew.
"""

from __future__ import annotations

import marshal
import os
import stat
from collections.abc import Mapping
from typing import Any

VERSION = b"1"
"""Changed with judge.py: what it found valid then may be refused now."""
MOST = 500
"""More verdicts than projects on a machine; beyond, the older half goes."""


def content_of(plain: Any) -> bytes:
    """Bytes that are equal for equal trees."""
    # version 2: whether strings are shared or not makes no difference
    return marshal.dumps(plain, 2)


class Verdicts:
    """The verdicts of one user. `folder` empty: none are kept."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def key(self, content: bytes, schema: bytes) -> str:
        """The name of the verdict on a content; empty when none is kept."""
        if not self.folder:
            return ""
        try:
            from _blake2 import blake2b  # hashlib loads OpenSSL, 2 ms
        except ImportError:
            from hashlib import blake2b
        digest = blake2b(b"%s\0%d\0%s\0" % (VERSION, len(schema), schema), digest_size=32)
        digest.update(content)
        return digest.hexdigest()

    def knows(self, key: str) -> bool:
        """Whether this content was found valid before."""
        descriptor = self._open()
        if descriptor is None:
            return False
        try:
            found = os.stat(key, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()

    def remember(self, key: str) -> None:
        """This content is valid."""
        if not key:
            return
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        except OSError:
            return
        descriptor = self._open()
        if descriptor is None:
            return
        try:
            self._forget_old(descriptor)
            mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(key, mode, 0o600, dir_fd=descriptor))
        except OSError:
            pass  # full, read-only, or another process was faster
        finally:
            os.close(descriptor)

    def _open(self) -> int | None:
        """The folder, if nobody else can put verdicts into it."""
        if not self.folder:
            return None
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.folder, flags)
        except OSError:
            return None
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid() and not found.st_mode & 0o022:
            return descriptor
        os.close(descriptor)
        return None

    def _forget_old(self, descriptor: int) -> None:
        names = os.listdir(descriptor)
        if len(names) < MOST:
            return
        ages = sorted((os.stat(n, dir_fd=descriptor).st_mtime, n) for n in names)
        for _, name in ages[: MOST // 2]:
            os.unlink(name, dir_fd=descriptor)


def folder_of(environment: Mapping[str, str]) -> str:
    """Where this user's verdicts are: for root below the data root, never below $HOME."""
    if root := environment.get("PYCOMPOSE_ROOT"):
        return os.path.join(os.path.abspath(root), "verdicts")
    if os.geteuid() == 0:
        return "/var/lib/pycompose/verdicts"
    cache = environment.get("XDG_CACHE_HOME", "")
    home = environment.get("HOME", "")
    if not os.path.isabs(cache):
        cache = os.path.join(home, ".cache") if os.path.isabs(home) else ""
    return os.path.join(cache, "pycompose", "verdicts") if cache else ""
