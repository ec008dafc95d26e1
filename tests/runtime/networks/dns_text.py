"""DNS messages of the tests, as text: questions from words, responses to lines."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from runtime.networks.dns_wire import Code, Type, read_name, write_name

_WORDS = {
    Code.OK: "NOERROR",
    Code.FORMAT_ERROR: "FORMERR",
    Code.SERVER_FAILURE: "SERVFAIL",
    Code.NO_SUCH_NAME: "NXDOMAIN",
    Code.NOT_IMPLEMENTED: "NOTIMP",
    Code.REFUSED: "REFUSED",
}


def question(
    name: str, kind: int = Type.A, *, number: int = 7, edns: int = 0, klass: int = 1
) -> bytes:
    head = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 1 if edns else 0)
    body = write_name(name) + struct.pack(">HH", kind, klass)
    extra = b"\0" + struct.pack(">HHIH", Type.OPT, edns, 0, 0) if edns else b""
    return head + body + extra


def response(
    query: bytes, *addresses: str, code: Code = Code.OK, number: int | None = None
) -> bytes:
    """What an upstream server says to it."""
    identity = query[:2] if number is None else struct.pack(">H", number)
    head = identity + struct.pack(">HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
    _name, end = read_name(query, 12)
    records = b""
    for address in addresses:
        packed = ip_address(address).packed
        kind = Type.A if len(packed) == 4 else Type.AAAA
        records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(packed)) + packed
    return head + query[12 : end + 4] + records


def lines(data: bytes | None) -> str:
    """`NOERROR 172.18.0.2 172.18.0.3`; with a sign for each flag that matters."""
    assert data is not None
    _number, flags, questions, answers, _authority, others = struct.unpack_from(">HHHHHH", data)
    words = [_WORDS[Code(flags & 0xF)]]
    if flags & 0x0200:
        words.append("truncated")
    offset = 12
    for _question in range(questions):
        _name, offset = read_name(data, offset)
        offset += 4
    for _answer in range(answers):
        _name, offset = read_name(data, offset)
        kind, _klass, _ttl, length = struct.unpack_from(">HHIH", data, offset)
        offset += 10
        value = data[offset : offset + length]
        words.append(read_name(data, offset)[0] if kind == Type.PTR else str(ip_address(value)))
        offset += length
    if others:
        words.append("edns")
    return " ".join(words)
