"""The chains of the older iptables, which nft does not list: read, never changed.

Docker and ufw on machines with iptables-legacy set their policies there. Only a table that is
loaded already is asked for, since asking would load it. Source: linux/netfilter_ipv4/ip_tables.h,
ip6_tables.h.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from pathlib import Path
from typing import NamedTuple

from runtime.linux import calls

_GET_INFO, _GET_ENTRIES = 64, 65
_FORWARD = 2
_INFO = struct.Struct("=32sI5I5III")
_ENTRIES_HEAD = 40
_TARGET_HEAD = 32
_DROP = -1


class _Family(NamedTuple):
    family: int
    level: int
    entry: int
    """Where in an entry the offset of its target stands."""
    names: Path


_FAMILIES = {
    "iptables": _Family(socket.AF_INET, socket.SOL_IP, 88, Path("/proc/net/ip_tables_names")),
    "ip6tables": _Family(socket.AF_INET6, 41, 140, Path("/proc/net/ip6_tables_names")),
}


class LegacyChain(NamedTuple):
    """The FORWARD chain of the filter table."""

    program: str
    """iptables or ip6tables."""
    drops: bool
    rules: bytes
    """As the kernel has them; names of interfaces stand in them in plain text."""


def list_forward_chains() -> list[LegacyChain]:
    """Of both families, where there is a filter table."""
    return [
        _read(program, family)
        for program, family in _FAMILIES.items()
        if "filter" in _loaded_tables(family.names)
    ]


def _loaded_tables(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _read(program: str, family: _Family) -> LegacyChain:
    with socket.socket(family.family, socket.SOCK_RAW, socket.IPPROTO_RAW) as handle:
        request = ctypes.create_string_buffer(_INFO.pack(b"filter", *[0] * 13), _INFO.size)
        _ask(handle, family.level, _GET_INFO, request)
        numbers = _INFO.unpack(request.raw)
        size, end_of_chain = numbers[-1], numbers[7 + _FORWARD]
        head = struct.pack("=32sI4x", b"filter", size)
        entries = ctypes.create_string_buffer(head, _ENTRIES_HEAD + size)
        _ask(handle, family.level, _GET_ENTRIES, entries)
    table = entries.raw[_ENTRIES_HEAD:]
    # the entry at the end of a chain is its policy
    (target,) = struct.unpack_from("=H", table, end_of_chain + family.entry)
    (verdict,) = struct.unpack_from("=i", table, end_of_chain + target + _TARGET_HEAD)
    begin = numbers[2 + _FORWARD]
    return LegacyChain(program, verdict == _DROP, table[begin:end_of_chain])


def _ask(
    handle: socket.socket, level: int, option: int, question: ctypes.Array[ctypes.c_char]
) -> None:
    """The answer comes in the place of the question, which Python's own getsockopt has none of."""
    length = ctypes.c_uint(ctypes.sizeof(question))
    calls.getsockopt(handle.fileno(), level, option, question, ctypes.byref(length))
