"""What containers write -> lines with a prefix, on our stdout and stderr.

Prefixes are padded to the longest name that has appeared; colours go round. On a terminal, what a
container sends can colour its text and nothing else: no cursor movement, no title, no clipboard
(V46), unless `raw`. A file or a pipe gets the bytes as they came. Source: the attached-up chapter
of the command-line reference.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from compose.output import humanise
from compose.output.console import Console, Stream
from compose.position import printable
from compose.scheduling.events import (
    Attaching,
    ContainerExited,
    ContainerRecreated,
    LogOutput,
)

_COLOURS = ("36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1")
_FULL = 1 << 16
_PAUSE = 0.01

# all control characters but tab and newline, C1 and DEL in UTF-8, bidirectional overrides and
# isolates
_UNSAFE = re.compile(
    rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
_COLOURING = re.compile(rb"\x1b\[[0-9;:]*m")
_TOKEN = re.compile(_COLOURING.pattern + rb"|\r+(?=\n|\Z)|" + _UNSAFE.pattern)
_RESET = b"\x1b[0m"


class LogView:
    """The lines of all containers of a command. Left at its end, so that nothing stays in the
    buffer."""

    def __init__(
        self,
        console: Console,
        *,
        prefix: bool = True,
        colour: bool = True,
        raw: bool = False,
        beside: Callable[[Callable[[], None]], None] = lambda write: write(),
    ) -> None:
        """`beside` writes around a live block of the same terminal."""
        self.console = console
        self.has_prefix = prefix
        self.has_colour = colour and console.out.has_colour
        self.raw = raw
        self.beside = beside
        self.styles: dict[str, str] = {}
        self.width = 0
        self.pending = _Pending(self._write)

    def __enter__(self) -> LogView:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.pending.close()

    def attaching(self, event: Attaching) -> None:
        for name in event.names:
            self._register(name)
        self._add(self.console.out, f"Attaching to {', '.join(event.names)}\n".encode())

    def output(self, event: LogOutput) -> None:
        name = f"{event.name} ->" if event.hook else event.name
        stream = self.console.err if event.stream == "stderr" else self.console.out
        text = event.text
        if stream.is_terminal and not self.raw and _UNSAFE.search(text):
            text = make_safe(text, keep_colour=self.has_colour)
        head = self._prefix(name)
        if event.time is not None:
            head += f"{humanise.timestamp(event.time)} ".encode()
        if head and b"\n" in text:
            text = text.replace(b"\n", b"\n" + head)
        self._add(stream, head + text + b"\n")

    def exited(self, event: ContainerExited) -> None:
        more = " (restarting)" if event.restarting else ""
        self._status(event.name, f"exited with code {event.exit_code}{more}")

    def recreated(self, event: ContainerRecreated) -> None:
        self._status(event.name, "has been recreated")

    def flush(self) -> None:
        self.pending.flush()

    def _status(self, name: str, text: str) -> None:
        line = self._coloured(name, f"{printable(name)} {text}")
        self._add(self.console.out, f"{line}\n".encode())

    def _prefix(self, name: str) -> bytes:
        if not self.has_prefix:
            return b""
        self._register(name)
        return self._coloured(name, f"{printable(name):<{self.width}} | ").encode()

    def _register(self, name: str) -> None:
        if name in self.styles:
            return
        root = name.removesuffix(" ->")
        known = self.styles.get(root)
        self.styles[name] = known or _COLOURS[len(self.styles) % len(_COLOURS)]
        self.width = max(self.width, len(name) + 1)

    def _coloured(self, name: str, text: str) -> str:
        if not self.has_colour:
            return text
        self._register(name)
        return f"\x1b[{self.styles[name]}m{text}\x1b[0m"

    def _add(self, stream: Stream, data: bytes) -> None:
        self.pending.add(stream, data)

    def _write(self, stream: Stream, data: bytes) -> None:
        def write() -> None:
            stream.write_bytes(data)
            stream.flush()

        self.beside(write)


class _Pending:
    """Bytes on their way to a stream: one write for what comes within 10 ms, in the order of their
    coming.

    A line alone is written at once; of a flood, a thread writes what has gathered.
    """

    def __init__(self, write: Callable[[Stream, bytes], None]) -> None:
        self.write = write
        self.stream: Stream | None = None
        self.parts: list[bytes] = []
        self.size = 0
        self.lock = threading.RLock()
        self.gathering = threading.Event()
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def add(self, stream: Stream, data: bytes) -> None:
        with self.lock:
            if self.error is not None:
                raise self.error
            if stream is not self.stream:
                self.flush()
                self.stream = stream
            self.parts.append(data)
            self.size += len(data)
            if self.size >= _FULL:
                self.flush()
            elif not self.gathering.is_set():
                self._gather()

    def _gather(self) -> None:
        self.gathering.set()
        if self.thread is None:
            self.thread = threading.Thread(target=self._flush_often, daemon=True, name="logs")
            self.thread.start()

    def flush(self) -> None:
        with self.lock:
            stream, parts = self.stream, self.parts
            self.parts, self.size = [], 0
            if stream is not None and parts:
                self.write(stream, b"".join(parts))

    def _flush_often(self) -> None:
        while not self.ended.is_set():
            self.gathering.wait()
            self.ended.wait(_PAUSE)
            try:
                with self.lock:
                    self.gathering.clear()
                    self.flush()
            except BaseException as error:  # told to whoever adds next
                self.error = error
                return

    def close(self) -> None:
        self.ended.set()
        self.gathering.set()
        if self.thread is not None:
            self.thread.join()
        if self.error is not None:
            raise self.error
        self.flush()


def make_safe(text: bytes, *, keep_colour: bool) -> bytes:
    """The text with its colours, and every other control character spelled out: `\\x1b]52;...`."""
    coloured = False

    def spell(match: re.Match[bytes]) -> bytes:
        nonlocal coloured
        found = match[0]
        if found.startswith(b"\x1b["):
            coloured = keep_colour
            return found if keep_colour else b""
        if found[0] == 13 and found.strip(b"\r") == b"" and match.end() in line_ends:
            return b""
        return "".join(_spelled(one) for one in found.decode("utf-8", "replace")).encode()

    line_ends = {*(at.start() for at in re.finditer(rb"\n", text)), len(text)}
    safe = _TOKEN.sub(spell, text)
    # a colour that is not switched off would run into our own lines
    return safe + _RESET if coloured else safe


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
