"""DNS messages as bytes: questions read, answers written. Pure, and trusts no byte.

Names are text: lower-case labels joined by dots, where whatever is no plain letter in a label is
escaped (`\\046` for a dot), so that no two names of the wire are one text. Only what names.py
needs: one question, address and pointer records, the EDNS size. Source: RFC 1035, 6891.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from ipaddress import ip_address

from runtime.frozen import dataclass

_HEADER = struct.Struct(">HHHHHH")
_QUESTION = struct.Struct(">HH")
_RECORD = struct.Struct(">HHIH")
HEADER_SIZE = _HEADER.size

_RESPONSE, _TRUNCATED, _WANTS_RECURSION, _HAS_RECURSION = 0x8000, 0x0200, 0x0100, 0x0080
_OPCODE = 0x7800
CLASS_INTERNET, CLASS_ANY = 1, 255
_MAX_NAME = 255
_MAX_JUMPS = 64
_PLAIN_SIZE = 512
_OWN_SIZE = 4096
_POINTER_TO_QUESTION = b"\xc0\x0c"


class Type(IntEnum):
    """The record types that are treated by name; any number may be asked for."""

    A = 1
    PTR = 12
    AAAA = 28
    OPT = 41
    ANY = 255


class Code(IntEnum):
    """Response codes."""

    OK = 0
    FORMAT_ERROR = 1
    SERVER_FAILURE = 2
    NO_SUCH_NAME = 3
    NOT_IMPLEMENTED = 4
    REFUSED = 5


class WireError(ValueError):
    """Not a message, or not one that can be answered but by `code`."""

    def __init__(self, reason: str, code: Code = Code.FORMAT_ERROR) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question of a client."""

    id: int
    name: str
    type: int
    klass: int
    question: bytes
    """As it stood in the message: echoed letter by letter, capitals included."""
    wants_recursion: bool = True
    udp_size: int = 0
    """What the client takes in a datagram (EDNS); 0 without EDNS."""

    @property
    def datagram_limit(self) -> int:
        """How long an answer by UDP may be."""
        return min(max(self.udp_size, _PLAIN_SIZE), _OWN_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One answer to the question: an address (A, AAAA) or a name (PTR)."""

    type: int
    value: str
    ttl: int


# --- reading


def parse_query(data: bytes) -> Query:
    """The question of a client. Raises WireError; without a code to answer it is dropped."""
    if len(data) < HEADER_SIZE:
        raise WireError("too short")
    number, flags, questions, answers, authorities, others = _HEADER.unpack_from(data)
    if flags & _RESPONSE:
        raise WireError("a response")
    if flags & _OPCODE:
        raise WireError("not a plain query", Code.NOT_IMPLEMENTED)
    if questions != 1 or answers or authorities:
        raise WireError("not one question")
    name, offset = read_name(data, HEADER_SIZE)
    kind, klass = _unpack(_QUESTION, data, offset)
    end = offset + _QUESTION.size
    return Query(
        id=number,
        name=name,
        type=kind,
        klass=klass,
        question=data[HEADER_SIZE:end],
        wants_recursion=bool(flags & _WANTS_RECURSION),
        udp_size=_find_udp_size(data, end, others),
    )


def read_name(data: bytes, offset: int) -> tuple[str, int]:
    """(name, where it ends). A pointer may only lead backwards, so that no loop is possible."""
    labels: list[str] = []
    end = 0
    lowest = offset
    length = 0
    for _jump in range(_MAX_JUMPS):
        offset, found = _read_labels(data, offset)
        length += sum(len(label) + 1 for label in found)
        if length > _MAX_NAME:
            raise WireError("a name of more than 255 bytes")
        labels += (_escape(label) for label in found)
        if data[offset] == 0:
            return ".".join(labels), end or offset + 1
        (pointer,) = _unpack(struct.Struct(">H"), data, offset)
        end = end or offset + 2
        offset = pointer & 0x3FFF
        if offset >= lowest:
            raise WireError("a name that points forwards")
        lowest = offset
    raise WireError("a name of too many pointers")


def _read_labels(data: bytes, offset: int) -> tuple[int, list[bytes]]:
    """Labels up to the end of the name or to a pointer, and where that stands."""
    labels: list[bytes] = []
    while True:
        if offset >= len(data):
            raise WireError("a name without end")
        length = data[offset]
        if length == 0 or length & 0xC0 == 0xC0:
            return offset, labels
        if length & 0xC0 or len(labels) > _MAX_NAME // 2:
            raise WireError("a label of no known kind")
        label = data[offset + 1 : offset + 1 + length]
        if len(label) < length:
            raise WireError("a label without end")
        labels.append(label)
        offset += 1 + length


def _escape(label: bytes) -> str:
    lowered = label.lower()
    return "".join(
        chr(byte) if 0x21 <= byte < 0x7F and byte not in b".\\" else f"\\{byte:03d}"
        for byte in lowered
    )


def _find_udp_size(data: bytes, offset: int, count: int) -> int:
    for _record in range(count):
        _name, offset = read_name(data, offset)
        kind, klass, _ttl, length = _unpack(_RECORD, data, offset)
        offset += _RECORD.size + length
        if offset > len(data):
            raise WireError("a record without end")
        if kind == Type.OPT:
            return int(klass)
    return 0


def _unpack(layout: struct.Struct, data: bytes, offset: int) -> tuple[int, ...]:
    try:
        return layout.unpack_from(data, offset)
    except struct.error as error:
        raise WireError("ends too early") from error


def is_reply_to(query: Query, number: int, data: bytes) -> bool:
    """Whether these bytes answer our question, asked under `number` (V41)."""
    if len(data) < HEADER_SIZE:
        return False
    got, flags, questions, *_counts = _HEADER.unpack_from(data)
    if got != number or not flags & _RESPONSE or questions > 1:
        return False
    if questions == 0:
        # Some servers leave the question out of an error.
        return bool(flags & 0xF)
    try:
        name, offset = read_name(data, HEADER_SIZE)
        kind, klass = _unpack(_QUESTION, data, offset)
    except WireError:
        return False
    return (name, kind, klass) == (query.name, query.type, query.klass)


def reply_code(data: bytes) -> int:
    """The response code of a message that `is_reply_to` took."""
    return data[3] & 0xF


# --- writing


def answer(
    query: Query, records: Iterable[Record] = (), *, code: Code = Code.OK, limit: int = 65535
) -> bytes:
    """The response; cut down to its head, with the sign to ask by TCP, where `limit` is less."""
    body = [_encode(record) for record in records]
    message = _message(query, code, 0, body)
    return message if len(message) <= limit else _message(query, code, _TRUNCATED, [])


def _message(query: Query, code: int, more_flags: int, records: list[bytes]) -> bytes:
    flags = _RESPONSE | _HAS_RECURSION | more_flags | code
    if query.wants_recursion:
        flags |= _WANTS_RECURSION
    edns = _edns_record() if query.udp_size else b""
    counts = (1, len(records), 0, 1 if edns else 0)
    return _HEADER.pack(query.id, flags, *counts) + query.question + b"".join(records) + edns


def _edns_record() -> bytes:
    return b"\0" + _RECORD.pack(Type.OPT, _OWN_SIZE, 0, 0)


def _encode(record: Record) -> bytes:
    value = write_name(record.value) if record.type == Type.PTR else _packed(record.value)
    return _POINTER_TO_QUESTION + _RECORD.pack(record.type, 1, record.ttl, len(value)) + value


def _packed(address: str) -> bytes:
    return ip_address(address).packed


def write_name(name: str) -> bytes:
    """Uncompressed. Raises WireError for a label over 63 bytes."""
    return b"".join(_write_labels(name)) + b"\0"


def _write_labels(name: str) -> Iterator[bytes]:
    for label in name.split(".") if name else ():
        encoded = label.encode()
        if not 0 < len(encoded) < 64:
            raise WireError(f"no label: {label!r}")
        yield bytes([len(encoded)]) + encoded


def bare_error(data: bytes, code: Code) -> bytes | None:
    """The response to a message that could not be read; None where none is owed."""
    if len(data) < HEADER_SIZE or data[2] & 0x80:
        return None
    flags = _RESPONSE | _HAS_RECURSION | code
    return data[:2] + _HEADER.pack(0, flags, 0, 0, 0, 0)[2:]


def renumber(data: bytes, number: int) -> bytes:
    """The client's own message under another number, for an upstream server."""
    return struct.pack(">H", number) + data[2:]


def pass_on(query: Query, data: bytes, *, limit: int = 65535) -> bytes:
    """An upstream's reply under the client's number; cut down where it is longer than `limit`."""
    if len(data) > limit:
        return _message(query, reply_code(data), _TRUNCATED, [])
    return struct.pack(">H", query.id) + data[2:]
