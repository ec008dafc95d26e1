"""A session keyring of its own, so that a container sees no key of the host's session (L20).
Source: keyctl(2)."""

from __future__ import annotations

import ctypes
import errno

from runtime.linux import calls, faults

_JOIN_SESSION = 1
_SET_PERMISSIONS = 5
_DESCRIBE = 6
_UID_SEARCH = 0x00080000
_Description = ctypes.c_char * 256
_TOLERATED = (errno.ENOSYS, errno.EDQUOT, errno.EPERM)


def join_session(name: str) -> bool:
    """Enter a new session keyring; False where the kernel has none or an outer sandbox forbids
    it."""
    try:
        with faults.point("join session keyring"):
            ring = calls.keyctl(_JOIN_SESSION, name.encode(), 0, 0, 0)
            _let_the_user_search(ring)
    except OSError as error:
        if error.errno in _TOLERATED:
            return False
        raise
    return True


def _let_the_user_search(ring: int) -> None:
    """Without it a process that changed its user cannot find its own session's keys."""
    buffer = _Description()
    calls.keyctl(_DESCRIBE, ring, ctypes.addressof(buffer), len(buffer), 0)
    permissions = int(buffer.value.split(b";")[3], 16)
    calls.keyctl(_SET_PERMISSIONS, ring, permissions | _UID_SEARCH, 0, 0)
