"""Who holds a port of this host: its process, by the socket tables of /proc.

Reads only. A process that cannot be named (another namespace's, or gone by now) is None.
Source: proc(5), /proc/net/tcp.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from runtime.frozen import dataclass

Address = IPv4Address | IPv6Address
_PROC = Path("/proc")
# This task's own: /proc/net would be that of the thread group's leader.
_NET = _PROC / "thread-self" / "net"
_LISTEN = 0x0A


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process with a socket on the port."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid})"


def find_holder(protocol: str, address: str, port: int) -> Holder | None:
    """The process whose socket excludes another one at this address and port."""
    inodes = {
        inode
        for table in (protocol, f"{protocol}6")
        for inode in _holding(_read(_NET / table), protocol, ip_address(address), port)
    }
    return _find_process(inodes) if inodes else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _holding(table: str, protocol: str, address: Address, port: int) -> Iterator[str]:
    """Inodes of the sockets in a table of /proc/net that stand in the way."""
    for line in table.splitlines()[1:]:
        words = line.split()
        local, _, number = words[1].rpartition(":")
        if int(number, 16) != port or (protocol == "tcp" and int(words[3], 16) != _LISTEN):
            continue
        if _collides(parse_address(local), address):
            yield words[9]


def parse_address(text: str) -> Address:
    """`0100007F` -> 127.0.0.1: words of four bytes, each in the machine's own order."""
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    return ip_address(b"".join(words))


def _collides(held: Address, wanted: Address) -> bool:
    if held.version == wanted.version:
        return held == wanted or held.is_unspecified or wanted.is_unspecified
    # A socket on [::] that does not say IPV6_V6ONLY takes IPv4 as well.
    mapped = held.ipv4_mapped if isinstance(held, IPv6Address) else None
    return held.is_unspecified or (mapped is not None and mapped == wanted)


def _find_process(inodes: set[str]) -> Holder | None:
    targets = {f"socket:[{inode}]" for inode in inodes}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and any(link in targets for link in _descriptors(entry)):
            return Holder(pid=int(entry.name), command=_command(entry))
    return None


def _descriptors(process: Path) -> Iterator[str]:
    try:
        names = os.listdir(process / "fd")
    except OSError:
        return
    for name in names:
        try:
            yield os.readlink(process / "fd" / name)
        except OSError:
            continue


def _command(process: Path) -> str:
    """The program's name; control characters of a hostile one do not reach a terminal (V46)."""
    name = _read(process / "comm").strip()
    return "".join(letter if letter.isprintable() else "?" for letter in name)
