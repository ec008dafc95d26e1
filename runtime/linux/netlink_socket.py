"""Bytes to the kernel and its answers back: the netlink socket under nftables, conntrack and links.

Messages are built elsewhere; this module knows the frame (nlmsghdr, attributes) and what an
acknowledgement says. Netlink answers before `send` returns, so nothing here waits for long.
Standard library only: the init sends with it inside a container. Source: netlink(7).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from runtime.errors import RuntimeFault, describe_errno
from runtime.frozen import dataclass

ROUTE = 0
NETFILTER = 12

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_DUMP_INTR = 0x10
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SOL_NETLINK = 270
_NETLINK_EXT_ACK = 11
_NLM_F_CAPPED = 0x100
_NLM_F_ACK_TLVS = 0x200
_NLMSGERR_ATTR_MSG = 1

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_SLACK = 4096
_ANSWER = 1024
"""What the kernel counts for an acknowledgement of 36 bytes."""
_BUFFER = 1 << 20


# --- frames


def message(kind: int, flags: int, payload: bytes, *, sequence: int = 0) -> bytes:
    """One nlmsghdr with its payload, padded to four bytes."""
    return pad(_HEADER.pack(_HEADER.size + len(payload), kind, flags, sequence, 0) + payload)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded. V19: a value over 64 kB makes struct raise, it never wraps around."""
    return pad(_ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value)


def pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def parse_attributes(data: bytes) -> dict[int, bytes]:
    """Kind (without the nested and byte-order bits) -> value; the last of a kind wins."""
    return dict(iterate_attributes(data))


def iterate_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + (-length % 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One message of the kernel. `error` is an errno; 0 in an acknowledgement of success."""

    kind: int
    flags: int
    sequence: int
    payload: bytes

    @property
    def is_acknowledgement(self) -> bool:
        return self.kind == _NLMSG_ERROR

    @property
    def error(self) -> int:
        return -int(struct.unpack_from("=i", self.payload)[0])

    @property
    def explanation(self) -> str:
        """The kernel's own sentence about an error, where it has one (NETLINK_EXT_ACK)."""
        if not self.flags & _NLM_F_ACK_TLVS:
            return ""
        (length,) = struct.unpack_from("=I", self.payload, 4)
        # Without CAPPED the whole request is echoed before the sentence.
        skip = 4 + (_HEADER.size if self.flags & _NLM_F_CAPPED else length + (-length % 4))
        text = parse_attributes(self.payload[skip:]).get(_NLMSGERR_ATTR_MSG, b"")
        return text.rstrip(b"\0").decode("utf-8", "replace")


def parse_replies(data: bytes) -> Iterator[Reply]:
    """The messages of one datagram."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _port = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        payload = data[offset + _HEADER.size : offset + length]
        yield Reply(kind=kind, flags=flags, sequence=sequence, payload=payload)
        offset += length + (-length % 4)


class NetlinkError(OSError):
    """The kernel refused one message of a batch. `sequence` says which, `explanation` why."""

    def __init__(self, number: int, *, sequence: int = 0, explanation: str = "") -> None:
        super().__init__(number, os.strerror(number))
        self.sequence = sequence
        self.explanation = explanation


# --- conversations


def open_socket(protocol: int, *, groups: int = 0) -> socket.socket:
    """A non-blocking socket; `groups` is the legacy bit mask of multicast groups to hear."""
    handle = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    handle.setblocking(False)
    handle.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
    handle.bind((0, groups))
    return handle


def transmit(handle: socket.socket, batch: bytes) -> list[Reply]:
    """Send a batch and return all that the kernel says to it, refusals too, in order."""
    _ensure_buffers(handle, batch)
    handle.send(batch)
    return list(_pending(handle))


def exchange(protocol: int, batch: bytes) -> None:
    """Send a batch on a socket of its own. Raises NetlinkError for the first refusal."""
    with open_socket(protocol) as handle:
        converse(handle, batch)


def converse(handle: socket.socket, batch: bytes) -> None:
    """Send a batch on a socket that stays open. Raises NetlinkError for the first refusal."""
    for reply in transmit(handle, batch):
        if reply.is_acknowledgement and reply.error:
            raise NetlinkError(reply.error, sequence=reply.sequence, explanation=reply.explanation)


def dump(protocol: int, kind: int, payload: bytes) -> list[Reply]:
    """Everything the kernel has of a kind. Repeats when it changed meanwhile (R46)."""
    request = message(kind, NLM_F_REQUEST | NLM_F_DUMP, payload, sequence=1)
    for _attempt in range(5):
        with open_socket(protocol) as handle:
            handle.setblocking(True)
            handle.settimeout(5)
            handle.send(request)
            replies = list(_until_done(handle))
        if not any(reply.flags & _NLM_F_DUMP_INTR for reply in replies):
            break
    return [reply for reply in replies if reply.kind != _NLMSG_DONE]


def _until_done(handle: socket.socket) -> Iterator[Reply]:
    while True:
        for reply in parse_replies(handle.recv(_BUFFER)):
            if reply.is_acknowledgement and reply.error:
                raise NetlinkError(reply.error, explanation=reply.explanation)
            yield reply
            if reply.kind == _NLMSG_DONE:
                return


def _pending(handle: socket.socket) -> Iterator[Reply]:
    while True:
        try:
            data = handle.recv(_BUFFER)
        except BlockingIOError:
            return
        yield from parse_replies(data)


def _ensure_buffers(handle: socket.socket, batch: bytes) -> None:
    """A batch must fit into the send buffer, and so must its answers, or EMSGSIZE and ENOBUFS."""
    room = 2 * len(batch) + _SLACK
    answers = _ANSWER * sum(1 for _ in parse_replies(batch))
    for option, forced, size in (
        (socket.SO_SNDBUF, _SO_SNDBUFFORCE, room),
        (socket.SO_RCVBUF, _SO_RCVBUFFORCE, room + answers),
    ):
        if handle.getsockopt(socket.SOL_SOCKET, option) >= size:
            continue
        try:
            handle.setsockopt(socket.SOL_SOCKET, forced, size)
        except PermissionError:
            handle.setsockopt(socket.SOL_SOCKET, option, size)


def refusal(error: NetlinkError, message: str, *, tried: str, hint: str = "") -> RuntimeFault:
    """The fault that says what the kernel answered, in its own words where it has some."""
    answered = describe_errno(error)
    if error.explanation:
        answered = f"{answered}: {error.explanation}"
    return RuntimeFault(message, code="E610", tried=tried, answered=answered, hint=hint)
