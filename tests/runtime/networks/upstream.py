"""A name server of the test's own, on an address of the host."""

import socket
import threading
from contextlib import suppress


class Upstream:
    """Every name is 192.0.2.80 to it, or a failure (RFC 1035: 2 SERVFAIL, 3 NXDOMAIN); what was asked is kept."""

    def __init__(self, address: str, *, failure: int = 0) -> None:
        self._failure = failure
        self.asked: list[str] = []
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind((address, 53))
        self._streams = socket.create_server((address, 53))
        for work in (self._answer_datagrams, self._answer_streams):
            threading.Thread(target=work, daemon=True).start()

    def _answer_datagrams(self) -> None:
        with suppress(OSError):
            while True:
                question, peer = self._datagrams.recvfrom(4096)
                if not question:
                    return  # closed
                self._datagrams.sendto(self._answer(question), peer)

    def _answer_streams(self) -> None:
        with suppress(OSError):
            while True:
                connection, _peer = self._streams.accept()
                question = connection.recv(4096)[2:]
                answer = self._answer(question)
                connection.sendall(len(answer).to_bytes(2, "big") + answer)
                connection.close()

    def _answer(self, question: bytes) -> bytes:
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode())
            at += 1 + question[at]
        self.asked.append(".".join(labels))
        if self._failure:
            head = (
                question[:2]
                + bytes([0x81, 0x80 | self._failure])
                + bytes.fromhex("0001 0000 0000 0000")
            )
            return head + question[12 : at + 5]
        record = bytes.fromhex("c00c0001000100000005 0004 c0000250")
        return (
            question[:2] + bytes.fromhex("8180000100010000 0000") + question[12 : at + 5] + record
        )

    def close(self) -> None:
        for handle in (self._datagrams, self._streams):
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)
            handle.close()
