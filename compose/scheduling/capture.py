"""Run a command in a container and take its output; nothing of the caller's is handed over."""

from __future__ import annotations

import os
from typing import NamedTuple

from runtime import tasks
from runtime.engine import Engine, ExecSession
from runtime.values import ExecOptions

CHUNK = 65536


class Captured(NamedTuple):
    exit_code: int
    stdout: bytes
    stderr: bytes
    container: str = ""


async def captured(
    engine: Engine, container_id: str, options: ExecOptions, *, stdin: bytes = b""
) -> Captured:
    """Its output is kept in memory. Raises StartFailed, NotFound."""
    pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
    (stdin_read, stdin_write), (out, out_write), (err, err_write) = pipes
    given = (stdin_read, out_write, err_write)
    try:
        try:
            session = await engine.exec(container_id, options, stdio=given)
        finally:
            # ours must be closed, or the pipes never end
            for descriptor in given:
                os.close(descriptor)
        try:
            code, outputs = await _follow(session, {out: [], err: []}, stdin_write, stdin)
        finally:
            session.close()
    finally:
        os.close(out)
        os.close(err)
    return Captured(code, b"".join(outputs[out]), b"".join(outputs[err]))


async def _follow(
    session: ExecSession, outputs: dict[int, list[bytes]], stdin_write: int, stdin: bytes
) -> tuple[int, dict[int, list[bytes]]]:
    async with tasks.group() as group:
        group.start_soon(_write, stdin_write, stdin)
        for descriptor in outputs:
            os.set_blocking(descriptor, False)
            group.start_soon(_read, descriptor, outputs[descriptor])
        code = await session.wait()
        # a child that it left behind may hold the pipes open for ever
        group.cancel()
    for descriptor, parts in outputs.items():
        _drain(descriptor, parts)
    return code, outputs


async def _read(descriptor: int, parts: list[bytes]) -> None:
    while not _drain(descriptor, parts):
        await tasks.wait_readable(descriptor)


def _drain(descriptor: int, parts: list[bytes]) -> bool:
    """Take what is there; True at the end."""
    while True:
        try:
            part = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return False
        if not part:
            return True
        parts.append(part)


async def _write(descriptor: int, data: bytes) -> None:
    os.set_blocking(descriptor, False)
    try:
        while data:
            await tasks.wait_writable(descriptor)
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return
    finally:
        os.close(descriptor)
