"""Capability sets of the calling process. Names <-> bits, and the five sets. Source:
capabilities(7), D01, L51."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Set
from typing import NamedTuple

from runtime.linux import calls, faults

NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
"""In the order of their numbers."""

_NUMBERS = {name: number for number, name in enumerate(NAMES)}
_VERSION_3 = 0x20080522
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_AMBIENT_RAISE = 2
_AMBIENT_CLEAR_ALL = 4


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = tuple(
        (f"{name}_{half}", ctypes.c_uint32)
        for half in ("low", "high")
        for name in ("effective", "permitted", "inheritable")
    )


class CapabilitySets(NamedTuple):
    """The five sets as bit masks."""

    bounding: int = 0
    effective: int = 0
    permitted: int = 0
    inheritable: int = 0
    ambient: int = 0


def mask(names: Iterable[str]) -> int:
    """The bits of these names. Raises KeyError for one that is no capability."""
    bits = 0
    for name in names:
        bits |= 1 << _NUMBERS[name]
    return bits


def names(bits: int) -> frozenset[str]:
    """The names of these bits, as far as we know them."""
    return frozenset(name for name, number in _NUMBERS.items() if bits >> number & 1)


def read_bounding() -> int:
    """The calling process's bounding set: what a child of ours can be given at most."""
    bits, number = 0, 0
    while (held := _bounding_bit(number)) is not None:
        bits |= held << number
        number += 1
    return bits


def _bounding_bit(number: int) -> int | None:
    """None beyond the last capability that this kernel knows."""
    try:
        return calls.prctl(_PR_CAPBSET_READ, number, 0, 0, 0)
    except OSError:
        return None


def read_held() -> Set[str]:
    """Names that we hold ourselves, known to this kernel: the most that anyone of ours can have
    (D02)."""
    return names(read_bounding() & _read().permitted)


def _read() -> CapabilitySets:
    header, data = _Header(_VERSION_3, 0), _Data()
    calls.capget(ctypes.byref(header), ctypes.byref(data))
    return CapabilitySets(
        effective=data.effective_low | data.effective_high << 32,
        permitted=data.permitted_low | data.permitted_high << 32,
        inheritable=data.inheritable_low | data.inheritable_high << 32,
    )


def drop_bounding(keep: int) -> None:
    """Take everything outside `keep` from the bounding set. Needs CAP_SETPCAP."""
    number = 0
    with faults.point("drop bounding set"):
        while (held := _bounding_bit(number)) is not None:
            if held and not keep >> number & 1:
                calls.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
            number += 1


def apply(sets: CapabilitySets) -> None:
    """Effective, permitted and inheritable at once, then ambient; the bounding set is
    `drop_bounding`'s."""
    data = _Data(
        *(getattr(sets, name) & 0xFFFFFFFF for name in ("effective", "permitted", "inheritable")),
        *(getattr(sets, name) >> 32 for name in ("effective", "permitted", "inheritable")),
    )
    header = _Header(_VERSION_3, 0)
    with faults.point("capset"):
        calls.capset(ctypes.byref(header), ctypes.byref(data))
    _set_ambient(sets.ambient)


def _set_ambient(bits: int) -> None:
    calls.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    for number in range(len(NAMES)):
        if bits >> number & 1:
            try:
                calls.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, number, 0, 0)
            except OSError:
                pass  # best effort (L51): it must be permitted and inheritable
