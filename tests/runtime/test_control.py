"""What a client sees of supervisors that are silent, or do not stay alive."""

import os
import shutil
import signal
import time

import anyio
import pytest

from runtime import control
from runtime.control import Channel, Line, NobodyThere
from runtime.engine import Engine
from runtime.errors import NotFound, Unreachable
from runtime.messages import RemoveContainer, StartContainer, StopContainer
from runtime.paths import Paths
from runtime.state.database import Database
from tests.conftest import wait_for_end
from tests.fakes.project import FakeProject, kill, wait_for_death

pytestmark = pytest.mark.kernel


@pytest.fixture
def project(paths: Paths):
    made = FakeProject(paths)
    yield made
    print(made.log)
    made.close()


def test_a_supervisor_that_says_nothing_is_given_up(
    project: FakeProject, monkeypatch: pytest.MonkeyPatch
):
    project.wait_for_supervisor()
    monkeypatch.setattr(control, "WELCOME_SECONDS", 0.2)
    supervisor = project.keeper.supervisor_pid
    os.kill(supervisor, signal.SIGSTOP)
    answers = []
    for ask in (Channel.answer, lambda channel: anyio.run(Channel.answer_later, channel)):
        with Channel(project.paths.control_socket) as channel:
            channel.ask(StopContainer(container_id="web"))
            with pytest.raises(Unreachable) as caught:
                ask(channel)
            answers.append((caught.value.code, caught.value.answered, caught.value.hint))
    hint = f"see {project.paths.engine_log}"
    assert answers == [("E323", "not a word for 0.2 seconds", hint)] * 2
    os.kill(supervisor, signal.SIGCONT)


def test_where_no_supervisor_stays_alive_a_command_says_the_last_line_of_its_log(
    project: FakeProject, paths: Paths
):
    (paths.data / "fake" / "broken").touch()
    for _attempt in range(3):
        with project.open() as asking, pytest.raises(NobodyThere):
            asking.ask(StopContainer(container_id="web"))
    assert "No space left on device\n" in project.log
    # with the cause gone the next one is as good as new; until its pause is over everybody is sent
    # away, and one that had begun before may still die
    (paths.data / "fake" / "broken").unlink()
    deadline = time.monotonic() + 30
    while True:
        try:
            project.wait_for_supervisor()
            break
        except NobodyThere:
            assert time.monotonic() < deadline


@pytest.mark.anyio
async def test_what_a_lost_keeper_left_is_not_waited_for_without_end(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("runtime.engine.SETTLE_SECONDS", 0.2)
    monkeypatch.setattr("runtime.state.recovery.is_unsettled", lambda _project: True)
    engine = Engine(paths, project="shop", folder="/x")
    with pytest.raises(Unreachable, match="what a lost keeper left behind is not settled"):
        await engine.open()
    assert await engine.remove_project_row("shop")
    await engine.aclose()
    assert Database.open(paths).projects() == ()
    wait_for_end(paths)


def test_a_keeper_ends_with_the_folder_that_somebody_removed(project: FakeProject):
    project.wait_for_supervisor()
    keeper = project.keeper
    shutil.rmtree(project.paths.run)
    kill(keeper.supervisor_pid)
    wait_for_death(keeper.pid)


# --- one line for many


@pytest.fixture
def web(project: FakeProject) -> FakeProject:
    """Its container `web` ignores SIGTERM; `job` ends by itself in a moment."""
    project.shell("web", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    project.shell("job", "sleep 0.2")
    project.start("web")
    return project


def stop(name: str, grace: float = 60.0) -> StopContainer:
    return StopContainer(container_id=name, grace=grace)


@pytest.mark.anyio
async def test_each_task_gets_the_answer_to_its_own_request(web: FakeProject):
    states: dict[str, str] = {}
    line = Line(web.paths.control_socket)

    async def ask(name: str) -> None:
        answer, _none = await line.ask(StartContainer(container_id=name))
        states[name] = answer.state.status

    async def ask_for_nothing() -> None:
        with pytest.raises(NotFound, match="no such container: nobody"):
            await line.ask(stop("nobody"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_for_nothing)
        tasks.start_soon(ask, "web")
        tasks.start_soon(ask, "job")
    line.close()
    assert states == {"web": "running", "job": "running"}


@pytest.mark.anyio
async def test_where_the_one_who_reads_gives_up_another_reads_on(web: FakeProject):
    line = Line(web.paths.control_socket)
    answers: list[str] = []
    reading = anyio.CancelScope()

    async def read() -> None:
        with reading:
            await line.ask(stop("web"))

    async def start_job() -> None:
        answer, _none = await line.ask(StartContainer(container_id="job"))
        answers.append(answer.state.status)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(start_job)
            await anyio.lowlevel.checkpoint()
            reading.cancel()
    line.close()
    assert answers == ["running"]


@pytest.mark.anyio
async def test_as_long_as_it_is_open_both_processes_stay(web: FakeProject):
    line = Line(web.paths.control_socket)
    for name in ("web", "job"):
        await line.ask(RemoveContainer(container_id=name, force=True))
    assert web.machine.containers() == ()
    for _attempt in range(3):
        with pytest.raises(NotFound):
            await line.ask(stop("web"))
    keeper = web.keeper
    line.close()
    wait_for_death(keeper.pid)


@pytest.mark.anyio
async def test_the_end_of_the_supervisor_is_told_to_all_who_wait(web: FakeProject):
    line = Line(web.paths.control_socket)
    told: list[str] = []

    async def ask() -> None:
        try:
            await line.ask(stop("web"))
        except Unreachable as fault:
            told.append(fault.code)

    await line.ask(StartContainer(container_id="web"))
    async with anyio.create_task_group() as tasks:
        for _number in range(3):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        web.kill_supervisor()
    assert told == ["E320"] * 3
    with pytest.raises(NobodyThere):
        await line.ask(stop("web"))
    line.close()
