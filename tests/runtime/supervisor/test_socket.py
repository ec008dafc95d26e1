"""How clients are let in, and no more."""

import socket
from types import SimpleNamespace

import anyio
import pytest

from runtime import tasks
from runtime.supervisor import socket as clients

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("may_accept", [True, False])
async def test_a_listener_that_is_closed_as_somebody_comes_is_no_error(
    monkeypatch: pytest.MonkeyPatch, *, may_accept: bool
):
    """A supervisor whose keeper dies closes it, and has containers to end after that."""
    project = SimpleNamespace(may_accept=tasks.event())
    listener = socket.create_server(("127.0.0.1", 0))

    async def come_at_the_end(_listener: socket.socket) -> None:
        listener.close()
        project.may_accept.set()

    async def come(_listener: socket.socket) -> None:
        pass

    if may_accept:
        project.may_accept.set()
    monkeypatch.setattr(tasks, "wait_readable", come_at_the_end if may_accept else come)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(clients.serve, project, listener)
            if not may_accept:
                await anyio.wait_all_tasks_blocked()
                await come_at_the_end(listener)
